package csv

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"

	"elt/internal/fault"
	"elt/internal/filesink"
	"elt/internal/row"
)

// format is how a CSV file is written. NULL is an empty field, the empty
// string a quoted one. In a file of one column NULL is "", too, since readers
// skip empty lines.
type format struct {
	comma, quote byte
	escape       byte              // before a quote inside of quotes; the quote itself by default
	bom          bool              // begin with a byte order mark
	charset      encoding.Encoding // nil: UTF-8
	name         string            // of the charset
}

// Layout keeps the file's columns in place and adds the new ones at the end.
func (f format) Layout(have []string, s *row.Schema) []string {
	out := slices.Clone(have)
	for _, c := range s.Columns {
		if !slices.Contains(out, c.Name) {
			out = append(out, c.Name)
		}
	}
	return out
}

// Head is the line of column names.
func (f format) Head(layout []string) []byte {
	var line []byte
	for i, name := range layout {
		if i > 0 {
			line = append(line, f.comma)
		}
		line = f.field(line, []byte(name))
	}
	head, err := f.encoded(append(line, '\n'))
	if err != nil {
		head = append(line, '\n') // a name that the charset lacks; rows with it fail
	}
	if f.bom {
		head = append([]byte("\ufeff"), head...)
	}
	return head
}

// field appends a value that is not NULL.
func (f format) field(dst, text []byte) []byte {
	if len(text) > 0 && !f.special(text) {
		return append(dst, text...)
	}
	dst = append(dst, f.quote)
	for _, c := range text {
		if c == f.quote || c == f.escape {
			dst = append(dst, f.escape)
		}
		dst = append(dst, c)
	}
	return append(dst, f.quote)
}

func (f format) special(text []byte) bool {
	for _, c := range text {
		if c == f.comma || c == f.quote || c == '\n' || c == '\r' || c == f.escape {
			return true
		}
	}
	return false
}

// encoded is UTF-8 text in the file's charset.
func (f format) encoded(text []byte) ([]byte, error) {
	if f.charset == nil {
		return text, nil
	}
	out, err := f.charset.NewEncoder().Bytes(text)
	if err != nil {
		return nil, fault.New(fault.BadConfig, "a value cannot be written in the encoding %s", f.name).
			WithHint("encoding: utf-8 can write everything")
	}
	return out, nil
}

// Encoder implements filesink.Format.
func (f format) Encoder(s *row.Schema, layout []string) filesink.Encoder {
	e := &encoder{format: f, schema: s, at: make([]int, len(layout)), fields: make([][]byte, len(s.Columns)), marker: s.Index("_sdc_deleted_at")}
	e.bare, _ = row.Converter(row.Column{Kind: row.JSON, Wire: row.WireJSON}, row.Column{Kind: row.Text, Wire: row.WireText})
	for i, name := range layout {
		e.at[i] = s.Index(name)
	}
	return e
}

type encoder struct {
	format
	schema *row.Schema
	at     []int    // per column of the file the schema's, -1 for none
	fields [][]byte // of the row; nil for NULL
	marker int
	bare   row.Convert // JSON to text, without quotes
	text   []byte
	rows   []byte
}

func (e *encoder) Append(dst []byte, b *row.Batch) ([]byte, error) {
	from := dst
	if e.charset != nil {
		from = e.rows[:0]
	}
	for i := range b.Len() {
		if b.Op(i) == row.Delete && e.marker < 0 {
			return dst, fault.New(fault.Failed, "stream %s has deleted rows, but no _sdc_deleted_at to mark them with", e.schema.Stream)
		}
		from = e.row(from, b, i)
	}
	if e.charset == nil {
		return from, nil
	}
	e.rows = from
	text, err := e.encoded(from)
	return append(dst, text...), err
}

func (e *encoder) row(dst []byte, b *row.Batch, i int) []byte {
	fields := b.Fields(i)
	for n := range e.fields {
		field, state := fields.Next()
		if state != row.Value {
			field = nil
		} else if field == nil {
			field = []byte{}
		}
		e.fields[n] = field
	}
	for n, at := range e.at {
		if n > 0 {
			dst = append(dst, e.comma)
		}
		if at < 0 || e.fields[at] == nil {
			if len(e.at) == 1 {
				dst = append(dst, e.quote, e.quote)
			}
			continue
		}
		c := &e.schema.Columns[at]
		if c.Wire == row.WireText {
			dst = e.field(dst, e.fields[at])
			continue
		}
		e.text = e.value(e.text[:0], at)
		dst = e.field(dst, e.text)
	}
	return append(dst, '\n')
}

// value appends a field's text; a scalar of an untyped property stands without quotes.
func (e *encoder) value(dst []byte, at int) []byte {
	c := &e.schema.Columns[at]
	if c.Mixed {
		if text, err := e.bare(dst, e.fields[at]); err == nil {
			return text
		}
	}
	return row.AppendText(dst, c, e.fields[at])
}

// ReadHead reads the line of column names.
func (f format) ReadHead(r io.Reader) ([]string, int64, error) {
	line, _, err := f.record(bufio.NewReader(r))
	if err != nil && err != io.EOF {
		return nil, 0, err
	}
	length := int64(len(line))
	if length == 0 {
		return nil, 0, nil // an empty file is as good as none
	}
	text := bytes.TrimPrefix(line, []byte("\ufeff"))
	if f.charset != nil {
		if text, err = f.charset.NewDecoder().Bytes(text); err != nil {
			return nil, 0, fmt.Errorf("the first line is not in the encoding %s: %w", f.name, err)
		}
	}
	var names []string
	for _, raw := range f.split(nil, text) {
		name := f.plain(raw)
		if slices.Contains(names, name) {
			return nil, 0, fmt.Errorf("its first line has the column %q twice", name)
		}
		names = append(names, name)
	}
	return names, length, nil
}

// record reads one record with its line end; quoted line ends are part of it.
func (f format) record(r *bufio.Reader) (line []byte, whole bool, err error) {
	quoted, seen := false, 0
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		for ; seen < len(line); seen++ {
			switch c := line[seen]; {
			case quoted && c == f.escape && f.escape != f.quote:
				seen++
			case c == f.quote:
				quoted = !quoted
			}
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err != nil:
			return line, false, err
		case !quoted:
			return line, true, nil
		}
	}
}

// split appends the record's fields as they are written, quotes included.
func (f format) split(fields [][]byte, line []byte) [][]byte {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	quoted, from := false, 0
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == f.escape && f.escape != f.quote:
			i++
		case c == f.quote:
			quoted = !quoted
		case c == f.comma && !quoted:
			fields, from = append(fields, line[from:i]), i+1
		}
	}
	return append(fields, line[from:])
}

// plain is a field's text without its quotes.
func (f format) plain(raw []byte) string {
	if len(raw) < 2 || raw[0] != f.quote {
		return string(raw)
	}
	raw = raw[1 : len(raw)-1]
	var out []byte
	for i := 0; i < len(raw); i++ {
		if raw[i] == f.escape && i+1 < len(raw) {
			i++
		}
		out = append(out, raw[i])
	}
	return string(out)
}

// Convert copies records to where their columns now are; new columns are empty.
func (f format) Convert(dst io.Writer, src io.Reader, from, to []string) error {
	at := make([]int, len(to))
	for i, name := range to {
		at[i] = slices.Index(from, name)
	}
	out := bufio.NewWriterSize(dst, 1<<16)
	var write io.Writer = out
	if f.charset != nil {
		src = f.charset.NewDecoder().Reader(src)
		encoding := transform.NewWriter(out, f.charset.NewEncoder())
		defer encoding.Close()
		write = encoding
	}
	in := bufio.NewReaderSize(src, 1<<16)
	var fields [][]byte
	var line []byte
	for {
		record, whole, err := f.record(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(record) > 0 {
			fields, line = f.split(fields[:0], record), line[:0]
			for i, n := range at {
				if i > 0 {
					line = append(line, f.comma)
				}
				if n >= 0 && n < len(fields) {
					line = append(line, fields[n]...)
				}
			}
			if _, err := write.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		if !whole {
			return out.Flush()
		}
	}
}
