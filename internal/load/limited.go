package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"elt/internal/limit"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/targets"
)

// A run that a limit ends is suspended: each stream goes on to its next
// position, what that covers is committed and shown, and nothing is activated,
// swapped or purged, since no stream is complete. The next run goes on there.

// limitedOutput keeps a fused run within its limits.
type limitedOutput struct {
	*Output
	gauge *limit.Gauge
}

// Stream opens no stream once a limit is reached.
func (o *limitedOutput) Stream(ctx context.Context, schema *row.Schema) (taps.Stream, error) {
	if reached, _ := o.gauge.Reached(); reached != nil {
		return nil, reached
	}
	st, err := o.begin(ctx, schema)
	if err != nil {
		return nil, err
	}
	return &limitedStream{outputStream: st, gauge: o.gauge}, nil
}

// limitedStream ends at the first rows after a position that a limit came
// before. Its Reached error is, to the tap, that of a stream that failed.
type limitedStream struct {
	*outputStream
	gauge   *limit.Gauge
	given   int64
	settled bool           // a position followed the limit
	over    *limit.Reached // the stream is suspended
}

func (st *limitedStream) Write(b *row.Batch) error {
	if reached, hard := st.gauge.Reached(); st.over == nil && (hard || st.settled) {
		b.Release()
		return st.suspend(reached)
	}
	if st.over != nil {
		b.Release()
		return st.over
	}
	if most := st.gauge.PerStream; most > 0 {
		if room := int(most - st.given); b.Len() > room {
			b.Split(room).Release()
		}
		st.given += int64(b.Len())
	}
	rows, bytes := int64(b.Len()), int64(len(b.Data))
	st.gauge.Pace(st.ctx, rows, bytes)
	st.gauge.Add(rows, bytes)
	if err := st.outputStream.Write(b); err != nil {
		return err
	}
	if st.gauge.PerStream > 0 && st.given == st.gauge.PerStream {
		return st.suspend(&limit.Reached{Setting: "limit"})
	}
	return nil
}

func (st *limitedStream) Position(p taps.Position) error {
	if st.over != nil || st.gauge.PerStream > 0 {
		return nil // it stands for rows that were left out
	}
	if reached, _ := st.gauge.Reached(); reached != nil {
		st.settled = true
	}
	return st.outputStream.Position(p)
}

func (st *limitedStream) Activate(version int64) error {
	if st.over != nil || st.gauge.PerStream > 0 {
		return nil // other rows are not dead
	}
	return st.outputStream.Activate(version)
}

// End completes a stream that no limit ended.
func (st *limitedStream) End() error {
	if st.over != nil {
		return st.over
	}
	return st.outputStream.End()
}

func (st *limitedStream) suspend(reached *limit.Reached) error {
	st.over = reached
	if err := st.do(st.outputStream.suspend); err != nil {
		return err
	}
	return reached
}

// suspend commits and shows what a position covers; rows after it come again.
func (st *outputStream) suspend() error {
	if !st.o.s.opt.Preview {
		switch {
		case st.method == targets.Overwrite:
			return nil
		case st.method == targets.Append && (st.beyond || st.pos.Value == nil):
			return nil // closing commits what it may
		}
	}
	if err := st.publish(st.work); err != nil {
		return err
	}
	st.ended = true
	return st.commit()
}

// sync runs a tap into the limited output. over is the limit that ended the
// run; err is what else went wrong.
func (o *limitedOutput) sync(ctx context.Context, sync func(context.Context, taps.Output) error) (over *limit.Reached, err error) {
	timed, cancel := o.gauge.Context(ctx)
	defer cancel()
	err = sync(timed, o)
	if err != nil && errors.As(context.Cause(timed), &over) {
		return over, nil // what the tap met is its consequence
	}
	return over, without(err, func(err error) bool {
		one := (*limit.Reached)(nil)
		if errors.As(err, &one) {
			over = one
		}
		return one != nil
	})
}

// without is an error, or the errors that were joined, apart from some.
func without(err error, drop func(error) bool) error {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		var rest []error
		for _, one := range list.Unwrap() {
			rest = append(rest, without(one, drop))
		}
		return errors.Join(rest...)
	}
	if err == nil || drop(err) {
		return nil
	}
	return err
}

// suspended ends the run of an Output whose streams were suspended: that
// others were broken off is no error then.
func (o *Output) suspended(ctx context.Context) error {
	off := brokenOff("")
	if err := without(o.Close(ctx, false), func(err error) bool {
		reached := (*limit.Reached)(nil)
		return errors.As(err, &off) || errors.As(err, &reached)
	}); err != nil {
		return err
	}
	return o.s.finish(ctx)
}

// Suspend is for a tap of ours that a limit has ended.
func (p *peerInput) Suspend() error {
	p.ends.Wait()
	for _, st := range p.streams {
		if st != nil {
			_ = st.do(st.suspend) // the Output keeps the error
		}
	}
	return p.out.suspended(p.ctx)
}

// Suspend is for an input that a limit has ended, after its last STATE. Rows
// that are appended are committed only if that STATE says where their stream
// stands (invariant 4).
func (in *Input) Suspend() error {
	in.relay.do(in.suspend)
	if err := in.close(); err != nil {
		return err
	}
	return in.s.finish(in.ctx)
}

func (in *Input) suspend() error {
	if len(in.order) == 0 && in.seq == 0 {
		return nil
	}
	for _, st := range in.order {
		if why := in.doubt(st); why != "" && !in.s.opt.Preview {
			in.s.warn("nothing since the last commit was kept: stream %s %s", st.name, why)
			return nil
		}
	}
	for _, st := range in.order {
		if err := in.release(st); err != nil {
			return err
		}
		if err := st.publish(in.ctx); err != nil {
			return err
		}
		st.meter.ended(nil)
	}
	in.pinned = 0
	return in.commit(nil)
}

// doubt says why a stream's rows must not be committed with the last STATE.
func (in *Input) doubt(st *intake) string {
	switch {
	case st.rows == 0:
		return ""
	case st.method == targets.Overwrite:
		return "is replaced whole, and is not complete"
	case st.method == targets.Append && in.lastRow > in.lastState:
		return "has no key, and rows came after the last bookmark"
	case st.method == targets.Append && in.s.opt.hold() && !singer.Moved(mark(in.s.start, st.name), mark(in.latest, st.name)):
		return "has no key, and its bookmark does not say which rows came (keyless: progress keeps them)"
	}
	return ""
}

// mark is a stream's bookmark; in a state value of another shape than taps
// have agreed on, all of it.
func mark(b singer.Bookmarks, stream string) json.RawMessage {
	if m := b.Stream(stream); m != nil || bytes.Contains(b.Raw(), []byte(`"bookmarks"`)) {
		return m
	}
	return b.Raw()
}
