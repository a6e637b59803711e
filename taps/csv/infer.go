package csv

import (
	"bytes"

	"elt/internal/row"
)

// A decimal column is declared with so many digits as a double holds, so that
// destinations without exact decimals can still compute with it; a value that
// needs more widens it to any size.
const declaredDigits = 15

// columnOf is the narrowest column that holds a field exactly, so that its
// text could be had back: 007 and +1 are no numbers, 2024-02-30 is no date.
func columnOf(name string, field []byte) row.Column {
	c := row.Column{Name: name, Nullable: true}
	switch {
	case isBool(field):
		c.Kind = row.Bool
	case isNumber(field):
		whole, frac, plain := digits(field)
		switch {
		case plain && frac == 0 && !bytes.ContainsRune(field, '.') && isInt64(field):
			c.Kind = row.Int64
		case plain && frac > 0 && whole+frac <= declaredDigits:
			c.Kind, c.Precision, c.Scale = row.Numeric, declaredDigits, frac
		default:
			c.Kind = row.Numeric
		}
	default:
		c.Kind = timeKind(field)
	}
	c.Wire = c.Kind.DefaultWire()
	return c
}

// sampled is the column for a file of which both were seen. Nothing is loaded
// yet, so declared decimals stay declared: put checks each value's digits.
func sampled(a, b row.Column) row.Column {
	w := row.Widen(a, b)
	declared := func(c row.Column) bool { return c.Kind == row.Numeric && c.Precision > 0 || c.Kind == row.Int64 }
	if w.Kind == row.Numeric && declared(a) && declared(b) {
		w.Precision, w.Scale = declaredDigits, max(a.Scale, b.Scale)
	}
	return w
}

func isBool(f []byte) bool {
	switch string(f) {
	case "true", "false", "True", "False", "TRUE", "FALSE":
		return true
	}
	return false
}

// isNumber: a minus at most, no leading zeros, digits, a point between digits, an exponent.
func isNumber(f []byte) bool {
	if len(f) > 0 && f[0] == '-' {
		f = f[1:]
	}
	n := run(f)
	if n == 0 || n > 1 && f[0] == '0' {
		return false
	}
	f = f[n:]
	if len(f) > 0 && f[0] == '.' {
		if n = run(f[1:]); n == 0 {
			return false
		}
		f = f[1+n:]
	}
	if len(f) > 0 && (f[0] == 'e' || f[0] == 'E') {
		f = f[1:]
		if len(f) > 0 && (f[0] == '-' || f[0] == '+') {
			f = f[1:]
		}
		if n = run(f); n == 0 || n > 4 {
			return false
		}
		f = f[n:]
	}
	return len(f) == 0
}

// run is how many digits f starts with.
func run(f []byte) int {
	n := 0
	for n < len(f) && f[n]-'0' <= 9 {
		n++
	}
	return n
}

// digits counts the digits before and after the point; plain: no exponent.
func digits(f []byte) (whole, frac int, plain bool) {
	if len(f) > 0 && f[0] == '-' {
		f = f[1:]
	}
	whole = run(f)
	f = f[whole:]
	if len(f) > 0 && f[0] == '.' {
		frac = run(f[1:])
		f = f[1+frac:]
	}
	return whole, frac, len(f) == 0
}

func isInt64(f []byte) bool {
	_, ok := parseInt(f)
	return ok
}

// parseInt reads what isNumber took for a whole number, if int64 holds it. -0 is text.
func parseInt(f []byte) (int64, bool) {
	neg := len(f) > 0 && f[0] == '-'
	if neg {
		f = f[1:]
	}
	if len(f) == 0 || len(f) > 19 || f[0] == '0' && (len(f) > 1 || neg) {
		return 0, false
	}
	var v uint64
	for _, c := range f {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	if neg {
		return -int64(v), v <= 1<<63
	}
	return int64(v), v < 1<<63
}

func timeKind(f []byte) row.Kind {
	if len(f) < 10 || f[0]-'0' > 9 {
		return row.Text
	}
	if _, ok := row.ParseDate(f); ok {
		return row.Date
	}
	if len(f) < 16 {
		return row.Text
	}
	i, ok := row.ParseTimestamp(f)
	if !ok {
		return row.Text
	}
	if _, exact := i.Micros(); !exact {
		return row.Text
	}
	if i.Offset == row.NoOffset {
		return row.Timestamp
	}
	return row.TimestampTZ
}

// put appends a field to the batch's open row; false, and nothing appended,
// when the column does not hold it.
func put(b *row.Batch, c *row.Column, f []byte) bool {
	switch c.Kind {
	case row.Text:
		b.Field(f)
	case row.Int64:
		v, ok := parseInt(f)
		if !ok {
			return false
		}
		b.Int8(v)
	case row.Numeric:
		if !isNumber(f) {
			return false
		}
		if c.Precision > 0 {
			if whole, frac, plain := digits(f); !plain || frac > c.Scale || whole > c.Precision-c.Scale {
				return false
			}
		}
		b.Open()
		var ok bool
		if b.Data, ok = row.AppendNumeric(b.Data, f); !ok {
			return false
		}
		b.Close()
	case row.Bool:
		if !isBool(f) {
			return false
		}
		b.Bool(f[0] == 't' || f[0] == 'T')
	case row.Date:
		days, ok := row.ParseDate(f)
		if !ok {
			return false
		}
		b.Int4(days)
	case row.Timestamp, row.TimestampTZ:
		return putTimestamp(b, c, f)
	}
	return true
}

func putTimestamp(b *row.Batch, c *row.Column, f []byte) bool {
	i, ok := row.ParseTimestamp(f)
	if !ok || (i.Offset == row.NoOffset) != (c.Kind == row.Timestamp) {
		return false
	}
	micros, exact := i.Micros()
	if !exact {
		return false
	}
	b.Int8(micros)
	return true
}
