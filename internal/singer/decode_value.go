package singer

import (
	"encoding/binary"
	"errors"
	"strconv"

	"elt/internal/row"
)

// NULPolicy says what happens to \u0000 in a string, which PostgreSQL and
// others cannot store.
type NULPolicy uint8

const (
	NULReplace NULPolicy = iota // by U+FFFD, at any depth
	NULKeep
	NULFail // the record is bad
)

// notice is something that a user is told once per stream and field.
type notice uint8

const (
	noticeUTF8 notice = 1 << iota
	noticeNUL
	noticeNaN
	noticeUnknown
)

// value appends the value at line[i] as a field of c, length first, and
// returns the index after it.
func (d *decoder) value(c *column, i int) (int, error) {
	line := d.line
	if i >= len(line) {
		return i, broken(i, "it ends in the middle")
	}
	switch line[i] {
	case 'n':
		if !literal(line, i, "null") {
			return i, broken(i, "a value is missing")
		}
		return i + len("null"), d.null(c, i)
	case 'N', 'I', '-':
		if n := special(line, i); n > 0 {
			d.tell(c, noticeNaN)
			return i + n, d.null(c, i)
		}
	}
	if c.marker {
		d.deleted = true
	}
	switch c.Wire {
	case row.WireText:
		if line[i] == '"' {
			end, flags := scanString(line, i+1)
			if end >= 0 && flags == 0 {
				d.dst = binary.BigEndian.AppendUint32(d.dst, uint32(end-i-1))
				d.dst = append(d.dst, line[i+1:end]...)
				return end + 1, nil
			}
			return d.fromString(c, i)
		}
		return d.asText(c, i)
	case row.WireInt8:
		if v, end, ok := integerAt(line, i); ok {
			d.int8(v)
			return end, nil
		}
	case row.WireInt4:
		if v, end, ok := integerAt(line, i); ok && v == int64(int32(v)) {
			d.int4(int32(v))
			return end, nil
		}
	case row.WireInt2:
		if v, end, ok := integerAt(line, i); ok && v == int64(int16(v)) {
			d.dst = append(d.dst, 0, 0, 0, 2, byte(v>>8), byte(v))
			return end, nil
		}
	case row.WireNumeric:
		if end, ok := d.decimal(c, i); ok {
			return end, nil
		}
		if end := scanNumber(line, i); end >= 0 {
			return end, d.numeric(c, line[i:end], i)
		}
	case row.WireDate:
		if end := i + len(`"2006-01-02`); end < len(line) && line[i] == '"' && line[end] == '"' {
			if days, ok := row.ParseDate(line[i+1 : end]); ok {
				d.int4(days)
				return end + 1, nil
			}
		}
	case row.WireBool:
		if literal(line, i, "true") {
			d.dst = append(d.dst, 0, 0, 0, 1, 1)
			return i + len("true"), nil
		}
		if literal(line, i, "false") {
			d.dst = append(d.dst, 0, 0, 0, 1, 0)
			return i + len("false"), nil
		}
	case row.WireJSON, row.WireJSONB:
		if c.text && line[i] == '"' {
			return d.fromString(c, i)
		}
		return d.json(c, i)
	}
	switch line[i] {
	case '"':
		return d.fromString(c, i)
	case '{', '[':
		return d.misplaced(c, i, row.Column{Kind: row.JSON, Wire: row.WireJSON})
	case 't', 'f':
		return d.misplaced(c, i, row.Column{Kind: row.Bool, Wire: row.WireBool})
	}
	end := scanNumber(line, i)
	if end < 0 {
		return i, broken(i, "a value is missing")
	}
	return end, d.fromNumber(c, line[i:end])
}

func (d *decoder) null(c *column, i int) error {
	switch {
	case c.key:
		return &flaw{at: i, text: "key property " + quoted(c.Name) + " is null"}
	case !c.Nullable:
		want := c.Column
		want.Nullable = true
		return d.wrong(c, want)
	}
	d.dst = append(d.dst, 0xff, 0xff, 0xff, 0xff)
	return nil
}

// misplaced is a value of another type, checked before the column is widened
// for it.
func (d *decoder) misplaced(c *column, i int, want row.Column) (int, error) {
	end, err := skip(d.line, i)
	if err != nil {
		return end, err
	}
	return end, d.wrong(c, want)
}

// open starts a field whose length is not known yet; close ends it.
func (d *decoder) open() (at int) {
	d.dst = append(d.dst, 0, 0, 0, 0)
	return len(d.dst)
}

func (d *decoder) close(at int) {
	binary.BigEndian.PutUint32(d.dst[at-4:], uint32(len(d.dst)-at))
}

func (d *decoder) json(c *column, i int) (end int, err error) {
	at := d.open()
	if c.Wire == row.WireJSONB {
		d.dst = append(d.dst, 1)
	}
	d.walk.nul = d.nul
	if d.dst, end, err = d.walk.copy(d.dst, d.line, i); err != nil {
		if f, ok := err.(*flaw); ok && !f.syntax {
			f.text = "property " + quoted(c.Name) + ": " + f.text
		}
		return end, err
	}
	d.close(at)
	if f := d.walk.fixed; f != 0 {
		if f&fixedUTF8 != 0 {
			d.tell(c, noticeUTF8)
		}
		if f&fixedNUL != 0 {
			d.tell(c, noticeNUL)
		}
		if f&fixedNaN != 0 {
			d.tell(c, noticeNaN)
		}
	}
	return end, nil
}

// ErrNUL refuses a text under NULFail.
var ErrNUL = errors.New("holds a NUL character")

// AppendCleanJSON appends JSON text as a Reader of that policy has it.
func AppendCleanJSON(dst, text []byte, policy NULPolicy) ([]byte, error) {
	w := walker{nul: policy}
	dst, end, err := w.copy(dst, text, 0)
	if err == nil && space(text, end) < len(text) {
		err = &flaw{at: end, text: "something follows the value"}
	}
	return dst, err
}

// asText is a value that is no string in a text column: its JSON.
func (d *decoder) asText(c *column, i int) (int, error) {
	if b := d.line[i]; b == '{' || b == '[' {
		return d.json(c, i)
	}
	end, err := skip(d.line, i)
	if err == nil {
		at := d.open()
		d.dst = append(d.dst, d.line[i:end]...)
		d.close(at)
	}
	return end, err
}

// tell reports a repair once per column.
func (d *decoder) tell(c *column, n notice) {
	if c.noted&n == 0 {
		c.noted |= n
		d.note(c.Name, n)
	}
}

func quoted(name string) string { return strconv.Quote(name) }
