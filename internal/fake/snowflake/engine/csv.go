package engine

import (
	"bytes"
	"io"
)

// csvReader parts a stream into records and fields by a format. Record and
// line numbers are those Snowflake's errors give.
type csvReader struct {
	f     *format
	r     io.Reader
	buf   []byte
	at    int // of the next byte in buf
	end   int
	eof   bool
	err   error
	line  int // line the record began on
	lines int // lines read so far
	row   int // records so far
	delim []byte
	rec   []byte // "" for any new line

	data   []byte // bytes of the fields, one after the other
	raws   []byte // bytes as written, kept only where a field was escaped
	fields []csvField
}

type csvField struct {
	from, to       int // in data
	rawFrom, rawTo int // in raws, when escaped
	quoted         bool
	escaped        bool
	column         int // character on its line, for errors
}

func newCSV(f *format, r io.Reader) *csvReader {
	c := &csvReader{f: f, r: r, buf: make([]byte, 128<<10), delim: []byte(f.fieldDelimiter), rec: []byte(f.recordDelimiter), lines: 1}
	return c
}

func (c *csvReader) fill() bool {
	if c.eof {
		return false
	}
	rest := copy(c.buf, c.buf[c.at:c.end])
	c.at, c.end = 0, rest
	if rest == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	for {
		n, err := c.r.Read(c.buf[c.end:])
		c.end += n
		if err == io.EOF {
			c.eof = true
			return n > 0
		}
		if err != nil {
			c.err, c.eof = err, true
			return n > 0
		}
		if n > 0 {
			return true
		}
	}
}

// has reports whether the bytes at i start with what, reading on if need be.
func (c *csvReader) has(what []byte) bool {
	for c.end-c.at < len(what) {
		if !c.fill() {
			break
		}
	}
	return bytes.HasPrefix(c.buf[c.at:c.end], what)
}

func (c *csvReader) peek() (byte, bool) {
	if c.at == c.end && !c.fill() {
		return 0, false
	}
	return c.buf[c.at], true
}

// newline eats the end of a record.
func (c *csvReader) newline(b byte) bool {
	if len(c.rec) > 0 {
		if b == c.rec[0] && c.has(c.rec) {
			c.at += len(c.rec)
			c.lines++
			return true
		}
		return false
	}
	switch b {
	case '\n':
		c.at++
	case '\r':
		c.at++
		if n, ok := c.peek(); ok && n == '\n' {
			c.at++
		}
	default:
		return false
	}
	c.lines++
	return true
}

// next reads a record. io.EOF comes after the last.
func (c *csvReader) next() error {
	for {
		if _, ok := c.peek(); !ok {
			if c.err != nil {
				return c.err
			}
			return io.EOF
		}
		c.line = c.lines
		if err := c.record(); err != nil {
			return err
		}
		c.row++
		if c.row <= c.f.skipHeader {
			continue
		}
		if c.f.skipBlank && len(c.fields) == 1 && c.fields[0].from == c.fields[0].to && !c.fields[0].quoted {
			continue
		}
		return nil
	}
}

func (c *csvReader) record() error {
	c.data, c.raws, c.fields = c.data[:0], c.raws[:0], c.fields[:0]
	column := 1
	for {
		f := csvField{from: len(c.data), rawFrom: len(c.raws), column: column}
		end, err := c.field(&f)
		if err != nil {
			return err
		}
		f.to, f.rawTo = len(c.data), len(c.raws)
		c.fields = append(c.fields, f)
		column += f.to - f.from + 1
		if end {
			return nil
		}
	}
}

// field reads one field and what ends it; end says that the record ended too.
func (c *csvReader) field(f *csvField) (end bool, err error) {
	if c.f.trimSpace {
		for b, ok := c.peek(); ok && (b == ' ' || b == '\t'); b, ok = c.peek() {
			c.at++
		}
	}
	if b, ok := c.peek(); ok && c.f.enclosedBy != 0 && b == c.f.enclosedBy {
		c.at++
		f.quoted = true
		if err := c.enclosed(f); err != nil {
			return false, err
		}
	}
	from := len(c.data)
	for {
		b, ok := c.peek()
		if !ok {
			end = true
			break
		}
		if len(c.delim) > 0 && b == c.delim[0] && (len(c.delim) == 1 || c.has(c.delim)) {
			c.at += len(c.delim)
			break
		}
		if c.newline(b) {
			end = true
			break
		}
		if f.quoted {
			if (b == ' ' || b == '\t') && c.f.trimSpace {
				c.at++
				continue
			}
			return false, rowError(100016, "22000", "Found character '%s' instead of field delimiter '%s'", string(rune(b)), c.f.fieldDelimiter)
		}
		if c.f.escapeUnencl != 0 && b == c.f.escapeUnencl {
			c.unescape(f, from)
			continue
		}
		c.plainRun(f)
	}
	if c.f.trimSpace && !f.quoted {
		c.data = append(c.data[:from], bytes.TrimRight(c.data[from:], " \t")...)
	}
	return end, nil
}

// plainRun takes the bytes up to the next that may mean something.
func (c *csvReader) plainRun(f *csvField) {
	d := byte(0)
	if len(c.delim) > 0 {
		d = c.delim[0]
	}
	r := byte(0)
	if len(c.rec) > 0 {
		r = c.rec[0]
	}
	esc := c.f.escapeUnencl
	b := c.buf[c.at:c.end]
	n := 1 // the first one was looked at already
	for n < len(b) {
		x := b[n]
		if x == d || x == '\n' || x == '\r' || x == esc && esc != 0 || x == r && r != 0 {
			break
		}
		n++
	}
	c.data = append(c.data, b[:n]...)
	if f.escaped {
		c.raws = append(c.raws, b[:n]...)
	}
	c.at += n
}

// unescape reads a backslash and what follows it.
func (c *csvReader) unescape(f *csvField, from int) {
	if !f.escaped {
		f.escaped = true
		c.raws = append(c.raws, c.data[from:]...)
	}
	e := c.buf[c.at]
	c.raws = append(c.raws, e)
	c.at++
	b, ok := c.peek()
	if !ok {
		c.data = append(c.data, e)
		return
	}
	c.at++
	if b == '\n' {
		c.lines++
	}
	c.raws = append(c.raws, b)
	c.data = append(c.data, escaped(b))
}

func escaped(b byte) byte {
	switch b {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case '0':
		return 0
	}
	return b
}

// enclosed reads to the closing character; a doubled one stands for itself.
func (c *csvReader) enclosed(f *csvField) error {
	from := len(c.data)
	q, esc := c.f.enclosedBy, c.f.escape
	for {
		b, ok := c.peek()
		if !ok {
			if c.err != nil {
				return c.err
			}
			return rowError(100067, "22000", "End of record reached while expected to parse column")
		}
		switch {
		case b == q:
			c.at++
			if n, ok := c.peek(); !ok || n != q {
				return nil
			}
			c.at++
			c.data = append(c.data, q)
			if f.escaped {
				c.raws = append(c.raws, q)
			}
		case esc != 0 && b == esc:
			c.unescape(f, from)
		default:
			run := c.buf[c.at:c.end]
			n := 0
			for n < len(run) && run[n] != q && (esc == 0 || run[n] != esc) {
				if run[n] == '\n' {
					c.lines++
				}
				n++
			}
			c.data = append(c.data, run[:n]...)
			if f.escaped {
				c.raws = append(c.raws, run[:n]...)
			}
			c.at += n
		}
	}
}

// null reports whether a field stands for NULL. A value that was written with
// an escape is compared as written: \N is the default of NULL_IF, and \\N a
// backslash and an N.
func (c *csvReader) null(f csvField) bool {
	s := c.data[f.from:f.to]
	if len(s) == 0 && !f.quoted && c.f.emptyAsNull {
		return true
	}
	if f.escaped {
		s = c.raws[f.rawFrom:f.rawTo]
	}
	for _, n := range c.f.nullIf {
		if string(s) == n {
			return true
		}
	}
	return false
}
