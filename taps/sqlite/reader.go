package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
)

const (
	// positionEvery is after how many rows a stream says how far it is, an
	// INCREMENTAL one at the next row with another replication key.
	positionEvery = 10_000
	batchBytes    = 256 << 10
)

// piece is what the reading half hands to the writing half: rows, then a
// position, or a new schema.
type piece struct {
	batch    *row.Batch
	position *taps.Position
	schema   *row.Schema
}

// reader makes pieces of the rows of one statement.
type reader struct {
	ctx    context.Context
	plan   *plan
	pool   *row.Pool
	pieces chan<- piece

	fields        []field
	schema        *row.Schema
	batch         *row.Batch
	at            []int // where the fields of the row begin
	rows, covered int64
	key           []byte // the last replication key: tag and value
	latest        row.Instant
}

func newReader(ctx context.Context, p *plan, pool *row.Pool, pieces chan<- piece) *reader {
	r := &reader{ctx: ctx, plan: p, pool: pool, pieces: pieces, latest: row.Instant{Sec: math.MinInt64}}
	for _, a := range p.taken {
		r.fields = append(r.fields, field{declared: a.Column, now: a.Column})
	}
	r.schema = p.announced(r.fields)
	return r
}

// read runs the statement to its end and returns where the stream then stands.
func (r *reader) read(s *session) (end taps.Position, err error) {
	p := r.plan
	defer func() {
		if r.batch != nil {
			r.batch.Release()
		}
	}()
	c, err := s.read(r.ctx, p.sql())
	if err != nil {
		return end, explain(s.path, err)
	}
	defer c.close()
	for {
		data, n, err := c.next()
		if err == nil && n == 0 {
			break
		}
		if err == nil {
			err = r.ctx.Err()
		}
		for ; err == nil && n > 0; n-- {
			data, err = r.row(data)
		}
		if err != nil {
			return end, explain(s.path, err)
		}
	}
	if err := r.flush(nil); err != nil {
		return end, err
	}
	if p.method == singer.Incremental && r.key != nil {
		mark, _ := markValue(r.key[0], r.key[1:])
		return p.position([]json.RawMessage{mark}, r.rows, false), nil
	}
	return p.position(nil, r.rows, false), nil
}

// row adds the row at the front of data and returns what follows.
func (r *reader) row(data []byte) (rest []byte, err error) {
	r.at = r.at[:0]
	end := 0
	for range len(r.fields) + r.extra() {
		r.at = append(r.at, end)
		switch data[end] {
		case tagNull:
			end++
		case tagInt, tagDouble:
			end += 9
		default:
			end += 5 + int(binary.NativeEndian.Uint32(data[end+1:]))
		}
	}
	data, rest = data[:end:end], data[end:]
	r.at = append(r.at, end)
	if r.plan.method == singer.Incremental {
		if take, err := r.keyed(data); !take {
			return rest, err
		}
	}
	if err := r.encode(data); err != nil {
		return nil, err
	}
	r.rows++
	if len(r.batch.Data) < batchBytes {
		return rest, nil
	}
	return rest, r.flush(r.behind(data))
}

func (r *reader) extra() int {
	n := 0
	for _, at := range r.plan.marksAt {
		if at >= len(r.fields) {
			n++
		}
	}
	return n
}

// value is field i of the row.
func (r *reader) value(data []byte, i int) (tag byte, v []byte) {
	switch tag = data[r.at[i]]; tag {
	case tagText, tagBlob:
		return tag, data[r.at[i]+5 : r.at[i+1]]
	}
	return tag, data[r.at[i]+1 : r.at[i+1]]
}

func (r *reader) encode(data []byte) error {
again:
	if r.batch == nil {
		r.batch = r.pool.Get(r.schema)
	}
	r.batch.Begin()
	for i := range r.fields {
		tag, v := r.value(data, i)
		f := &r.fields[i]
		was := f.now
		ok, err := f.append(r.batch, tag, v)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		r.batch.Drop()
		if err := r.widened(was, f.now); err != nil {
			return err
		}
		goto again
	}
	r.batch.End()
	return nil
}

// widened announces what a column has become.
func (r *reader) widened(was, now row.Column) error {
	zerolog.Ctx(r.ctx).Warn().Msgf("stream %s: column %s has a value that is no %s, from here on it is %s", r.plan.id, now.Name, called(was), called(now))
	if err := r.flush(nil); err != nil {
		return err
	}
	r.schema = r.plan.announced(r.fields)
	return r.send(piece{schema: r.schema})
}

func called(c row.Column) string {
	if c.Precision == 0 {
		return c.Kind.String()
	}
	return fmt.Sprintf("%s(%d,%d)", c.Kind, c.Precision, c.Scale)
}

// keyed looks at the replication key of a row before it is added: whether it
// is to be read, and whether a position is due that it begins.
func (r *reader) keyed(data []byte) (take bool, err error) {
	at := r.plan.marksAt[0]
	tag, v := r.value(data, at)
	switch tag {
	case tagNull:
		return true, nil
	case tagBlob:
		return false, fault.New(fault.BadInput, "the replication key %q of a row is a blob", r.plan.key).WithHint("choose another replication key")
	}
	take, when, parsed, err := r.plan.window.takes(tag, v)
	if !take {
		return false, err
	}
	if r.key != nil && r.rows-r.covered >= positionEvery && r.key[0] == tag && !bytes.Equal(r.key[1:], v) {
		// Resuming reads what has this instant or a later one: exact if nothing before had.
		exact := !r.plan.window.timed || parsed && earlier(r.latest, when)
		mark, _ := markValue(tag, v)
		position := r.plan.position([]json.RawMessage{mark}, r.rows, exact)
		if err := r.flush(&position); err != nil {
			return false, err
		}
	}
	if parsed && earlier(r.latest, when) {
		r.latest = when
	}
	r.key = append(append(r.key[:0], tag), v...)
	return true, nil
}

// behind is the position after the row in data, of a whole read; nil when
// none is due.
func (r *reader) behind(data []byte) *taps.Position {
	if r.plan.method != singer.FullTable || len(r.plan.marks) == 0 || r.rows-r.covered < positionEvery {
		return nil
	}
	marks := make([]json.RawMessage, len(r.plan.marks))
	for i, at := range r.plan.marksAt {
		tag, v := r.value(data, at)
		var ok bool
		if marks[i], ok = markValue(tag, v); !ok {
			return nil
		}
	}
	position := r.plan.position(marks, r.rows, true)
	return &position
}

// flush hands the batch on, and a position behind it.
func (r *reader) flush(position *taps.Position) error {
	b := r.batch
	if r.batch = nil; b != nil && b.Len() == 0 {
		b.Release()
		b = nil
	}
	if b == nil && position == nil {
		return nil
	}
	if position != nil {
		r.covered = r.rows
	}
	return r.send(piece{batch: b, position: position})
}

func (r *reader) send(next piece) error {
	select {
	case r.pieces <- next:
		return nil
	case <-r.ctx.Done():
		if next.batch != nil {
			next.batch.Release()
		}
		return r.ctx.Err()
	}
}
