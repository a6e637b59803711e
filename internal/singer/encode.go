package singer

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"elt/internal/row"
)

// DeletedAt is the property that marks a row as deleted at the source.
const DeletedAt = "_sdc_deleted_at"

// Style is how an Encoder writes what JSON or the Singer formats cannot say.
type Style uint8

const (
	// Singer is for any reader: NaN and infinities are null, timestamps
	// without a zone are written as UTC, as format date-time demands.
	Singer Style = iota
	// Native is for a reader that knows x-elt-kind: NaN and infinities are
	// strings, timestamps without a zone stay without, JSON is text (EltText).
	Native
	// Plain is for files: as Native, but NaN and infinities are null.
	Plain
)

// Encoder writes rows of one schema as JSON. It is compiled once per schema;
// writing a row allocates nothing. An Encoder is used by one goroutine.
type Encoder struct {
	schema  *row.Schema
	columns []encodedColumn
	head    []byte // up to the record
	style   Style
	deletes bool   // the marker is a property of its own, after the columns
	marker  int    // index of the marker column, -1
	now     []byte // the marker's value for rows that do not say when
}

type encodedColumn struct {
	column row.Column
	key    []byte // ,"name": with comma, quotes and colon
	write  func(e *Encoder, c *row.Column, dst, field []byte) []byte
}

// NewEncoder compiles an encoder. deletes says that the stream announced
// _sdc_deleted_at although it is no column: every row then has it.
func NewEncoder(s *row.Schema, style Style, deletes bool) *Encoder {
	e := &Encoder{schema: s, style: style, marker: s.Index(DeletedAt)}
	e.deletes = deletes && e.marker < 0
	e.head = row.AppendJSONString([]byte(`{"type":"RECORD","stream":`), []byte(s.Stream))
	e.head = append(e.head, `,"record":`...)
	for _, c := range s.Columns {
		key := append(row.AppendJSONString([]byte{','}, []byte(c.Name)), ':')
		write := writerOf(c, style)
		if c.Kind == row.JSON && style == Native && s.Source == nil {
			write = writeJSONText
		}
		e.columns = append(e.columns, encodedColumn{c, key, write})
	}
	e.SetNow(0)
	return e
}

// SetNow says when rows were deleted that carry no time of their own (µs
// since 2000-01-01 UTC).
func (e *Encoder) SetNow(micros int64) {
	e.now = append(row.AppendTimestampText(append(e.now[:0], '"'), micros, true), '"')
}

// AppendRecord appends row i of b as a RECORD message with its newline.
func (e *Encoder) AppendRecord(dst []byte, b *row.Batch, i int) []byte {
	dst = append(dst, e.head...)
	dst = e.AppendObject(dst, b, i)
	if b.Version != 0 {
		dst = append(dst, `,"version":`...)
		dst = strconv.AppendInt(dst, b.Version, 10)
	}
	if b.Extracted != nil {
		dst = append(dst, `,"time_extracted":"`...)
		dst = row.AppendTimestampText(dst, b.Extracted[i], true)
		dst = append(dst, '"')
	}
	return append(dst, '}', '\n')
}

// AppendObject appends row i of b as a JSON object. A field that is unset is
// left out.
func (e *Encoder) AppendObject(dst []byte, b *row.Batch, i int) []byte {
	deleted := b.Op(i) == row.Delete
	fields := b.Fields(i)
	at := len(dst)
	for n := range e.columns {
		c := &e.columns[n]
		field, state := fields.Next()
		if deleted && n == e.marker && state != row.Value {
			dst = e.appendDeletedAt(append(dst, c.key...), b, i)
			continue
		}
		if state == row.IsUnset {
			continue
		}
		dst = append(dst, c.key...)
		if state == row.IsNull {
			dst = append(dst, "null"...)
		} else {
			dst = c.write(e, &c.column, dst, field)
		}
	}
	if e.deletes {
		dst = append(dst, `,"`+DeletedAt+`":`...)
		if deleted {
			dst = e.appendDeletedAt(dst, b, i)
		} else {
			dst = append(dst, "null"...)
		}
	}
	if len(dst) == at {
		return append(dst, '{', '}')
	}
	dst[at] = '{' // for the comma of the first
	return append(dst, '}')
}

func (e *Encoder) appendDeletedAt(dst []byte, b *row.Batch, i int) []byte {
	if b.Extracted == nil {
		return append(dst, e.now...)
	}
	return append(row.AppendTimestampText(append(dst, '"'), b.Extracted[i], true), '"')
}

// writerOf chooses how fields of a column are written.
func writerOf(c row.Column, style Style) func(*Encoder, *row.Column, []byte, []byte) []byte {
	switch c.Wire {
	case row.WireJSON, row.WireJSONB:
		return writeJSON
	case row.WireInt8:
		return writeInt8
	case row.WireInt4:
		return writeInt4
	case row.WireText:
		return writeText
	case row.WireDate:
		return writeDate
	case row.WireNumeric:
		return writeNumeric
	case row.WireFloat4, row.WireFloat8:
		if style != Native {
			return writeNumber
		}
	case row.WireTimestamp, row.WireTimestampExt:
		if style == Singer {
			return writeUTC
		}
	}
	return writeAny
}

func writeAny(_ *Encoder, c *row.Column, dst, field []byte) []byte {
	return row.AppendJSON(dst, c, field)
}

func writeInt8(_ *Encoder, _ *row.Column, dst, field []byte) []byte {
	return strconv.AppendInt(dst, int64(binary.BigEndian.Uint64(field)), 10)
}

func writeInt4(_ *Encoder, _ *row.Column, dst, field []byte) []byte {
	return strconv.AppendInt(dst, int64(int32(binary.BigEndian.Uint32(field))), 10)
}

func writeDate(_ *Encoder, _ *row.Column, dst, field []byte) []byte {
	return append(row.AppendDateText(append(dst, '"'), int32(binary.BigEndian.Uint32(field))), '"')
}

// writeNumeric is writeNumber for decimals.
func writeNumeric(e *Encoder, c *row.Column, dst, field []byte) []byte {
	if !row.NumericSpecial(field) {
		return row.AppendNumericText(dst, field)
	}
	if e.style == Native {
		return row.AppendJSON(dst, c, field)
	}
	return append(dst, "null"...)
}

func writeText(_ *Encoder, _ *row.Column, dst, field []byte) []byte {
	return row.AppendJSONString(dst, field)
}

// writeNumber writes null for what JSON has no number for.
func writeNumber(_ *Encoder, c *row.Column, dst, field []byte) []byte {
	at := len(dst)
	dst = row.AppendJSON(dst, c, field)
	if dst[at] == '"' {
		dst = append(dst[:at], "null"...)
	}
	return dst
}

// writeUTC writes a timestamp with a zone even where it has none.
func writeUTC(_ *Encoder, c *row.Column, dst, field []byte) []byte {
	dst = append(dst, '"')
	if c.Wire == row.WireTimestamp {
		dst = row.AppendTimestampText(dst, int64(binary.BigEndian.Uint64(field)), true)
	} else {
		i := row.TimestampExt(field)
		if i.Offset == row.NoOffset {
			i.Offset = 0
		}
		dst = row.AppendInstantText(dst, i)
	}
	return append(dst, '"')
}

func writeJSONText(_ *Encoder, c *row.Column, dst, field []byte) []byte {
	return row.AppendJSONString(dst, row.JSONText(c, field))
}

// writeJSON passes JSON text on. Line breaks, which may only stand between
// tokens, become spaces, since a message is one line; bytes that are no UTF-8
// become U+FFFD.
func writeJSON(_ *Encoder, c *row.Column, dst, field []byte) []byte {
	text := row.JSONText(c, field)
	at := len(dst)
	if utf8.Valid(text) {
		dst = append(dst, text...)
	} else {
		for len(text) > 0 {
			r, n := utf8.DecodeRune(text)
			dst = utf8.AppendRune(dst, r)
			text = text[n:]
		}
	}
	if bytes.IndexByte(dst[at:], '\n') >= 0 || bytes.IndexByte(dst[at:], '\r') >= 0 {
		for i := at; i < len(dst); i++ {
			if dst[i] == '\n' || dst[i] == '\r' {
				dst[i] = ' '
			}
		}
	}
	if len(dst) == at {
		dst = append(dst, "null"...)
	}
	return dst
}
