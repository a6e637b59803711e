package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	clean cleaner       // each stream has a copy

	lanes sync.Mutex // guards free, and the Sink's own methods
	free  []targets.Lane

	mu    sync.Mutex // guards what follows
	acked chan taps.Position
	open  map[*outputStream]struct{}
	errs  []error // of streams, in case the tap swallows them
}

// Output starts loading; bookmarks are what the tap starts from.
func (s *Session) Output(bookmarks singer.Bookmarks) *Output {
	s.acks.marks = singer.NewMarks(bookmarks)
	return &Output{
		s:     s,
		clean: cleaner{policy: singer.NULKeep},
		slots: make(chan struct{}, s.parallel()),
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
	st, err := o.begin(ctx, schema)
	if err != nil {
		return nil, err // not a nil *outputStream
	}
	return st, nil
}

func (o *Output) begin(ctx context.Context, schema *row.Schema) (*outputStream, error) {
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
	out := &outputStream{stream: st, o: o, ctx: ctx, work: work, clean: o.clean, complete: o.s.completed.has(st.name)}
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
func (o *Output) done(st *outputStream, failed error) error {
	defer func() { <-o.slots }()
	err := failed
	if failed == nil && st.ended {
		o.lanes.Lock()
		o.free = append(o.free, st.lane)
		o.lanes.Unlock()
	} else {
		err = errors.Join(failed, o.closeLane(st.lane))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, st)
	if err != nil {
		o.errs = append(o.errs, err)
	} else if !st.ended {
		o.errs = append(o.errs, brokenOff(st.name))
	}
	return err
}

// fail keeps the error of a stream that could not be opened.
func (o *Output) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.errs = append(o.errs, err)
}

// committed makes a durable position known: as part of the whole STATE on
// stdout, and to the tap.
func (o *Output) committed(p taps.Position) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.s.acks.moved(p.Stream, p.Value); err != nil {
		return err
	}
	if o.s.opt.NoUpdate {
		return nil // the source must keep what the next run asks for again
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

// Close ends what the tap left open (as broken off) and gives the lanes back;
// its error is that of any stream. Once a tap's Sync had no error and no
// stream failed, the Sink is finished.
func (o *Output) Close(ctx context.Context, synced bool) error {
	o.mu.Lock()
	left := slices.Collect(maps.Keys(o.open))
	o.mu.Unlock()
	for _, st := range left {
		st.Close()
	}
	close(o.acked)
	errs := o.errs
	for _, lane := range o.free {
		errs = append(errs, lane.Close())
	}
	o.free = nil
	if err := errors.Join(errs...); err != nil || !synced {
		return err
	}
	return o.s.finish(ctx)
}
