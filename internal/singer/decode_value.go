package singer

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

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
			d.dst = append(d.dst, 0, 0, 0, 4)
			d.dst = binary.BigEndian.AppendUint32(d.dst, uint32(v))
			return end, nil
		}
	case row.WireInt2:
		if v, end, ok := integerAt(line, i); ok && v == int64(int16(v)) {
			d.dst = append(d.dst, 0, 0, 0, 2, byte(v>>8), byte(v))
			return end, nil
		}
	case row.WireNumeric:
		if end := scanNumber(line, i); end >= 0 {
			return end, d.numeric(c, line[i:end], i)
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

// integerAt reads an integer of at most 18 digits.
func integerAt(line []byte, i int) (v int64, end int, ok bool) {
	neg := line[i] == '-'
	if neg {
		i++
	}
	start := i
	for i < len(line) && line[i]-'0' <= 9 {
		v = v*10 + int64(line[i]-'0')
		i++
	}
	if n := i - start; n == 0 || n > 18 || n > 1 && line[start] == '0' {
		return 0, i, false
	}
	if c := peek(line, i); c == '.' || c|0x20 == 'e' {
		return 0, i, false
	}
	if neg {
		v = -v
	}
	return v, i, true
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

// numeric appends a decimal; text is a number's or a string's.
func (d *decoder) numeric(c *column, text []byte, i int) error {
	at := d.open()
	var ok bool
	if d.dst, ok = row.AppendNumeric(d.dst, text); !ok { // beyond what a server stores
		return d.wrong(c, row.Column{Kind: row.Text, Wire: row.WireText})
	}
	if c.Precision > 0 {
		if before, after := digits(d.dst[at:]); before > c.Precision-c.Scale || after > c.Scale {
			return d.wrong(c, row.Column{Kind: row.Numeric, Wire: row.WireNumeric, Precision: before + after, Scale: after})
		}
	}
	d.close(at)
	return nil
}

// digits counts the digits before and after the point of a numeric field,
// zeros at the end left out.
func digits(field []byte) (before, after int) {
	n := int(binary.BigEndian.Uint16(field))
	if n == 0 {
		return 0, 0
	}
	weight := int(int16(binary.BigEndian.Uint16(field[2:])))
	first, last := int(binary.BigEndian.Uint16(field[8:])), int(binary.BigEndian.Uint16(field[8+2*(n-1):]))
	if weight >= 0 {
		before = 4 * weight
		for ; first > 0; first /= 10 {
			before++
		}
	}
	if below := n - 1 - weight; below > 0 {
		after = 4 * below
		for ; last%10 == 0; last /= 10 {
			after--
		}
	}
	return before, after
}

// fromNumber appends a number to a column that is none of integers of 64 bits
// in plain form, decimals, text and JSON.
func (d *decoder) fromNumber(c *column, text []byte) error {
	switch c.Kind {
	case row.Int64:
		var ok bool
		if d.number, ok = row.AppendNumeric(d.number[:0], text); ok {
			at := d.open()
			var err error
			if d.dst, err = c.fromNumeric(d.dst, d.number); err == nil { // 1.0, 1e3, or all 64 bits
				d.close(at)
				return nil
			}
		}
	case row.Float64:
		if d.float(c, text) {
			return nil
		}
		return d.wrong(c, row.Column{Kind: row.Numeric, Wire: row.WireNumeric})
	case row.Bool:
		if len(text) == 1 && text[0] <= '1' {
			d.dst = append(d.dst, 0, 0, 0, 1, text[0]-'0')
			return nil
		}
	}
	if _, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return d.wrong(c, row.Column{Kind: row.Int64, Wire: row.WireInt8})
	}
	return d.wrong(c, row.Column{Kind: row.Numeric, Wire: row.WireNumeric})
}

func (d *decoder) float(c *column, text []byte) bool {
	size := 64
	if c.Wire == row.WireFloat4 {
		size = 32
	}
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), size)
	if err != nil {
		return false
	}
	if size == 32 {
		d.dst = append(d.dst, 0, 0, 0, 4)
		d.dst = binary.BigEndian.AppendUint32(d.dst, math.Float32bits(float32(f)))
	} else {
		d.dst = append(d.dst, 0, 0, 0, 8)
		d.dst = binary.BigEndian.AppendUint64(d.dst, math.Float64bits(f))
	}
	return true
}

// fromString appends the string at line[i].
func (d *decoder) fromString(c *column, i int) (int, error) {
	end, flags := scanString(d.line, i+1)
	if end < 0 {
		return i, broken(i, "a string does not end or holds a control character")
	}
	text := d.line[i+1 : end]
	if flags != 0 {
		var err error
		if text, err = d.plain(c, i, end, flags); err != nil {
			return i, err
		}
	}
	end++
	switch c.Wire {
	case row.WireText:
		d.dst = binary.BigEndian.AppendUint32(d.dst, uint32(len(text)))
		d.dst = append(d.dst, text...)
		return end, nil
	case row.WireDate:
		if days, ok := dateOf(text); ok {
			d.dst = append(d.dst, 0, 0, 0, 4)
			d.dst = binary.BigEndian.AppendUint32(d.dst, uint32(days))
			return end, nil
		}
		if _, ok := row.ParseTimestamp(text); ok {
			return end, d.wrong(c, row.Column{Kind: row.TimestampTZ, Wire: row.WireTimestampExt})
		}
	case row.WireTimestamp, row.WireTimestampTZ, row.WireTimestampExt:
		if t, ok := row.ParseTimestamp(text); ok {
			return end, d.instant(c, t)
		}
	case row.WireTime:
		if micros, ok := row.ParseTime(text); ok {
			d.int8(micros)
			return end, nil
		}
	case row.WireNumeric:
		if decimalText(text) {
			return end, d.numeric(c, text, i)
		}
	case row.WireInt2, row.WireInt4, row.WireInt8:
		if len(text) > 0 && scanNumber(text, 0) == len(text) && !bytes.ContainsAny(text, ".eE") {
			return end, d.fromNumber(c, text)
		}
	case row.WireFloat4, row.WireFloat8:
		if decimalText(text) && d.float(c, text) {
			return end, nil
		}
	case row.WireBool:
		if v, ok := boolOf(text); ok {
			d.dst = append(d.dst, 0, 0, 0, 1, v)
			return end, nil
		}
	case row.WireUUID:
		if u, ok := row.ParseUUID(text); ok {
			d.dst = append(d.dst, 0, 0, 0, 16)
			d.dst = append(d.dst, u[:]...)
			return end, nil
		}
	case row.WireBytea:
		at, err := d.open(), error(nil)
		if c.hex {
			d.dst, err = appendHex(d.dst, text)
		} else {
			d.dst, err = base64.StdEncoding.AppendDecode(d.dst, text)
		}
		if err == nil {
			d.close(at)
			return end, nil
		}
	}
	return end, d.wrong(c, row.Column{Kind: row.Text, Wire: row.WireText})
}

func (d *decoder) int8(v int64) {
	d.dst = append(d.dst, 0, 0, 0, 8)
	d.dst = binary.BigEndian.AppendUint64(d.dst, uint64(v))
}

// instant appends a point in time. A column of microseconds widens for what
// is finer or farther, one without zones for what has another than UTC.
func (d *decoder) instant(c *column, t row.Instant) error {
	if c.Kind == row.Timestamp {
		if t.Offset != row.NoOffset && t.Offset != 0 {
			return d.wrong(c, row.Column{Kind: row.TimestampTZ, Wire: row.WireTimestampExt})
		}
		t.Offset = row.NoOffset
	}
	if c.Wire == row.WireTimestampExt {
		d.dst = append(d.dst, 0, 0, 0, 16)
		d.dst = row.AppendTimestampExt(d.dst, t)
		return nil
	}
	micros, exact := t.Micros()
	if !exact {
		return d.wrong(c, row.Column{Kind: c.Kind, Wire: row.WireTimestampExt})
	}
	d.int8(micros)
	return nil
}

// dateOf reads a date, also one with a midnight behind it, as sources write
// dates that they hold as timestamps.
func dateOf(text []byte) (days int32, ok bool) {
	if days, ok = row.ParseDate(text); ok || len(text) < len("2006-01-02T00:00") {
		return days, ok
	}
	t, ok := row.ParseTimestamp(text)
	if !ok || t.Nano != 0 || t.Offset != 0 && t.Offset != row.NoOffset || t.Sec%86400 != 0 {
		return 0, false
	}
	return row.ParseDate(text[:bytes.IndexAny(text, "Tt ")])
}

// appendHex decodes base16, with or without 0x before it; a missing first
// digit is 0.
func appendHex(dst, text []byte) ([]byte, error) {
	if len(text) > 1 && text[0] == '0' && text[1]|0x20 == 'x' {
		text = text[2:]
	}
	if len(text)%2 == 1 {
		first := [2]byte{'0', text[0]}
		var err error
		if dst, err = hex.AppendDecode(dst, first[:]); err != nil {
			return dst, err
		}
		text = text[1:]
	}
	return hex.AppendDecode(dst, text)
}

// decimalText says whether a string may become a number: not when digits
// would be lost, as the zeros of "007".
func decimalText(text []byte) bool {
	i := 0
	if peek(text, 0) == '-' {
		i++
	}
	return len(text) > 0 && text[0] != '+' && !(peek(text, i) == '0' && peek(text, i+1)-'0' <= 9)
}

// boolOf reads what sources write for a boolean.
func boolOf(text []byte) (v byte, ok bool) {
	switch {
	case bytes.EqualFold(text, []byte("true")), string(text) == "t", string(text) == "1":
		return 1, true
	case bytes.EqualFold(text, []byte("false")), string(text) == "f", string(text) == "0":
		return 0, true
	}
	return 0, false
}

// plain is the text of the string whose quotes are line[i] and line[end],
// which holds escapes or bytes above ASCII.
func (d *decoder) plain(c *column, i, end int, flags uint8) ([]byte, error) {
	text := d.line[i+1 : end]
	if flags&strEscaped != 0 {
		if cap(d.text) > keepCarry {
			d.text = nil
		}
		var err error
		if d.text, err = row.AppendJSONUnquoted(d.text[:0], d.line[i:end+1]); err != nil {
			return nil, broken(i, "a broken escape in a string")
		}
		if halves(text) && bytes.Contains(d.text, []byte("\ufffd")) {
			d.tell(c, noticeUTF8)
		}
		text = d.text
		if bytes.IndexByte(text, 0) >= 0 {
			switch d.nul {
			case NULFail:
				return nil, &flaw{at: i, text: "property " + quoted(c.Name) + " holds a NUL character"}
			case NULReplace:
				d.tell(c, noticeNUL)
				text = bytes.ReplaceAll(text, []byte{0}, []byte("\ufffd"))
			}
		}
	}
	if flags&strHigh != 0 && !utf8.Valid(text) {
		d.tell(c, noticeUTF8)
		var valid []byte
		for len(text) > 0 {
			r, n := utf8.DecodeRune(text)
			valid = utf8.AppendRune(valid, r)
			text = text[n:]
		}
		text = valid
	}
	return text, nil
}

// halves says whether escaped text may hold a part of a surrogate pair.
func halves(text []byte) bool {
	return bytes.Contains(text, []byte(`\ud`)) || bytes.Contains(text, []byte(`\uD`))
}

// tell reports a repair once per column.
func (d *decoder) tell(c *column, n notice) {
	if c.noted&n == 0 {
		c.noted |= n
		d.note(c.Name, n)
	}
}

func quoted(name string) string { return strconv.Quote(name) }
