package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/targets"
)

// Output loads what a tap in the same process hands over: a taps.Output whose
// streams each have a lane of their own.
type Output struct {
	s     *Session
	slots chan struct{} // one per lane that may be open

	lanes sync.Mutex // guards free, and the Sink's own methods
	free  []targets.Lane

	mu    sync.Mutex // guards marks, acked, open
	marks singer.Bookmarks
	acked chan taps.Position
	open  map[*outputStream]struct{}
}

// Output starts loading; bookmarks are what the tap starts from.
func (s *Session) Output(bookmarks singer.Bookmarks) *Output {
	return &Output{
		s:     s,
		slots: make(chan struct{}, s.parallel()),
		marks: bookmarks,
		acked: make(chan taps.Position, 64),
		open:  map[*outputStream]struct{}{},
	}
}

// Parallel is how many streams may be open at the same time.
func (o *Output) Parallel() int { return cap(o.slots) }

// Acked carries durable positions. A reader that lags behind by many misses
// the oldest of them.
func (o *Output) Acked() <-chan taps.Position { return o.acked }

// Stream opens a stream on a free lane, waiting for one.
func (o *Output) Stream(ctx context.Context, schema *row.Schema) (taps.Stream, error) {
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	work := context.WithoutCancel(ctx) // a commit is not interrupted
	st, err := o.prepare(work, schema)
	if err != nil {
		<-o.slots
		return nil, err
	}
	out := &outputStream{stream: st, o: o, ctx: ctx, work: work}
	out.relay = newRelay(st.meter.waits, time.Second, out.tick)
	o.mu.Lock()
	o.open[out] = struct{}{}
	o.mu.Unlock()
	return out, nil
}

func (o *Output) prepare(ctx context.Context, schema *row.Schema) (*stream, error) {
	lane, err := o.lane(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", schema.Stream, err)
	}
	st, err := o.s.open(ctx, lane, schema)
	if err != nil {
		return nil, errors.Join(err, o.closeLane(lane))
	}
	return st, nil
}

func (o *Output) lane(ctx context.Context) (targets.Lane, error) {
	o.lanes.Lock()
	defer o.lanes.Unlock()
	if n := len(o.free); n > 0 {
		lane := o.free[n-1]
		o.free = o.free[:n-1]
		return lane, nil
	}
	return o.s.lane(ctx)
}

func (o *Output) closeLane(lane targets.Lane) error {
	o.lanes.Lock()
	defer o.lanes.Unlock()
	return lane.Close()
}

// done takes a stream's lane back. One with uncommitted rows is closed, which
// undoes them.
func (o *Output) done(st *outputStream, clean bool) error {
	o.mu.Lock()
	delete(o.open, st)
	o.mu.Unlock()
	defer func() { <-o.slots }()
	if !clean {
		return o.closeLane(st.lane)
	}
	o.lanes.Lock()
	defer o.lanes.Unlock()
	o.free = append(o.free, st.lane)
	return nil
}

// committed makes a durable position known: as part of the whole STATE on
// stdout, and to the tap.
func (o *Output) committed(p taps.Position) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	marks, err := o.marks.With(map[string]json.RawMessage{p.Stream: p.Value})
	if err != nil {
		return err
	}
	o.marks = marks
	if err := o.s.acks.print(marks.Raw()); err != nil {
		return err
	}
	for {
		select {
		case o.acked <- p:
			return nil
		default:
		}
		select {
		case <-o.acked:
		default:
		}
	}
}

// Close ends what the tap left open (as broken off) and gives the lanes back.
// With complete, which needs a Sync without error, the Sink is finished.
func (o *Output) Close(ctx context.Context, complete bool) error {
	o.mu.Lock()
	left := make([]*outputStream, 0, len(o.open))
	for st := range o.open {
		left = append(left, st)
	}
	o.mu.Unlock()
	var errs []error
	for _, st := range left {
		errs = append(errs, st.Close())
		complete = false
	}
	close(o.acked)
	o.lanes.Lock()
	for _, lane := range o.free {
		errs = append(errs, lane.Close())
	}
	o.free = nil
	o.lanes.Unlock()
	if err := errors.Join(errs...); err != nil || !complete {
		return err
	}
	if err := o.s.sink.Finish(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return nil
}
