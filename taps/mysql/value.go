package mysql

import (
	"encoding/binary"
	"math"
	"strconv"

	"elt/internal/row"
	"elt/taps/mysql/wire"
)

// field is a column on its way: now is what it is announced as, which becomes
// text at a value that its type has and ours has not (a time of 838 hours).
type field struct {
	attribute
	now   row.Column
	text  []byte
	zero  bool // it was warned about
	isKey bool // of the stream
}

// raw is a value as text, valid until the next one.
func (f *field) raw(v *wire.Cell) []byte {
	if v.Kind == wire.Bytes {
		return v.Bytes
	}
	f.text = v.AppendText(f.text[:0])
	return f.text
}

// append adds a value that is not NULL. False: it does not fit, and now is text.
func (f *field) append(b *row.Batch, v *wire.Cell) bool {
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
func (f *field) asText(dst []byte, v *wire.Cell) []byte {
	switch {
	case f.Kind == row.Bool && v.Kind == wire.Int && (v.Int == 0 || v.Int == 1):
		return strconv.AppendBool(dst, v.Int == 1)
	case f.Kind == row.Bytes:
		return row.AppendText(dst, &f.Column, f.raw(v))
	}
	return append(dst, f.raw(v)...)
}

func (f *field) encode(b *row.Batch, v *wire.Cell) (ok bool) {
	if f.bits {
		return f.encodeBits(b, v)
	}
	switch f.Kind {
	case row.Int64:
		b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(v.Int)|v.Uint) // one of them is 0
		return v.Kind == wire.Int || v.Kind == wire.Uint && v.Uint <= math.MaxInt64
	case row.Bool:
		b.Data = append(b.Data, byte(v.Int))
		return v.Kind == wire.Int && (v.Int == 0 || v.Int == 1)
	case row.Float64:
		if f.Wire == row.WireFloat4 {
			b.Data = binary.BigEndian.AppendUint32(b.Data, math.Float32bits(float32(v.Float)))
		} else {
			b.Data = binary.BigEndian.AppendUint64(b.Data, math.Float64bits(v.Float))
		}
		return v.Kind == wire.Single || v.Kind == wire.Float
	case row.Numeric:
		if v.Kind == wire.Int {
			b.Data, ok = row.AppendNumericInt(b.Data, v.Int), true
		} else if v.Kind == wire.Uint && v.Uint <= math.MaxInt64 {
			b.Data, ok = row.AppendNumericInt(b.Data, int64(v.Uint)), true
		} else {
			b.Data, ok = row.AppendNumeric(b.Data, f.raw(v))
		}
		return ok
	case row.Date:
		days, ok := row.DaysOf(v.Year, v.Month, v.Day)
		b.Data = binary.BigEndian.AppendUint32(b.Data, uint32(days))
		return ok && v.Kind == wire.Date
	case row.Time:
		b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(micros(v)))
		return v.Kind == wire.Clock && v.Hour < 24 && !v.Negative
	case row.Timestamp, row.TimestampTZ:
		days, ok := row.DaysOf(v.Year, v.Month, v.Day)
		b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(int64(days)*86_400_000_000+micros(v)))
		return ok && v.Kind == wire.Stamp
	case row.UUID:
		u, ok := row.ParseUUID(f.raw(v))
		b.Data = append(b.Data, u[:]...)
		return ok
	}
	b.Data = append(b.Data, f.raw(v)...)
	return true
}

// micros is the time of day in microseconds.
func micros(v *wire.Cell) int64 {
	return int64((v.Hour*60+v.Minute)*60+v.Second)*1_000_000 + int64(v.Micro)
}

// encodeBits reads bit(n), which comes as big-endian bytes.
func (f *field) encodeBits(b *row.Batch, v *wire.Cell) (ok bool) {
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
		f.text = strconv.AppendUint(f.text[:0], n, 10)
		b.Data, ok = row.AppendNumeric(b.Data, f.text)
		return ok
	}
	return true
}
