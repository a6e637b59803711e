package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"elt/internal/row"
)

// batchBytes is when a batch is full: small enough to stay in the processor's
// cache from the socket to the target.
const batchBytes = 256 << 10

// sureAfter is how many messages of a COPY stream have to be one tuple each
// before the others are taken for one without a look at every field. A server
// sends a tuple per message (CopySendEndOfRow), but does not promise it.
const sureAfter = 100

// splitter cuts the stream of COPY's binary format into batches. Its take gets
// the messages; tuples may come in any pieces.
type splitter struct {
	schema   *row.Schema
	version  int64
	elements []*row.Column // per column: elements of the arrays to be made JSON; nil: no column has any
	// hidden says that the last field of a tuple is not a column, but the
	// replication key as text.
	hidden bool
	// keyAt is the field to watch as replication key, -1 for none.
	keyAt   int
	keyWire row.Wire
	// every is after how many rows a position is due, at the next new key.
	every int64

	pool *row.Pool
	// full takes a finished batch; positionAt, when not nil, is the
	// replication key of the next row: all rows before it were handed out.
	full func(b *row.Batch, positionAt []byte) error

	batch   *row.Batch
	pending []byte // the head of a tuple whose rest has not come
	head    bool   // the stream's header was read
	end     bool   // the trailer was read
	exact   int    // messages that were one tuple; negative: some was not
	key     []byte // of the last row, valid when keyed
	keyed   bool
	rows    int64 // handed to full or in batch
	due     int64 // rows at which the next position is due
}

var signature = []byte("PGCOPY\n\xff\r\n\x00")

const headerSize = 11 + 4 + 4

// start is called before each COPY stream; key says whether its rows have a
// replication key that is not NULL.
func (s *splitter) start(keyAt int) {
	s.head, s.end, s.exact, s.pending, s.keyAt = false, false, 0, s.pending[:0], keyAt
	if s.batch == nil {
		s.batch = s.pool.Get(s.schema)
		s.batch.Version = s.version
		s.due = s.every
	}
}

// take takes what the next message holds.
func (s *splitter) take(p []byte) error {
	if s.exact >= sureAfter && len(p) > 2 {
		if int(binary.BigEndian.Uint16(p)) != s.fields() {
			return s.wrongCount(p)
		}
		return s.add(p)
	}
	if len(s.pending) > 0 {
		s.pending = append(s.pending, p...)
		p = s.pending
		s.exact = -1 << 62
	}
	rows, headed := s.rows, s.head
	rest, err := s.split(p)
	if err != nil {
		return err
	}
	s.pending = append(s.pending[:0], rest...)
	switch {
	case headed && len(rest) == 0 && s.rows == rows+1:
		s.exact++
	case headed && !s.end:
		s.exact = -1 << 62
	}
	return nil
}

// finish is called after each COPY stream.
func (s *splitter) finish() error {
	if !s.end || len(s.pending) > 0 {
		return errors.New("the server ended the COPY stream in the middle of a row")
	}
	return nil
}

// flush hands out what is left.
func (s *splitter) flush() error {
	b := s.batch
	s.batch = nil
	if b == nil || b.Len() == 0 {
		if b != nil {
			b.Release()
		}
		return nil
	}
	return s.full(b, nil)
}

// drop gives up what was not handed out.
func (s *splitter) drop() {
	if s.batch != nil {
		s.batch.Release()
		s.batch = nil
	}
}

// split takes whole tuples off p and returns what is left.
func (s *splitter) split(p []byte) ([]byte, error) {
	if !s.head {
		n, err := header(p)
		if n == 0 || err != nil {
			return p, err
		}
		s.head, p = true, p[n:]
	}
	fields := s.fields()
	for len(p) >= 2 {
		if count := int(binary.BigEndian.Uint16(p)); count != fields {
			if count == 0xffff && len(p) == 2 && !s.end {
				s.end = true
				return nil, nil
			}
			return p, s.wrongCount(p)
		}
		n := s.tuple(p, fields)
		if n == 0 {
			return p, nil
		}
		if n < 0 {
			return p, errors.New("the server sent a field of a negative length")
		}
		if err := s.add(p[:n]); err != nil {
			return p, err
		}
		p = p[n:]
	}
	return p, nil
}

// fields is how many fields a tuple has.
func (s *splitter) fields() int {
	if s.hidden {
		return len(s.schema.Columns) + 1
	}
	return len(s.schema.Columns)
}

func (s *splitter) wrongCount(tuple []byte) error {
	return fmt.Errorf("the server sent a row of %d fields instead of %d", binary.BigEndian.Uint16(tuple), s.fields())
}

// header is the size of the stream's header, 0 when it is not all there.
func header(p []byte) (int, error) {
	if len(p) < headerSize {
		return 0, nil
	}
	if !bytes.HasPrefix(p, signature) {
		return 0, errors.New("the server sent something else than binary COPY")
	}
	n := headerSize + int(binary.BigEndian.Uint32(p[15:]))
	if len(p) < n {
		return 0, nil
	}
	return n, nil
}

// tuple is the size of the tuple at the head of p: 0 when it is not all
// there, -1 when it is none.
func (s *splitter) tuple(p []byte, fields int) int {
	at := 2
	for range fields {
		if at+4 > len(p) {
			return 0
		}
		n := int32(binary.BigEndian.Uint32(p[at:]))
		at += 4
		if n > 0 {
			at += int(n)
		} else if n < -1 {
			return -1
		}
	}
	if at > len(p) {
		return 0
	}
	return at
}

// add appends one tuple to the batch, and hands out the batch when it is full
// or a position is due.
func (s *splitter) add(tuple []byte) error {
	if s.keyAt >= 0 {
		if err := s.watch(tuple); err != nil {
			return err
		}
	}
	b := s.batch
	if s.elements == nil && !s.hidden {
		b.Offsets = append(b.Offsets, int32(len(b.Data)))
		b.Data = append(b.Data, tuple...)
	} else if err := s.rebuild(tuple); err != nil {
		return err
	}
	s.rows++
	if len(b.Data) >= batchBytes {
		return s.next(nil)
	}
	return nil
}

// watch remembers the replication key of the row. When a position is due and
// the key is a new one, the batch ends before the row: a run that resumes at
// this key, with >=, reads this row first and repeats none.
//
// A key without an end (infinity, NaN) is no place to go on from: every later
// row would lie below it. Such rows come again in each run instead.
func (s *splitter) watch(tuple []byte) error {
	key := fieldAt(tuple, s.keyAt)
	if endless(s.keyWire, key) {
		return nil
	}
	if s.rows >= s.due && (!s.keyed || !bytes.Equal(s.key, key)) {
		s.due = s.rows + s.every
		if err := s.next(key); err != nil {
			return err
		}
	}
	s.key, s.keyed = append(s.key[:0], key...), true
	return nil
}

// next hands out the batch and starts another.
func (s *splitter) next(positionAt []byte) error {
	b := s.batch
	s.batch = nil
	if err := s.full(b, positionAt); err != nil {
		return err
	}
	s.batch = s.pool.Get(s.schema)
	s.batch.Version = s.version
	return nil
}

func (s *splitter) rebuild(tuple []byte) error {
	b := s.batch
	b.Begin()
	at := 2
	for i := range s.schema.Columns {
		n := int32(binary.BigEndian.Uint32(tuple[at:]))
		at += 4
		if n < 0 {
			b.Null()
			continue
		}
		field := tuple[at : at+int(n)]
		at += int(n)
		if s.elements == nil || s.elements[i] == nil {
			b.Field(field)
			continue
		}
		b.Open()
		var err error
		if b.Data, err = appendArray(b.Data, field, s.elements[i]); err != nil {
			return fmt.Errorf("column %q: %w", s.schema.Columns[i].Name, err)
		}
		b.Close()
	}
	b.End()
	return nil
}

// endless says that a replication key is infinite or no number.
func endless(wire row.Wire, key []byte) bool {
	switch {
	case wire == row.WireDate && len(key) == 4:
		v := int32(binary.BigEndian.Uint32(key))
		return v == math.MaxInt32 || v == math.MinInt32
	case (wire == row.WireTimestamp || wire == row.WireTimestampTZ) && len(key) == 8:
		v := int64(binary.BigEndian.Uint64(key))
		return v == math.MaxInt64 || v == math.MinInt64
	case wire == row.WireFloat4 && len(key) == 4:
		v := float64(math.Float32frombits(binary.BigEndian.Uint32(key)))
		return math.IsNaN(v) || math.IsInf(v, 0)
	case wire == row.WireFloat8 && len(key) == 8:
		v := math.Float64frombits(binary.BigEndian.Uint64(key))
		return math.IsNaN(v) || math.IsInf(v, 0)
	case wire == row.WireNumeric && len(key) >= 8:
		return binary.BigEndian.Uint16(key[4:])&0x8000 != 0 // the sign: NaN, an infinity
	}
	return false
}

// fieldAt is field i of a tuple; nil for NULL.
func fieldAt(tuple []byte, i int) []byte {
	at := 2
	for ; ; i-- {
		n := int32(binary.BigEndian.Uint32(tuple[at:]))
		at += 4
		if i == 0 {
			if n < 0 {
				return nil
			}
			return tuple[at : at+int(n)]
		}
		if n > 0 {
			at += int(n)
		}
	}
}
