package sqlite

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"elt/internal/row"
)

// field is a column on its way: declared is what its type promises, now what
// it is announced as, which is more once a value did not fit.
type field struct {
	declared, now row.Column
	paths         []conversion // conversions into now
	scratch, text []byte
}

type conversion struct {
	from    row.Column
	convert row.Convert // nil: the bytes are the same
}

// append adds a value to the batch. False: it does not fit what was
// announced, and now has been widened; the row is to be begun again.
func (f *field) append(b *row.Batch, tag byte, v []byte) (bool, error) {
	if tag == tagNull {
		b.Null()
		return true, nil
	}
	if f.now.Kind == f.declared.Kind && f.now.Precision == f.declared.Precision {
		b.Open()
		var ok bool
		if b.Data, ok = f.encode(b.Data, &f.declared, tag, v); ok {
			b.Close()
			return true, nil
		}
		b.Data = b.Data[:len(b.Data)-4]
	} else if f.now.Kind == row.Text && tag == tagText && utf8.Valid(v) {
		b.Field(v) // as it is written
		return true, nil
	} else if ok, err := f.through(b, &f.declared, tag, v); ok || err != nil {
		return ok, err
	}
	natural := f.natural(tag, v)
	if !row.Holds(f.now, natural) {
		f.now = row.Widen(f.now, natural)
		f.paths = nil
		return false, nil
	}
	return f.through(b, &natural, tag, v)
}

// through encodes the value as one of from and converts that. False: it is none.
func (f *field) through(b *row.Batch, from *row.Column, tag byte, v []byte) (ok bool, err error) {
	if f.scratch, ok = f.encode(f.scratch[:0], from, tag, v); !ok {
		return false, nil
	}
	convert := row.Convert(nil)
	found := false
	for _, p := range f.paths {
		if found = p.from.Kind == from.Kind && p.from.Wire == from.Wire; found {
			convert = p.convert
			break
		}
	}
	if !found {
		convert, _ = row.Converter(*from, f.now) // now holds from
		f.paths = append(f.paths, conversion{*from, convert})
	}
	if convert == nil {
		b.Field(f.scratch)
		return true, nil
	}
	b.Open()
	if b.Data, err = convert(b.Data, f.scratch); err == nil {
		b.Close()
	}
	return err == nil, err
}

// natural is the column that a value needs which does not keep to the
// declared type: the nearest relative of that, else the value's own type.
func (f *field) natural(tag byte, v []byte) row.Column {
	c := f.declared
	switch {
	case tag == tagInt:
		return column(row.Int64)
	case tag == tagDouble:
		return column(row.Float64)
	case tag == tagBlob || !utf8.Valid(v):
		return column(row.Bytes)
	case c.Kind == row.Numeric:
		if _, ok := row.AppendNumeric(f.text[:0], v); ok {
			return column(row.Numeric)
		}
	case c.Kind == row.Date || c.Kind == row.Timestamp:
		if at, ok := row.ParseTimestamp(v); ok && at.Offset == row.NoOffset {
			return column(row.Timestamp)
		} else if ok {
			return column(row.TimestampTZ)
		}
	}
	return column(row.Text)
}

// encode appends a value as the bytes of c's wire. False: it is no value of
// that kind, or one that c's precision would cut.
func (f *field) encode(dst []byte, c *row.Column, tag byte, v []byte) ([]byte, bool) {
	start := len(dst)
	ok := false
	switch c.Kind {
	case row.Int64:
		if ok = tag == tagInt; ok {
			dst = binary.BigEndian.AppendUint64(dst, binary.NativeEndian.Uint64(v))
		}
	case row.Float64:
		switch tag {
		case tagDouble:
			return binary.BigEndian.AppendUint64(dst, binary.NativeEndian.Uint64(v)), true
		case tagInt:
			i := integer(v)
			if ok = i >= -1<<53 && i <= 1<<53; ok {
				dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(float64(i)))
			}
		}
	case row.Text:
		if ok = tag == tagText && utf8.Valid(v); ok {
			dst = append(dst, v...)
		}
	case row.Bytes: // text that is no UTF-8 is kept as bytes
		if ok = tag == tagBlob || tag == tagText && !utf8.Valid(v); ok {
			dst = append(dst, v...)
		}
	case row.Numeric:
		f.text = decimal(f.text[:0], tag, v)
		if ok = len(f.text) > 0 && fits(c, f.text); ok {
			dst, ok = row.AppendNumeric(dst, f.text)
		}
	case row.Bool:
		switch {
		case tag == tagInt && uint64(integer(v)) <= 1:
			return append(dst, byte(integer(v))), true
		case tag == tagText && (bytes.EqualFold(v, []byte("true")) || bytes.EqualFold(v, []byte("false"))):
			return append(dst, byte(5-len(v))), true
		}
	case row.JSON:
		switch {
		case tag == tagText && json.Valid(v):
			return append(dst, v...), true
		case tag == tagInt || tag == tagDouble && !math.IsInf(double(v), 0):
			return decimal(dst, tag, v), true
		}
	case row.UUID:
		switch {
		case tag == tagBlob && len(v) == 16:
			return append(dst, v...), true
		case tag == tagText && len(v) == 36:
			var u [16]byte
			if u, ok = row.ParseUUID(v); ok {
				dst = append(dst, u[:]...)
			}
		}
	default:
		if tag == tagText {
			dst, ok = temporal(dst, c, v)
		}
	}
	if !ok {
		dst = dst[:start]
	}
	return dst, ok
}

func temporal(dst []byte, c *row.Column, v []byte) ([]byte, bool) {
	switch c.Kind {
	case row.Date:
		days, ok := row.ParseDate(v)
		return binary.BigEndian.AppendUint32(dst, uint32(days)), ok
	case row.Time:
		micros, ok := row.ParseTime(v)
		return binary.BigEndian.AppendUint64(dst, uint64(micros)), ok
	}
	at, ok := row.ParseTimestamp(v)
	if c.Kind == row.Timestamp && at.Offset != row.NoOffset && at.Sec != math.MaxInt64 && at.Sec != math.MinInt64 {
		return dst, false
	}
	return row.AppendTimestampExt(dst, at), ok
}

func integer(v []byte) int64 { return int64(binary.NativeEndian.Uint64(v)) }

func double(v []byte) float64 { return math.Float64frombits(binary.NativeEndian.Uint64(v)) }

// decimal appends a value as the digits of a number: of a double the shortest
// that read back as it. A blob has none.
func decimal(dst []byte, tag byte, v []byte) []byte {
	switch tag {
	case tagInt:
		return strconv.AppendInt(dst, integer(v), 10)
	case tagDouble:
		d := double(v)
		switch {
		case math.IsInf(d, 1):
			return append(dst, "Infinity"...)
		case math.IsInf(d, -1):
			return append(dst, "-Infinity"...)
		case d != 0 && (math.Abs(d) < 1e-6 || math.Abs(d) >= 1e21):
			return strconv.AppendFloat(dst, d, 'e', -1, 64)
		}
		return strconv.AppendFloat(dst, d, 'f', -1, 64)
	case tagText:
		return append(dst, v...)
	}
	return dst
}

// fits says whether a decimal has no more digits than its column declares,
// which SQLite does not enforce and a target would round by.
func fits(c *row.Column, text []byte) bool {
	if c.Precision == 0 || string(text) == "NaN" {
		return true
	}
	whole, fraction, point := 0, 0, false
	for _, d := range text {
		switch {
		case d == '.':
			point = true
		case d < '0' || d > '9':
			if d != '-' && d != '+' {
				return false // an exponent, or an infinity
			}
		case point:
			fraction++
		case whole > 0 || d != '0':
			whole++
		}
	}
	return fraction <= c.Scale && whole <= c.Precision-c.Scale
}
