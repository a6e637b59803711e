package singer

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"unicode/utf8"

	"elt/internal/row"
)

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
	if len(text) == 0 && c.blank {
		return end, d.null(c, i)
	}
	switch c.Wire {
	case row.WireText:
		d.dst = binary.BigEndian.AppendUint32(d.dst, uint32(len(text)))
		d.dst = append(d.dst, text...)
		return end, nil
	case row.WireDate:
		if days, ok := dateOf(text); ok {
			d.int4(days)
			return end, nil
		}
		if _, ok := row.ParseTimestamp(text); ok {
			return end, d.wrong(c, row.Column{Kind: row.TimestampTZ, Wire: row.WireTimestampExt})
		}
	case row.WireTimestamp, row.WireTimestampTZ, row.WireTimestampExt:
		if t, ok := row.ParseTimestamp(text); ok {
			return end, d.instant(c, t)
		}
	case row.WireJSON, row.WireJSONB: // EltText
		at, err := d.open(), error(nil)
		if c.Wire == row.WireJSONB {
			d.dst = append(d.dst, 1)
		}
		if d.nul == NULKeep || !bytes.Contains(text, []byte(`\u0000`)) {
			d.dst = append(d.dst, text...)
		} else if d.dst, err = AppendCleanJSON(d.dst, text, d.nul); err != nil {
			return i, &flaw{at: i, text: "property " + quoted(c.Name) + ": " + err.Error()}
		}
		d.close(at)
		return end, nil
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
		if u, ok := row.ParseUUID(text); ok && !bytes.ContainsAny(text, "ABCDEF") { // its text would change
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

// boolOf reads what sources write for a boolean.
func boolOf(text []byte) (v byte, ok bool) {
	switch {
	case bytes.EqualFold(text, []byte("true")), bytes.EqualFold(text, []byte("t")), string(text) == "1":
		return 1, true
	case bytes.EqualFold(text, []byte("false")), bytes.EqualFold(text, []byte("f")), string(text) == "0":
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
