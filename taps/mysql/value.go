package mysql

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"elt/internal/row"
)

// field is a column on its way: now is what it is announced as, which becomes
// text at a value that its type has and ours has not (a time of 838 hours).
type field struct {
	attribute
	now  row.Column
	text []byte
	zero bool // it was warned about
}

// raw is a value as text; numbers go their own way before.
func (f *field) raw(v driver.Value) []byte {
	switch x := v.(type) {
	case []byte:
		return x
	case string:
		return append(f.text[:0], x...)
	case int64:
		f.text = strconv.AppendInt(f.text[:0], x, 10)
	case uint64:
		f.text = strconv.AppendUint(f.text[:0], x, 10)
	case float32:
		f.text = strconv.AppendFloat(f.text[:0], float64(x), 'g', -1, 32)
	case float64:
		f.text = strconv.AppendFloat(f.text[:0], x, 'g', -1, 64)
	default:
		f.text = fmt.Append(f.text[:0], x)
	}
	return f.text
}

// append adds a value that is not NULL. False: it does not fit, and now is text.
func (f *field) append(b *row.Batch, v driver.Value) bool {
	if f.now.Kind == row.Text && f.Kind != row.Text {
		b.Open()
		b.Data = f.asText(b.Data, v)
		b.Close()
		return true
	}
	b.Open()
	if f.encode(b, v) {
		b.Close()
		return true
	}
	f.now = row.Widen(f.now, row.Column{Kind: row.Text, Wire: row.WireText, Nullable: f.now.Nullable})
	return false
}

// asText writes the values that fit their type as that would be written.
func (f *field) asText(dst []byte, v driver.Value) []byte {
	n, isInt := v.(int64)
	switch {
	case f.Kind == row.Bool && isInt && (n == 0 || n == 1):
		return strconv.AppendBool(dst, n == 1)
	case f.Kind == row.Bytes:
		return row.AppendText(dst, &f.Column, f.raw(v))
	}
	return append(dst, f.raw(v)...)
}

func (f *field) encode(b *row.Batch, v driver.Value) (ok bool) {
	if f.bits {
		return f.encodeBits(b, v)
	}
	n, isInt := v.(int64)
	switch f.Kind {
	case row.Int64:
		if isInt {
			b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(n))
		}
		return isInt
	case row.Bool:
		if ok = isInt && (n == 0 || n == 1); ok {
			b.Data = append(b.Data, byte(n))
		}
		return ok
	case row.Float64:
		switch x := v.(type) {
		case float32:
			b.Data = binary.BigEndian.AppendUint32(b.Data, math.Float32bits(x))
			return true
		case float64:
			b.Data = binary.BigEndian.AppendUint64(b.Data, math.Float64bits(x))
			return true
		}
		return false
	}
	text := f.raw(v)
	switch f.Kind {
	case row.Numeric:
		b.Data, ok = row.AppendNumeric(b.Data, text)
		return ok
	case row.Date:
		days, ok := row.ParseDate(text)
		b.Data = binary.BigEndian.AppendUint32(b.Data, uint32(days))
		return ok
	case row.Time:
		micros, ok := row.ParseTime(text)
		b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(micros))
		return ok
	case row.Timestamp, row.TimestampTZ:
		at, ok := row.ParseTimestamp(text)
		micros, exact := at.Micros()
		b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(micros))
		return ok && exact
	case row.UUID:
		u, ok := row.ParseUUID(text)
		b.Data = append(b.Data, u[:]...)
		return ok
	}
	b.Data = append(b.Data, text...)
	return true
}

// encodeBits reads bit(n), which comes as big-endian bytes.
func (f *field) encodeBits(b *row.Batch, v driver.Value) (ok bool) {
	var n uint64
	for _, x := range f.raw(v) {
		n = n<<8 | uint64(x)
	}
	switch f.Kind {
	case row.Bool:
		b.Data = append(b.Data, byte(n&1))
	case row.Int64:
		b.Data = binary.BigEndian.AppendUint64(b.Data, n)
	default:
		b.Data, ok = row.AppendNumeric(b.Data, strconv.AppendUint(nil, n, 10))
		return ok
	}
	return true
}

// isZero says whether a date is 0000-00-00, which is none.
func (f *field) isZero(v driver.Value) bool {
	switch f.Kind {
	case row.Date, row.Timestamp, row.TimestampTZ:
		text, ok := v.([]byte)
		return ok && bytes.HasPrefix(text, []byte("0000-00-00"))
	}
	return false
}
