package csv

import (
	"bytes"
	"errors"
	"io"
)

var (
	errUnclosed = errors.New("a quoted field is never closed")
	errQuote    = errors.New("a quoted field goes on after its closing quote")
	errLong     = errors.New("a record is longer than 256 MiB, so a quoted field is probably never closed")
)

// longest is how long a record may be.
const longest = 256 << 20

// scanner cuts a stream of bytes into records and fields, as Python's csv
// module does. Its buffer grows to the longest record; fields lie in it, or
// in scratch when quotes or escapes had to be taken out. Nothing is
// allocated per record.
type scanner struct {
	in      io.Reader
	format  format
	buf     []byte
	from    int // start of the record returned last
	pos     int // start of the next record
	end     int // end of what was read
	eof     bool
	line    int64 // line at which the record returned last starts
	next    int64 // line at which the next one starts
	fields  [][]byte
	scratch []byte
}

const blockSize = 256 << 10

func newScanner(in io.Reader, f format) *scanner {
	return &scanner{in: in, format: f, buf: make([]byte, blockSize), next: 1}
}

// record returns the next record's fields, valid until the next call, or
// io.EOF. A field of which there is nothing, not even quotes, is nil. Blank
// lines are passed over.
func (s *scanner) record() ([][]byte, error) {
	for {
		if s.pos == s.end && s.eof {
			return nil, io.EOF
		}
		s.line = s.next
		after, lines, err := s.cut()
		if err == errMore {
			if err := s.fill(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		blank := len(s.fields) == 1 && len(s.fields[0]) == 0 && s.buf[s.pos] != s.format.quote
		s.from, s.pos, s.next = s.pos, after, s.next+lines
		if !blank {
			return s.fields, nil
		}
	}
}

// raw is the text of the record returned last, valid until the next call.
func (s *scanner) raw() []byte { return s.buf[s.from:s.pos] }

// flawed says whether an error of record is one of the text, behind which
// pass goes on; others are of reading.
func flawed(err error) bool { return err == errUnclosed || err == errQuote || err == errLong }

// pass goes to the next line after record failed at the text, and returns the
// line that it passed.
func (s *scanner) pass() []byte {
	s.from = s.pos
	if n := bytes.IndexByte(s.buf[s.pos:s.end], '\n'); n >= 0 {
		s.pos += n + 1
	} else {
		s.pos = s.end
	}
	s.next++
	return s.raw()
}

var errMore = errors.New("the record goes on beyond the buffer")

// fill reads more behind what is not consumed yet.
func (s *scanner) fill() error {
	if s.pos > 0 {
		s.end = copy(s.buf, s.buf[s.pos:s.end])
		s.pos = 0
	}
	if s.end >= longest {
		return errLong
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := s.in.Read(s.buf[s.end:])
	s.end += n
	if err == io.EOF {
		s.eof = true
		return nil
	}
	return err
}

// cut splits the record at pos. It returns where the next one starts and how
// many lines this one has, or errMore.
func (s *scanner) cut() (after int, lines int64, err error) {
	s.fields, s.scratch = s.fields[:0], s.scratch[:0]
	data, i := s.buf[:s.end], s.pos
	for {
		if s.format.skipSpace {
			for i < len(data) && data[i] == ' ' {
				i++
			}
		}
		var field []byte
		start := i
		if i < len(data) && s.format.quote != 0 && data[i] == s.format.quote {
			var breaks int64
			if field, i, breaks, err = s.quoted(data, i+1); err != nil {
				return 0, 0, err
			}
			lines += breaks
		} else if s.format.escape == 0 {
			for i < len(data) && data[i] != s.format.delimiter && data[i] != '\n' && data[i] != '\r' {
				i++
			}
			field = data[start:i:i]
		} else {
			field, i = s.escaped(data, i)
		}
		if i >= len(data) && !s.eof {
			return 0, 0, errMore
		}
		if i == start {
			field = nil
		}
		s.fields = append(s.fields, field)
		if i >= len(data) {
			return i, lines + 1, nil
		}
		switch data[i] {
		case s.format.delimiter:
			i++
			if i == len(data) && !s.eof {
				return 0, 0, errMore
			}
			continue
		case '\r':
			if i+1 == len(data) && !s.eof {
				return 0, 0, errMore
			}
			if i+1 < len(data) && data[i+1] == '\n' {
				i++
			}
		}
		return i + 1, lines + 1, nil
	}
}

// quoted reads a field after its opening quote.
func (s *scanner) quoted(data []byte, i int) (field []byte, after int, breaks int64, err error) {
	start, copied := i, -1 // copied: where in scratch the field starts, once it had to be copied
	keep := func(part []byte) {
		if copied < 0 {
			copied = len(s.scratch)
		}
		s.scratch = append(s.scratch, part...)
	}
	for {
		n := bytes.IndexByte(data[i:], s.format.quote)
		if e := s.format.escape; e != 0 && e != s.format.quote {
			ahead := data[i:]
			if n >= 0 {
				ahead = ahead[:n]
			}
			if m := bytes.IndexByte(ahead, e); m >= 0 {
				if i+m+1 >= len(data) {
					return nil, 0, 0, s.unfinished()
				}
				keep(data[start : i+m])
				keep(data[i+m+1 : i+m+2])
				i += m + 2
				start = i
				continue
			}
		}
		if n < 0 {
			return nil, 0, 0, s.unfinished()
		}
		close := i + n
		if close+1 == len(data) && !s.eof {
			return nil, 0, 0, errMore
		}
		if s.format.doubleQuote && close+1 < len(data) && data[close+1] == s.format.quote {
			keep(data[start : close+1])
			i = close + 2
			start = i
			continue
		}
		i = close + 1
		// Whatever stands between the closing quote and the delimiter belongs
		// to the field, unless strict.
		tail := i
		for i < len(data) && data[i] != s.format.delimiter && data[i] != '\n' && data[i] != '\r' {
			i++
		}
		if i == len(data) && !s.eof {
			return nil, 0, 0, errMore
		}
		if tail < i && s.format.strict {
			return nil, 0, 0, errQuote
		}
		if tail < i || copied >= 0 {
			keep(data[start:close])
			keep(data[tail:i])
			field = s.scratch[copied:len(s.scratch):len(s.scratch)]
		} else {
			field = data[start:close:close]
		}
		return field, i, int64(bytes.Count(field, newline)), nil
	}
}

var newline = []byte{'\n'}

func (s *scanner) unfinished() error {
	if s.eof {
		return errUnclosed
	}
	return errMore
}

// escaped reads an unquoted field in which the escape character takes the
// next character as it is.
func (s *scanner) escaped(data []byte, i int) (field []byte, after int) {
	start := len(s.scratch)
	for i < len(data) && data[i] != s.format.delimiter && data[i] != '\n' && data[i] != '\r' {
		if data[i] == s.format.escape && i+1 < len(data) {
			i++
		}
		s.scratch = append(s.scratch, data[i])
		i++
	}
	return s.scratch[start:len(s.scratch):len(s.scratch)], i
}
