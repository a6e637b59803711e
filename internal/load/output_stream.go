package load

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"elt/internal/row"
	"elt/taps"
	"elt/targets"
)

// outputStream is one stream of an Output, alone on its lane. The tap's calls
// are queued for one goroutine, so an error is often that of an earlier call.
type outputStream struct {
	*stream
	o     *Output
	ctx   context.Context // the tap's: its end stops the stream
	work  context.Context // of the destination
	relay *relay
	once  sync.Once
	err   error

	// Below here only the relay's goroutine works.
	rows, bytes int64     // uncommitted
	oldest      time.Time // of what is uncommitted; zero: nothing is
	pos         taps.Position
	fresh       bool // pos is not committed yet
	beyond      bool // rows were written after pos
	vague       bool // rows are appended that no exact position will cover: the end commits them
	ended       bool
	complete    bool // an earlier attempt at this window has loaded all of it
	clean       cleaner
}

func (st *outputStream) do(call func() error) error {
	if err := st.ctx.Err(); err != nil {
		return err
	}
	return st.relay.do(call)
}

func (st *outputStream) Schema(schema *row.Schema) error {
	return st.do(func() error { return st.schema(st.work, st.o.s, schema) })
}

func (st *outputStream) Write(b *row.Batch) error {
	return st.do(func() error { return st.take(b) })
}

func (st *outputStream) Position(p taps.Position) error {
	return st.do(func() error { return st.reached(p) })
}

func (st *outputStream) Activate(version int64) error {
	return st.do(func() error { st.activate(version); return nil })
}

// End returns once the stream is durable.
func (st *outputStream) End() error {
	if err := st.do(st.finish); err != nil {
		return err
	}
	return st.close()
}

func (st *outputStream) Close() error { return st.close() }

// Rejected implements taps.Rejecter.
func (st *outputStream) Rejected(rows int64) { st.o.s.meters.stream(st.name).rejected.Add(rows) }

func (st *outputStream) take(b *row.Batch) error {
	if st.complete {
		b.Release()
		return nil
	}
	b, err := st.clean.clean(b)
	if err != nil {
		return st.failed("load", err)
	}
	st.touched()
	st.rows += int64(b.Len())
	st.bytes += int64(len(b.Data))
	st.beyond = true
	if err := st.write(st.work, b); err != nil {
		return err
	}
	if st.method == targets.Append || !st.full() {
		return nil
	}
	return st.commit()
}

func (st *outputStream) reached(p taps.Position) error {
	p.Stream = st.name
	st.touched()
	st.pos, st.fresh, st.beyond = p, true, false
	if st.method == targets.Append && !p.Exact && st.o.s.opt.hold() {
		st.vague = true
	}
	if st.full() || st.old() {
		return st.mayCommit()
	}
	return nil
}

func (st *outputStream) reject(record json.RawMessage, cause error) error {
	return st.do(func() error {
		st.touched()
		return st.o.s.reject(st.work, st.lane, st.name, record, cause)
	})
}

func (st *outputStream) touched() {
	if st.oldest.IsZero() {
		st.oldest = time.Now()
	}
}

// full: a batch's limit is reached.
func (st *outputStream) full() bool {
	o := st.o.s.opt
	return o.BatchRows > 0 && st.rows >= o.BatchRows || o.BatchBytes > 0 && st.bytes >= o.BatchBytes
}

func (st *outputStream) old() bool {
	age := st.o.s.opt.age()
	return age > 0 && !st.oldest.IsZero() && time.Since(st.oldest) >= age
}

func (st *outputStream) tick() error {
	if st.old() {
		return st.mayCommit()
	}
	return nil
}

// mayCommit commits unless appended rows must wait for their position (invariant 4).
func (st *outputStream) mayCommit() error {
	if st.method == targets.Append && (st.vague || st.beyond || !st.fresh) {
		return nil
	}
	return st.commit()
}

// commit ends the transaction, with the position unless it must wait for the
// stream's end.
func (st *outputStream) commit() error {
	var c targets.Commit
	withPosition := st.fresh && st.pos.Value != nil && (st.method != targets.Overwrite || st.ended)
	if withPosition {
		c.Streams = map[string]json.RawMessage{st.name: st.pos.Value}
	}
	if st.o.s.marks && (st.ended || st.complete) {
		mark, err := marked(st.pos.Value)
		if err != nil {
			return st.failed("commit", err)
		}
		c.Streams = map[string]json.RawMessage{st.name: mark}
	}
	if err := st.o.s.commit(st.work, st.lane, c); err != nil {
		return st.failed("commit", err)
	}
	st.rows, st.bytes, st.oldest = 0, 0, time.Time{}
	if !withPosition {
		return nil
	}
	st.fresh = false
	st.meter.at(st.pos.Value)
	return st.o.committed(st.pos)
}

// finish is the stream's end: swaps and purges happen with this commit.
func (st *outputStream) finish() error {
	if err := st.end(st.work, st.o.s.opt); err != nil {
		return err
	}
	st.ended = true
	return st.commit()
}

// close ends the goroutine and gives the lane back. A stream broken off
// commits what a position covers, if the rules allow it, and loses the rest.
func (st *outputStream) close() error {
	st.once.Do(func() {
		st.relay.do(func() error {
			if st.ended || !st.fresh || st.method == targets.Overwrite {
				return nil
			}
			return st.mayCommit()
		})
		st.err = st.o.done(st, st.relay.close())
		st.meter.ended(st.err)
	})
	return st.err
}
