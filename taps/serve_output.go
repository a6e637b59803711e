package taps

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
)

// Settings are the settings that every tap lists in its Spec.
func Settings() []spec.Setting {
	return []spec.Setting{
		{Name: "parallelism", Type: spec.Integer, Default: 0, Example: "2",
			Help: "How many streams are read at the same time; 0 is the number of cores, 4 at most."},
		{Name: "on_stream_error", Type: spec.String, Default: "continue", OneOf: []string{"continue", "stop"}, Example: "stop",
			Help: "When a stream fails: continue reads the others and fails at the end, stop fails at once."},
	}
}

// Parallel is how many streams may be open at once under cfg.
func Parallel(cfg spec.Config) int {
	var c struct {
		Parallelism int `json:"parallelism"`
	}
	if err := cfg.Decode(&c); err != nil || c.Parallelism <= 0 {
		return min(runtime.GOMAXPROCS(0), 4)
	}
	return c.Parallelism
}

// reader is who reads the tap's output, as the environment has it: one of our
// own targets (Style Native), which loads so many streams at the same time.
func reader(environ []string) (style singer.Style, lanes int) {
	style, lanes = singer.Singer, 1
	for _, kv := range environ {
		switch name, value, _ := strings.Cut(kv, "="); {
		case name == singer.PeerEnv && value == "elt":
			style = singer.Native
		case name == singer.LanesEnv:
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				lanes = n
			}
		}
	}
	return style, lanes
}

// output is the Output of a tap that is a process of its own.
type output struct {
	w     *singer.Writer
	slots chan struct{} // one per stream that may be open
	acked chan Position
}

func newOutput(w *singer.Writer, parallel int) *output {
	return &output{w, make(chan struct{}, parallel), make(chan Position)}
}

func (o *output) Stream(ctx context.Context, schema *row.Schema) (Stream, error) {
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	free := sync.OnceFunc(func() { <-o.slots })
	s, err := o.w.Stream(ctx, schema)
	if err != nil {
		free()
		return nil, err
	}
	return stream{s, free}, nil
}

func (o *output) Parallel() int { return cap(o.slots) }

// Acked never carries anything: nobody tells a process what became durable.
func (o *output) Acked() <-chan Position { return o.acked }

func (o *output) close() { close(o.acked) }

type stream struct {
	*singer.StreamWriter
	free func()
}

func (s stream) Position(p Position) error { return s.StreamWriter.Position(singer.Position(p)) }

func (s stream) Close() error {
	defer s.free()
	return s.StreamWriter.Close()
}

// errEnough ends a stream under --test; it is no failure.
var errEnough = errors.New("one record is enough")

// probe is the Output of --test: each stream ends at its first record, or
// right after its schema.
type probe struct {
	*output
	schemaOnly bool
}

func (p probe) Stream(ctx context.Context, schema *row.Schema) (Stream, error) {
	s, err := p.output.Stream(ctx, schema)
	if err != nil {
		return nil, err
	}
	return probedStream{s, p.schemaOnly}, nil
}

type probedStream struct {
	Stream
	schemaOnly bool
}

func (s probedStream) Write(b *row.Batch) error {
	if s.schemaOnly || b.Len() == 0 {
		b.Release()
		if s.schemaOnly {
			return errEnough
		}
		return nil
	}
	if b.Len() > 1 {
		b.Data, b.Offsets = b.Data[:b.Offsets[1]], b.Offsets[:1]
		if b.Ops != nil {
			b.Ops = b.Ops[:1]
		}
		if b.Extracted != nil {
			b.Extracted = b.Extracted[:1]
		}
	}
	if err := s.Stream.Write(b); err != nil {
		return err
	}
	return errEnough
}

func (s probedStream) Position(Position) error { return nil }
func (s probedStream) Activate(int64) error    { return nil }

// tested is what remains of a Sync's error when streams that read enough are
// taken for complete.
func tested(err error) error {
	if err == nil {
		return nil
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		rest := slices.Clone(list.Unwrap())
		for i := range rest {
			rest[i] = tested(rest[i])
		}
		return errors.Join(rest...)
	}
	if err == errEnough || errors.Unwrap(err) != nil && tested(errors.Unwrap(err)) == nil {
		return nil
	}
	return err
}
