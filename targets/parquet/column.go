package parquet

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go"

	"elt/internal/row"
)

// From PostgreSQL's epoch to that of Unix.
const (
	epochDays   = 10957
	epochMicros = 946684800_000_000
)

// typ is what a column is in a file.
type typ struct {
	node parquet.Node
	text bool
	dec  decimal
	size int  // bytes of a fixed-length decimal, 0: it is an integer
	nano bool // a timestamp counts nanoseconds
}

// typeOf is the Parquet type of a column, by the table in the format's
// LogicalTypes.md. Exact numbers without a precision, or of more than 38
// digits, are text.
func typeOf(c row.Column) typ {
	dictionary := func(n parquet.Node) parquet.Node { return parquet.Encoded(n, &parquet.RLEDictionary) }
	delta := func(n parquet.Node) parquet.Node { return parquet.Encoded(n, &parquet.DeltaBinaryPacked) }
	if c.Kind == row.JSON && c.Wire == row.WireText && !c.Mixed {
		return typ{node: parquet.JSON(), text: true} // a nested column with a value of another shape
	}
	if c.Wire == row.WireText || c.Mixed {
		return typ{node: dictionary(parquet.String()), text: true}
	}
	switch c.Kind {
	case row.Bool:
		return typ{node: parquet.Leaf(parquet.BooleanType)}
	case row.Int64:
		return typ{node: delta(parquet.Int(map[row.Wire]int{row.WireInt2: 16, row.WireInt4: 32, row.WireInt8: 64}[c.Wire]))}
	case row.Float64:
		if c.Wire == row.WireFloat4 {
			return typ{node: parquet.Leaf(parquet.FloatType)}
		}
		return typ{node: parquet.Leaf(parquet.DoubleType)}
	case row.Numeric:
		t := typ{}
		switch {
		case c.Precision < 1 || c.Precision > maxDigits || c.Scale < 0 || c.Scale > c.Precision:
			return typ{node: dictionary(parquet.String()), text: true}
		case c.Precision <= 9:
			t.node = delta(parquet.Decimal(c.Scale, c.Precision, parquet.Int32Type))
		case c.Precision <= 18:
			t.node = delta(parquet.Decimal(c.Scale, c.Precision, parquet.Int64Type))
		default:
			t.size = decimalBytes(c.Precision)
			t.node = parquet.Decimal(c.Scale, c.Precision, parquet.FixedLenByteArrayType(t.size))
		}
		t.dec = newDecimal(c.Precision, c.Scale)
		return t
	case row.Bytes:
		return typ{node: parquet.Leaf(parquet.ByteArrayType)}
	case row.Date:
		return typ{node: delta(parquet.Date())}
	case row.Time:
		return typ{node: delta(parquet.TimeAdjusted(parquet.Microsecond, false))}
	case row.Timestamp, row.TimestampTZ:
		if c.Wire == row.WireTimestampExt && c.Unit == row.Nanos {
			return typ{node: delta(parquet.TimestampAdjusted(parquet.Nanosecond, c.Kind == row.TimestampTZ)), nano: true}
		}
		return typ{node: delta(parquet.TimestampAdjusted(parquet.Microsecond, c.Kind == row.TimestampTZ))}
	case row.UUID:
		return typ{node: parquet.UUID()}
	case row.JSON:
		return typ{node: parquet.JSON()}
	}
	return typ{node: dictionary(parquet.String()), text: true}
}

// column is one column of a file and what the batch at hand has for it.
type column struct {
	name   string
	at     int // in the schema
	index  int // among the leaves of the file
	typ    typ
	value  func(field []byte) (parquet.Value, bool) // false: the value does not fit
	values []parquet.Value
	arena  []byte // bytes that values point to, beside those of the batch
	size   int64  // bytes of values
	page   int64  // bytes since the last page
	number []byte // scratch
	digits []byte // scratch
}

// read makes the column ready for fields of a source column.
func (c *column) read(from row.Column) {
	c.value = c.reader(from)
}

func (c *column) reader(from row.Column) func([]byte) (parquet.Value, bool) {
	switch {
	case from.Mixed && from.Wire == row.WireJSON: // as SQL targets: scalars without quotes
		bare, _ := row.Converter(from, row.Column{Kind: row.Text, Wire: row.WireText})
		return func(f []byte) (parquet.Value, bool) {
			start := len(c.arena)
			var err error
			c.arena, err = bare(c.arena, f)
			return parquet.ByteArrayValue(c.arena[start:len(c.arena):len(c.arena)]), err == nil
		}
	case from.Wire == row.WireText, from.Wire == row.WireJSON && !c.typ.text, from.Wire == row.WireBytea && !c.typ.text:
		return func(f []byte) (parquet.Value, bool) { return parquet.ByteArrayValue(f), true }
	case c.typ.text:
		return func(f []byte) (parquet.Value, bool) {
			start := len(c.arena)
			c.arena = row.AppendText(c.arena, &from, f)
			return parquet.ByteArrayValue(c.arena[start:len(c.arena):len(c.arena)]), true
		}
	}
	switch from.Wire {
	case row.WireJSONB:
		return func(f []byte) (parquet.Value, bool) { return parquet.ByteArrayValue(f[1:]), true }
	case row.WireBool:
		return func(f []byte) (parquet.Value, bool) { return parquet.BooleanValue(f[0] != 0), true }
	case row.WireInt2, row.WireInt4:
		return func(f []byte) (parquet.Value, bool) { return parquet.Int32Value(int32(row.Int(&from, f))), true }
	case row.WireInt8:
		return func(f []byte) (parquet.Value, bool) {
			return parquet.Int64Value(int64(binary.BigEndian.Uint64(f))), true
		}
	case row.WireFloat4:
		return func(f []byte) (parquet.Value, bool) {
			return parquet.FloatValue(math.Float32frombits(binary.BigEndian.Uint32(f))), true
		}
	case row.WireFloat8:
		return func(f []byte) (parquet.Value, bool) {
			return parquet.DoubleValue(math.Float64frombits(binary.BigEndian.Uint64(f))), true
		}
	case row.WireUUID:
		return func(f []byte) (parquet.Value, bool) { return parquet.FixedLenByteArrayValue(f), true }
	case row.WireNumeric:
		return c.decimal
	case row.WireDate:
		return date
	case row.WireTime:
		return timeOfDay
	case row.WireTimestamp, row.WireTimestampTZ:
		return func(f []byte) (parquet.Value, bool) { return timestamp(int64(binary.BigEndian.Uint64(f))) }
	}
	if c.typ.nano {
		return nanos
	}
	return func(f []byte) (parquet.Value, bool) { // row.WireTimestampExt
		micros, exact := row.TimestampExt(f).Micros()
		if !exact {
			return parquet.Value{}, false
		}
		return timestamp(micros)
	}
}

func (c *column) decimal(f []byte) (parquet.Value, bool) {
	hi, lo, ok := c.typ.dec.unscaled(f)
	switch {
	case !ok:
		return parquet.Value{}, false
	case c.typ.size > 0:
		var both [16]byte
		binary.BigEndian.PutUint64(both[:], hi)
		binary.BigEndian.PutUint64(both[8:], lo)
		start := len(c.arena)
		c.arena = append(c.arena, both[16-c.typ.size:]...)
		return parquet.FixedLenByteArrayValue(c.arena[start:len(c.arena):len(c.arena)]), true
	case c.typ.node.Type().Kind() == parquet.Int32:
		return parquet.Int32Value(int32(lo)), true
	}
	return parquet.Int64Value(int64(lo)), true
}

// date: infinities do not fit, nor what is beyond days in 32 bits.
func date(f []byte) (parquet.Value, bool) {
	days := int32(binary.BigEndian.Uint32(f))
	if days == math.MinInt32 || days > math.MaxInt32-epochDays {
		return parquet.Value{}, false
	}
	return parquet.Int32Value(days + epochDays), true
}

// timeOfDay: 24:00 does not fit, since a day of Parquet has less.
func timeOfDay(f []byte) (parquet.Value, bool) {
	micros := int64(binary.BigEndian.Uint64(f))
	return parquet.Int64Value(micros), micros < 86400e6
}

// nanos of Unix time, which 64 bits hold for the years 1678 to 2261.
func nanos(f []byte) (parquet.Value, bool) {
	i := row.TimestampExt(f)
	const most = math.MaxInt64 / 1_000_000_000
	if i.Sec >= most || i.Sec < -most {
		return parquet.Value{}, false
	}
	return parquet.Int64Value(i.Sec*1_000_000_000 + int64(i.Nano)), true
}

func timestamp(micros int64) (parquet.Value, bool) {
	if micros == math.MinInt64 || micros > math.MaxInt64-epochMicros {
		return parquet.Value{}, false
	}
	return parquet.Int64Value(micros + epochMicros), true
}
