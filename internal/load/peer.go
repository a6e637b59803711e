package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/targets"
)

// peerInput loads what one of our own taps writes in another process. The tap
// says which stream a STATE moved, how exactly, and where each stream ends, so
// streams are loaded as those of a fused pair are: by an Output, each alone on
// its lane, rows and position in one transaction (invariants 3 and 4).
//
// The tap has as many streams open as the claim's reply gave it lanes, so the
// one reader of the input never waits for a lane whose stream must be read on.
type peerInput struct {
	ctx     context.Context // ends with a signal
	out     *Output
	streams map[string]*outputStream // nil: failed, the rest of it is dropped
	ending  map[string]chan struct{} // streams that are being completed; closed when they are
	ends    sync.WaitGroup
}

// peerInput starts loading; nothing was committed yet.
func (s *Session) peerInput(ctx context.Context) *peerInput {
	return &peerInput{ctx: ctx, out: s.Output(s.start), streams: map[string]*outputStream{}, ending: map[string]chan struct{}{}}
}

// Schema opens a stream on a lane of its own, or changes its shape.
func (p *peerInput) Schema(ctx context.Context, schema *row.Schema) error {
	name := schema.Stream
	if _, known := p.streams[name]; known {
		return p.call(name, func(st *outputStream) error { return st.Schema(schema) })
	}
	if len(p.streams) == p.out.Parallel() {
		return fault.New(fault.BadInput, "stream %q: the tap has more than %d streams open", name, p.out.Parallel()).
			WithHint("without %s in its environment a tap has one", singer.LanesEnv)
	}
	if earlier := p.ending[name]; earlier != nil {
		<-earlier
	}
	st, err := p.out.begin(ctx, schema)
	if err != nil {
		p.out.fail(err)
		return p.failed(name, err)
	}
	p.streams[name] = st
	return nil
}

// call is one call of an open stream; those of a failed one are dropped.
func (p *peerInput) call(name string, do func(st *outputStream) error) error {
	st, known := p.streams[name]
	switch {
	case !known:
		return fault.New(fault.BadInput, "stream %q is not open", name)
	case st == nil:
		return nil
	}
	err := do(st)
	if err == nil {
		return nil
	}
	_ = st.Close() // the Output keeps the error
	return p.failed(name, err)
}

// failed gives one stream up. The others go on, as in a fused run, unless the
// state id was lost or the run is to end.
func (p *peerInput) failed(name string, err error) error {
	p.streams[name] = nil
	if errors.Is(err, targets.ErrFenced) || p.ctx.Err() != nil {
		return err
	}
	p.out.s.warn("%v; what else comes of the stream is dropped", err)
	return nil
}

func (p *peerInput) Write(_ context.Context, b *row.Batch) error {
	if p.streams[b.Schema.Stream] == nil {
		defer b.Release()
	}
	return p.call(b.Schema.Stream, func(st *outputStream) error { return st.Write(b) })
}

func (p *peerInput) Position(_ context.Context, at singer.Position) error {
	return p.call(at.Stream, func(st *outputStream) error { return st.Position(taps.Position(at)) })
}

func (p *peerInput) Activate(_ context.Context, stream string, version int64) error {
	return p.call(stream, func(st *outputStream) error { return st.Activate(version) })
}

// Rejected counts rows that the tap could not read.
func (p *peerInput) Rejected(stream string, rows int64) {
	p.out.s.meters.stream(stream).rejected.Add(rows)
}

// StreamEnd completes a stream while the others are read on.
func (p *peerInput) StreamEnd(_ context.Context, stream string, complete bool) error {
	st := p.streams[stream]
	delete(p.streams, stream)
	if st == nil {
		return nil
	}
	ended := make(chan struct{})
	p.ending[stream] = ended
	p.ends.Go(func() {
		defer close(ended)
		if complete {
			_ = st.End() // the Output keeps the error
		}
		_ = st.Close()
	})
	return nil
}

// State is for a tap that does not say what it moved: none of ours.
func (p *peerInput) State(context.Context, json.RawMessage) error {
	return fault.New(fault.BadInput, "a STATE that does not say which stream it moved").
		WithHint("%s is set, but the tap is none of elt's own", singer.PeerEnv)
}

// Tick does nothing: each stream looks at the clock by itself.
func (p *peerInput) Tick(context.Context) error { return nil }

// Reject is called with a record that cannot be decoded.
func (p *peerInput) Reject(_ context.Context, stream string, record json.RawMessage, cause error) error {
	if p.out.s.opt.OnBadRecord != "quarantine" {
		return cause
	}
	record = append(json.RawMessage(nil), record...)
	return p.call(stream, func(st *outputStream) error { return st.reject(record, cause) })
}

// End says that the tap was complete.
func (p *peerInput) End() error {
	p.ends.Wait()
	return p.out.Close(p.ctx, true)
}

// Stop is for a run that was told to end: what positions cover is committed,
// nothing that has not ended is published. That streams were broken off is no
// error then.
func (p *peerInput) Stop() error {
	p.ends.Wait()
	err := p.out.Close(p.ctx, false)
	var off brokenOff
	for _, one := range joined(err) {
		if !errors.As(one, &off) {
			return err
		}
	}
	return nil
}

// Discard is for a broken input: streams that ended are complete, of the
// others what a position covers is committed and the rest undone.
func (p *peerInput) Discard() error {
	p.ends.Wait()
	return p.out.Close(p.ctx, false)
}

// brokenOff is the error of a stream that its tap closed without ending it.
type brokenOff string

func (s brokenOff) Error() string { return fmt.Sprintf("stream %s was broken off", string(s)) }

// joined takes an errors.Join apart.
func joined(err error) []error {
	switch list, ok := err.(interface{ Unwrap() []error }); {
	case ok:
		return list.Unwrap()
	case err != nil:
		return []error{err}
	}
	return nil
}
