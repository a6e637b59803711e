package parquet

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"elt/internal/row"
)

// From PostgreSQL's epoch to that of Unix.
const (
	epochDays    = 10957
	epochSeconds = 946684800
	epochMicros  = epochSeconds * 1_000_000
	julianUnix   = 2440588 // the Julian day of 1970-01-01
)

var (
	errRange = errors.New("the value is beyond what a date or timestamp can be")
	errUTF8  = errors.New("the text is not UTF-8")
	errJSON  = errors.New("the value is no JSON")
	errNoted = errors.New("the text is not what the file's note says")
)

type decoder = func(dst []byte, v parquet.Value) ([]byte, error)

// leafOf is how a column's values become fields, by the table in the
// format's LogicalTypes.md. noted is the kind that target-parquet had to
// write as text, 0 for none.
func leafOf(c *parquet.Column, noted row.Kind) leaf {
	kind, wire, decode := plain(c.Type())
	l := leaf{file: c, at: c.Index(), column: row.Column{Kind: kind, Wire: wire}, decode: decode}
	logical := c.Type().LogicalType()
	if logical == nil || logical.Value == nil {
		return l
	}
	set := func(kind row.Kind, wire row.Wire, decode decoder) {
		l.column.Kind, l.column.Wire, l.decode = kind, wire, decode
	}
	switch t := logical.Value.(type) {
	case *format.StringType, *format.EnumType:
		set(row.Text, row.WireText, text)
		if parse := parsers[noted]; parse != nil {
			set(noted, notedWire(noted), parse)
		}
	case *format.JsonType:
		set(row.JSON, row.WireJSON, jsonText)
	case *format.UUIDType:
		set(row.UUID, row.WireUUID, raw)
	case *format.DateType:
		set(row.Date, row.WireDate, date)
	case *format.DecimalType:
		set(row.Numeric, row.WireNumeric, decimal(c.Type().Kind(), int(t.Scale)))
		l.column.Precision, l.column.Scale = int(t.Precision), int(t.Scale)
	case *format.IntType:
		switch {
		case t.IsSigned && t.BitWidth <= 16:
			set(row.Int64, row.WireInt2, func(dst []byte, v parquet.Value) ([]byte, error) {
				return binary.BigEndian.AppendUint16(dst, uint16(v.Int32())), nil
			})
		case !t.IsSigned && t.BitWidth == 32:
			set(row.Int64, row.WireInt8, func(dst []byte, v parquet.Value) ([]byte, error) {
				return binary.BigEndian.AppendUint64(dst, uint64(uint32(v.Int32()))), nil
			})
		case !t.IsSigned && t.BitWidth == 64:
			set(row.Numeric, row.WireNumeric, func(dst []byte, v parquet.Value) ([]byte, error) {
				var buf [20]byte
				dst, _ = row.AppendNumeric(dst, strconv.AppendUint(buf[:0], uint64(v.Int64()), 10))
				return dst, nil
			})
			l.column.Precision = 20
		}
	case *format.TimeType:
		if _, nanos := t.Unit.Value.(*format.NanoSeconds); nanos {
			set(row.Text, row.WireText, nanoTime)
			break
		}
		_, millis := t.Unit.Value.(*format.MilliSeconds)
		set(row.Time, row.WireTime, func(dst []byte, v parquet.Value) ([]byte, error) {
			micros := v.Int64()
			if millis {
				micros = int64(v.Int32()) * 1000
			}
			if micros < 0 || micros > 86400e6 {
				return dst, errRange
			}
			return binary.BigEndian.AppendUint64(dst, uint64(micros)), nil
		})
	case *format.TimestampType:
		kind, wire, offset := row.Timestamp, row.WireTimestamp, row.NoOffset
		if t.IsAdjustedToUTC {
			kind, wire, offset = row.TimestampTZ, row.WireTimestampTZ, 0
		}
		switch t.Unit.Value.(type) {
		case *format.NanoSeconds:
			set(kind, row.WireTimestampExt, func(dst []byte, v parquet.Value) ([]byte, error) {
				return instant(dst, v.Int64(), offset), nil
			})
			l.column.Unit = row.Nanos
		case *format.MilliSeconds:
			set(kind, wire, func(dst []byte, v parquet.Value) ([]byte, error) {
				if v.Int64() > math.MaxInt64/1000 || v.Int64() < math.MinInt64/1000 {
					return dst, errRange
				}
				return timestamp(dst, v.Int64()*1000)
			})
		default:
			set(kind, wire, func(dst []byte, v parquet.Value) ([]byte, error) { return timestamp(dst, v.Int64()) })
		}
	}
	return l
}

// plain is a column without a logical type.
func plain(t parquet.Type) (row.Kind, row.Wire, decoder) {
	switch t.Kind() {
	case parquet.Boolean:
		return row.Bool, row.WireBool, func(dst []byte, v parquet.Value) ([]byte, error) {
			if v.Boolean() {
				return append(dst, 1), nil
			}
			return append(dst, 0), nil
		}
	case parquet.Int32:
		return row.Int64, row.WireInt4, func(dst []byte, v parquet.Value) ([]byte, error) {
			return binary.BigEndian.AppendUint32(dst, uint32(v.Int32())), nil
		}
	case parquet.Int64:
		return row.Int64, row.WireInt8, func(dst []byte, v parquet.Value) ([]byte, error) {
			return binary.BigEndian.AppendUint64(dst, uint64(v.Int64())), nil
		}
	case parquet.Int96: // a timestamp of old Spark, Hive and Impala: ns of the day, Julian day
		return row.Timestamp, row.WireTimestampExt, func(dst []byte, v parquet.Value) ([]byte, error) {
			i := v.Int96()
			nanos := int64(uint64(i[0]) | uint64(i[1])<<32)
			sec := (int64(i[2])-julianUnix)*86400 + nanos/1e9
			return row.AppendTimestampExt(dst, row.Instant{Sec: sec, Nano: int32(nanos % 1e9), Offset: row.NoOffset}), nil
		}
	case parquet.Float:
		return row.Float64, row.WireFloat4, func(dst []byte, v parquet.Value) ([]byte, error) {
			return binary.BigEndian.AppendUint32(dst, math.Float32bits(v.Float())), nil
		}
	case parquet.Double:
		return row.Float64, row.WireFloat8, func(dst []byte, v parquet.Value) ([]byte, error) {
			return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Double())), nil
		}
	}
	return row.Bytes, row.WireBytea, raw
}

func raw(dst []byte, v parquet.Value) ([]byte, error) { return append(dst, v.ByteArray()...), nil }

func text(dst []byte, v parquet.Value) ([]byte, error) {
	if !utf8.Valid(v.ByteArray()) {
		return dst, errUTF8
	}
	return append(dst, v.ByteArray()...), nil
}

func jsonText(dst []byte, v parquet.Value) ([]byte, error) {
	if !json.Valid(v.ByteArray()) {
		return dst, errJSON
	}
	return append(dst, v.ByteArray()...), nil
}

func date(dst []byte, v parquet.Value) ([]byte, error) {
	days := v.Int32()
	if days <= math.MinInt32+epochDays {
		return dst, errRange
	}
	return binary.BigEndian.AppendUint32(dst, uint32(days-epochDays)), nil
}

func timestamp(dst []byte, micros int64) ([]byte, error) {
	if micros <= math.MinInt64+epochMicros {
		return dst, errRange
	}
	return binary.BigEndian.AppendUint64(dst, uint64(micros-epochMicros)), nil
}

// instant appends nanoseconds of Unix time.
func instant(dst []byte, nanos int64, offset int32) []byte {
	sec, rest := nanos/1e9, nanos%1e9
	if rest < 0 {
		sec, rest = sec-1, rest+1e9
	}
	return row.AppendTimestampExt(dst, row.Instant{Sec: sec, Nano: int32(rest), Offset: offset})
}

// nanoTime is text, since a time of day counts microseconds.
func nanoTime(dst []byte, v parquet.Value) ([]byte, error) {
	nanos := v.Int64()
	if nanos < 0 || nanos > 86400e9 {
		return dst, errRange
	}
	dst = row.AppendTimeText(dst, nanos/1e9*1e6)
	if nanos %= 1e9; nanos == 0 {
		return dst, nil
	}
	dst = append(dst, '.')
	for unit := int64(1e8); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+nanos/unit%10))
	}
	return dst, nil
}

// decimal reads integers and big-endian two's complements.
func decimal(kind parquet.Kind, scale int) decoder {
	var buf []byte
	var digits []byte
	return func(dst []byte, v parquet.Value) ([]byte, error) {
		switch kind {
		case parquet.Int32:
			digits = strconv.AppendInt(digits[:0], int64(v.Int32()), 10)
		case parquet.Int64:
			digits = strconv.AppendInt(digits[:0], v.Int64(), 10)
		default:
			digits = wide(digits[:0], v.ByteArray())
		}
		buf = point(buf[:0], digits, scale)
		dst, ok := row.AppendNumeric(dst, buf)
		if !ok {
			return dst, errRange
		}
		return dst, nil
	}
}

// wide is the decimal text of a two's complement.
func wide(dst, b []byte) []byte {
	if len(b) > 16 {
		n := new(big.Int).SetBytes(b)
		if b[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		return n.Append(dst, 10)
	}
	var hi, lo uint64
	if len(b) > 0 && b[0] >= 0x80 {
		hi, lo = math.MaxUint64, math.MaxUint64
	}
	for _, c := range b {
		hi, lo = hi<<8|lo>>56, lo<<8|uint64(c)
	}
	if hi>>63 != 0 {
		dst = append(dst, '-')
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	start := len(dst)
	for hi > 0 || lo > 0 {
		var rest uint64
		hi, rest = hi/10, hi%10
		lo, rest = bits.Div64(rest, lo, 10)
		dst = append(dst, byte('0'+rest))
	}
	if len(dst) == start {
		return append(dst, '0')
	}
	slices.Reverse(dst[start:])
	return dst
}

// point appends digits with a decimal point before the last scale of them.
func point(dst, digits []byte, scale int) []byte {
	if digits[0] == '-' {
		dst, digits = append(dst, '-'), digits[1:]
	}
	if scale <= 0 {
		return append(dst, digits...)
	}
	if len(digits) <= scale {
		dst = append(dst, '0', '.')
		for range scale - len(digits) {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	return append(append(dst, '.'), digits[len(digits)-scale:]...)
}

// parsers read the texts that target-parquet writes for kinds.
var parsers = [...]decoder{
	row.Numeric: func(dst []byte, v parquet.Value) ([]byte, error) {
		dst, ok := row.AppendNumeric(dst, v.ByteArray())
		return dst, noted(ok)
	},
	row.Date: func(dst []byte, v parquet.Value) ([]byte, error) {
		days, ok := row.ParseDate(v.ByteArray())
		return binary.BigEndian.AppendUint32(dst, uint32(days)), noted(ok)
	},
	row.Time: func(dst []byte, v parquet.Value) ([]byte, error) {
		micros, ok := row.ParseTime(v.ByteArray())
		return binary.BigEndian.AppendUint64(dst, uint64(micros)), noted(ok)
	},
	row.Timestamp:   zonedText,
	row.TimestampTZ: zonedText,
	row.JSON:        nil, // the last kind
}

func zonedText(dst []byte, v parquet.Value) ([]byte, error) {
	i, ok := row.ParseTimestamp(v.ByteArray())
	return row.AppendTimestampExt(dst, i), noted(ok)
}

func notedWire(kind row.Kind) row.Wire {
	if kind == row.Timestamp || kind == row.TimestampTZ {
		return row.WireTimestampExt
	}
	return kind.DefaultWire()
}

func noted(ok bool) error {
	if ok {
		return nil
	}
	return errNoted
}
