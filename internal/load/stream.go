package load

import (
	"context"
	"fmt"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/targets"
)

// stream is a stream as its lane sees it.
type stream struct {
	name    string
	lane    targets.Lane
	loader  targets.Loader
	method  targets.Method
	meter   *meter
	version int64 // newest ACTIVATE_VERSION, obeyed at the stream's end
}

// open makes the destination ready for a stream.
func (s *Session) open(ctx context.Context, lane targets.Lane, schema *row.Schema) (*stream, error) {
	st := &stream{name: schema.Stream, lane: lane, meter: s.meters.stream(schema.Stream)}
	if err := st.plan(s, schema); err != nil {
		return nil, err
	}
	st.meter.shaped(schema)
	var err error
	if st.loader, err = lane.Stream(ctx, schema); err != nil {
		return nil, st.failed("prepare", err)
	}
	return st, nil
}

// plan asks how rows of this shape are loaded; a new key may change it.
func (st *stream) plan(s *Session, schema *row.Schema) error {
	switch p, ok := s.sink.(targets.Planner); {
	case ok:
		st.method = p.Method(schema)
	case len(schema.Key) > 0:
		st.method = targets.Upsert
	default:
		st.method = targets.Append
	}
	if st.method == targets.Overwrite && s.opt.Windowed {
		return fault.New(fault.BadConfig, "stream %s: a windowed run cannot overwrite what is outside of its window", st.name).
			WithHint("set the target to upsert or append for this run") // invariant 9
	}
	if st.method == targets.Overwrite && s.opt.Preview {
		return fault.New(fault.BadConfig, "stream %s: a preview would replace the table by its first rows", st.name).
			WithHint("set the target to upsert or append for this run, or give it another schema")
	}
	if st.method == targets.Append {
		return s.opt.mayAppend(st.name)
	}
	return nil
}

func (st *stream) schema(ctx context.Context, s *Session, schema *row.Schema) error {
	if err := st.loader.Schema(ctx, schema); err != nil {
		return st.failed("change the shape", err)
	}
	st.meter.shaped(schema)
	return st.plan(s, schema)
}

func (st *stream) write(ctx context.Context, b *row.Batch) error {
	st.meter.moved(b.Len(), len(b.Data))
	if err := st.loader.Write(ctx, b); err != nil {
		return st.failed("load", err)
	}
	return nil
}

// activate takes note of a table version. The purge waits for the stream's
// end: obeyed at once, it would leave an empty table if the run died.
func (st *stream) activate(version int64) {
	if targets.VersionMillis(version) > targets.VersionMillis(st.version) {
		st.version = version
	}
}

// end lets versions, swaps and publications happen with the next commit.
func (st *stream) end(ctx context.Context, opt Options) error {
	if st.version != 0 && !opt.Windowed { // invariant 9
		if err := st.loader.Activate(ctx, st.version); err != nil {
			return st.failed("activate the version", err)
		}
	}
	return st.publish(ctx)
}

// publish shows what was loaded, with the next commit.
func (st *stream) publish(ctx context.Context) error {
	if err := st.loader.End(ctx); err != nil {
		return st.failed("complete", err)
	}
	return nil
}

// failed names the stream; what was tried is told by the verb.
func (st *stream) failed(what string, err error) error {
	err = fmt.Errorf("stream %s: %s: %w", st.name, what, err)
	st.meter.ended(err)
	return err
}
