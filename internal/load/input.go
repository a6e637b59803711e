package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/targets"
)

// Input loads a Singer stream; it is a singer.Handler. All streams share one
// lane, since a STATE covers all of them. Its methods queue their work for
// one goroutine, so an error is often that of an earlier call.
type Input struct {
	s     *Session
	ctx   context.Context // of destination work: not ended by a signal
	relay *relay
	waits waits

	// Below here only the relay's goroutine works.
	lane      targets.Lane
	streams   map[string]*intake
	order     []*intake
	mark      watermark
	seq       int64            // numbers rows' batches and STATEs
	bytes     int64            // uncommitted, held back ones included
	heldSize  int64            // bytes of rows not yet handed to a loader
	oldest    time.Time        // of what is uncommitted; zero: nothing is
	pinned    int64            // number of the first rows that only the end may commit, 0: none
	appended  bool             // uncommitted rows of an Append stream
	lastRow   int64            // number of the newest rows
	latest    singer.Bookmarks // the newest STATE,
	lastState int64            // and its number
	due       bool             // commit with the next STATE
	ended     bool             // the input was complete
}

// intake is a stream of an Input, with the rows held back.
type intake struct {
	*stream
	held   *row.Batch // nil: nothing is held back
	at     int64      // number of the first rows held
	since  time.Time  // when they came
	rows   int64      // uncommitted, held included
	direct bool       // until the next commit rows go to the loader at once
}

// Rows are held back so that one stream's commit leaves the others alone.
// A stream that has more than streamHold goes straight to its loader, and all
// do once heldMost lies in memory.
const (
	streamHold = 256 << 10
	heldMost   = 4 << 20
)

// Input starts loading. The context's end does not interrupt a commit; who
// feeds the Input stops, and calls Stop.
func (s *Session) Input(ctx context.Context) *Input {
	in := &Input{s: s, ctx: context.WithoutCancel(ctx), streams: map[string]*intake{}}
	in.relay = newRelay(&in.waits, time.Second, in.tick)
	return in
}

// Schema announces a stream or its new shape.
func (in *Input) Schema(_ context.Context, schema *row.Schema) error {
	return in.relay.do(func() error { return in.schema(schema) })
}

// Write takes rows of a stream that was announced.
func (in *Input) Write(_ context.Context, b *row.Batch) error {
	return in.relay.do(func() error { return in.write(b) })
}

// State takes note of a position of the tap over all streams.
func (in *Input) State(_ context.Context, value json.RawMessage) error {
	return in.relay.do(func() error { return in.state(value) })
}

// Activate takes note of a stream's new table version.
func (in *Input) Activate(_ context.Context, stream string, version int64) error {
	return in.relay.do(func() error {
		if st := in.streams[stream]; st != nil {
			st.activate(version)
			return nil
		}
		return fault.New(fault.BadInput, "ACTIVATE_VERSION of stream %q before its SCHEMA", stream)
	})
}

// Tick does nothing: the Input looks at the clock by itself.
func (in *Input) Tick(context.Context) error { return nil }

// Reject is called with a record that cannot be decoded or loaded: it goes to
// _elt_rejects, or its cause is the run's error.
func (in *Input) Reject(_ context.Context, stream string, record json.RawMessage, cause error) error {
	if in.s.opt.OnBadRecord != "quarantine" {
		return cause
	}
	record = append(json.RawMessage(nil), record...)
	return in.relay.do(func() error { return in.reject(stream, record, cause) })
}

func (in *Input) schema(schema *row.Schema) error {
	st := in.streams[schema.Stream]
	if st != nil {
		if err := in.release(st); err != nil {
			return err
		}
		return st.schema(in.ctx, in.s, schema)
	}
	if err := in.ready(); err != nil {
		return err
	}
	opened, err := in.s.open(in.ctx, in.lane, schema)
	if err != nil {
		return err
	}
	opened.meter.sharing(&in.waits)
	st = &intake{stream: opened}
	in.streams[schema.Stream], in.order = st, append(in.order, st)
	return nil
}

// ready opens the lane, which a run without rows and STATE never needs.
func (in *Input) ready() (err error) {
	if in.lane == nil {
		in.lane, err = in.s.lane(in.ctx)
	}
	return err
}

func (in *Input) write(b *row.Batch) error {
	st := in.streams[b.Schema.Stream]
	if st == nil {
		return fault.New(fault.BadInput, "RECORD of stream %q before its SCHEMA", b.Schema.Stream)
	}
	if in.s.completed.all {
		b.Release()
		return nil
	}
	for b != nil {
		var rest *row.Batch
		if room := in.s.opt.BatchRows - st.rows; room > 0 && int64(b.Len()) > room {
			rest = b.Split(int(room))
		}
		if err := in.accept(st, b); err != nil {
			return err
		}
		if err := in.commitIfDue(st); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// accept counts rows and holds them back or hands them on.
func (in *Input) accept(st *intake, b *row.Batch) error {
	size := int64(len(b.Data))
	in.seq++
	in.lastRow = in.seq
	in.touched()
	st.rows += int64(b.Len())
	in.bytes += size
	switch st.method {
	case targets.Append:
		in.appended = true
		if in.s.opt.hold() {
			in.pin()
		}
	case targets.Overwrite:
		in.pin()
	case targets.Upsert:
		if !st.direct && size <= streamHold {
			return in.hold(st, b)
		}
		if err := in.release(st); err != nil {
			return err
		}
	}
	return st.write(in.ctx, b)
}

// hold copies rows aside, since the batch may be a small part of its memory.
func (in *Input) hold(st *intake, b *row.Batch) error {
	if st.held != nil && !st.held.Take(b) {
		if err := in.release(st); err != nil {
			return err
		}
		return st.write(in.ctx, b)
	}
	if st.held == nil {
		st.held, st.at, st.since = &row.Batch{}, in.seq, time.Now()
		st.held.Take(b)
		in.mark.barrier = in.seq
	}
	in.heldSize += int64(len(b.Data))
	b.Release()
	if len(st.held.Data) > streamHold || in.heldSize > heldMost {
		return in.release(st)
	}
	return nil
}

// release hands a stream's rows to its loader, and those that follow too.
func (in *Input) release(st *intake) error {
	st.direct = true
	held := st.held
	if held == nil {
		return nil
	}
	st.held = nil
	in.heldSize -= int64(len(held.Data))
	return st.write(in.ctx, held)
}

// pin withholds every later STATE until the end.
func (in *Input) pin() {
	if in.pinned == 0 {
		in.pinned, in.mark.barrier = in.seq, in.seq
	}
}

// touched starts the clock of the oldest uncommitted thing.
func (in *Input) touched() {
	if in.oldest.IsZero() {
		in.oldest = time.Now()
	}
}

func (in *Input) state(value json.RawMessage) error {
	if singer.NewBookmarks(value).IsZero() {
		return nil // never {} or null for something (invariant 2)
	}
	in.seq++
	in.touched()
	in.mark.push(in.seq, value)
	in.latest, in.lastState = singer.NewBookmarks(value), in.seq
	if in.due {
		return in.commit(nil)
	}
	return nil
}

func (in *Input) reject(stream string, record json.RawMessage, cause error) error {
	if err := in.ready(); err != nil {
		return err
	}
	in.seq++
	in.touched()
	return in.s.reject(in.ctx, in.lane, stream, record, cause)
}

// commitIfDue commits one stream that has gathered enough rows, or all when
// their bytes do.
func (in *Input) commitIfDue(st *intake) error {
	switch o := in.s.opt; {
	case o.BatchRows > 0 && st.rows >= o.BatchRows:
		return in.mayCommit(st)
	case o.BatchBytes > 0 && in.bytes >= o.BatchBytes:
		return in.mayCommit(nil)
	}
	return nil
}

// tick commits what has waited too long.
func (in *Input) tick() error {
	if age := in.s.opt.age(); age == 0 || in.oldest.IsZero() || time.Since(in.oldest) < age {
		return nil
	}
	return in.mayCommit(nil)
}

// mayCommit commits unless uncommitted rows must wait for a position (invariant 4).
func (in *Input) mayCommit(only *intake) error {
	switch {
	case in.appended && in.s.opt.hold():
		return nil
	case in.appended:
		in.due = true
		return nil
	}
	return in.commit(only)
}

// commit ends the transaction with everything that loaders have, and with the
// rows held back of one stream (nil: of all). It prints the newest STATE that
// this covers.
func (in *Input) commit(only *intake) error {
	limit := int64(math.MaxInt64)
	for _, st := range in.order {
		if only == nil || only == st {
			if err := in.release(st); err != nil {
				return err
			}
		} else if st.held != nil {
			limit = min(limit, st.at)
		}
	}
	if in.pinned != 0 {
		limit = min(limit, in.pinned)
	}
	if err := in.ready(); err != nil {
		return err
	}
	state := in.mark.newest(limit)
	whole := state
	if in.s.marks && (in.ended || in.s.completed.all) {
		var err error
		if whole, err = marked(state); err != nil {
			return err
		}
	}
	if err := in.s.commit(in.ctx, in.lane, targets.Commit{Whole: whole}); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	in.mark.forget(limit)
	in.committed()
	return in.acknowledge(state)
}

// committed starts counting anew: only rows held back are left.
func (in *Input) committed() {
	in.bytes, in.oldest, in.appended, in.due = in.heldSize, time.Time{}, false, false
	for _, st := range in.order {
		st.rows, st.direct = 0, false
		if st.held != nil {
			st.rows = int64(st.held.Len())
			if in.oldest.IsZero() || st.since.Before(in.oldest) {
				in.oldest = st.since
			}
		}
	}
	if in.oldest.IsZero() && len(in.mark.states) > 0 && in.pinned == 0 {
		in.oldest = time.Now()
	}
}

func (in *Input) acknowledge(state json.RawMessage) error {
	if state == nil {
		return nil
	}
	marks := singer.NewMarks(singer.NewBookmarks(state))
	for _, st := range in.order {
		st.meter.at(marks.Stream(st.name))
	}
	return in.s.acks.print(state)
}

// End says that the input was complete: versions are activated, streams
// ended, everything is committed, the last STATE printed.
func (in *Input) End() error {
	in.relay.do(in.finish)
	return in.close()
}

func (in *Input) finish() error {
	for _, st := range in.order {
		if err := in.release(st); err != nil {
			return err
		}
		if err := st.end(in.ctx, in.s.opt); err != nil {
			return err
		}
		st.meter.ended(nil)
	}
	in.pinned, in.ended = 0, true
	if len(in.order) > 0 || in.seq > 0 {
		if err := in.commit(nil); err != nil {
			return err
		}
	}
	if err := in.closeLane(); err != nil {
		return err
	}
	return in.s.finish(in.ctx)
}

// Stop is for a run that was told to end (SIGTERM): what may be committed is,
// nothing is published.
func (in *Input) Stop() error {
	in.relay.do(func() error {
		if in.pinned != 0 || in.appended || in.mark.newest(math.MaxInt64) == nil {
			return nil
		}
		return in.commit(nil)
	})
	return in.close()
}

// Discard is for a broken input: what no commit covers is undone.
func (in *Input) Discard() error { return in.close() }

// close waits for the goroutine, then gives the lane back.
func (in *Input) close() error {
	err := in.relay.close()
	return errors.Join(err, in.closeLane())
}

func (in *Input) closeLane() error {
	if in.lane == nil {
		return nil
	}
	err := in.lane.Close()
	in.lane = nil
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
