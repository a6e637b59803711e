package taptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
)

// records: a full read without a catalog sends every stream.
func (s *suite) records(t *testing.T) {
	tr := read(t, s.mustServe(t))
	for _, st := range s.catalog(t).Streams {
		if _, ok := tr.schemas[tr.name(st)]; !ok {
			t.Errorf("stream %q was discovered but not sent", st.ID())
		}
	}
	for stream, want := range s.want.Rows {
		if got := len(tr.records[stream]); got != want {
			t.Errorf("stream %q: %d records, want %d", stream, got, want)
		}
	}
}

// resume: the second read, from the first one's final state.
func (s *suite) resume(t *testing.T) {
	first := read(t, s.mustServe(t))
	if first.state == nil {
		if len(s.want.Resumed) > 0 {
			t.Error("there was no STATE to go on from")
		}
		return
	}
	second := read(t, s.mustServe(t, "--state", write(t, first.state)))
	for stream, want := range s.want.Resumed {
		if got := len(second.records[stream]); got != want {
			t.Errorf("stream %q: %d records from its own state, want %d", stream, got, want)
		}
	}
	for stream, records := range second.records {
		if len(records) > len(first.records[stream]) {
			t.Errorf("stream %q: more records from its own state (%d) than from none (%d)", stream, len(records), len(first.records[stream]))
		}
		marks := first.schemas[stream].bookmarks
		if len(marks) != 1 || len(first.records[stream]) == 0 {
			continue
		}
		greatest := first.records[stream][0][marks[0]]
		for _, r := range first.records[stream] {
			if less(greatest, r[marks[0]]) {
				greatest = r[marks[0]]
			}
		}
		for _, r := range records {
			if less(r[marks[0]], greatest) {
				t.Errorf("stream %q sends %v = %v again, before its bookmark %v", stream, marks[0], r[marks[0]], greatest)
			}
		}
	}
}

// less compares values of a replication key.
func less(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b != nil
	}
	x, isNumber := a.(json.Number)
	y, both := b.(json.Number)
	if isNumber && both {
		p, ok1 := new(big.Rat).SetString(x.String())
		q, ok2 := new(big.Rat).SetString(y.String())
		return ok1 && ok2 && p.Cmp(q) < 0
	}
	p, _ := a.(string)
	q, _ := b.(string)
	return strings.Compare(p, q) < 0
}

// selection: one stream alone, and it without its last free column.
func (s *suite) selection(t *testing.T) {
	if s.want.SkipSelection != "" {
		t.Skip(s.want.SkipSelection)
	}
	for _, chosen := range s.catalog(t).Streams {
		c := s.catalog(t)
		dropped := ""
		for _, st := range c.Streams {
			st.SetMeta("selected", st.ID() == chosen.ID())
			if st.ID() != chosen.ID() {
				continue
			}
			for _, p := range st.Properties() {
				if inclusion := st.Meta(p)["inclusion"]; inclusion == singer.Available && !slices.Contains(st.Keys(), p) {
					dropped = p
				}
			}
			if dropped != "" {
				st.SetMeta("selected", false, dropped)
			}
		}
		text, err := c.Print()
		if err != nil {
			t.Fatal(err)
		}
		tr := read(t, s.mustServe(t, "--catalog", write(t, text)))
		if len(tr.schemas) != 1 {
			t.Errorf("only %q was selected, but %d streams came", chosen.ID(), len(tr.schemas))
		}
		if want, ok := s.want.Rows[chosen.ID()]; ok && len(tr.records[tr.name(chosen)]) != want {
			t.Errorf("stream %q alone: %d records, want %d", chosen.ID(), len(tr.records[tr.name(chosen)]), want)
		}
		if _, ok := tr.schemas[tr.name(chosen)].properties[dropped]; ok {
			t.Errorf("stream %q: column %q was deselected, but is there", chosen.ID(), dropped)
		}
	}
}

// test: --test sends at most one record of each stream.
func (s *suite) test(t *testing.T) {
	tr := read(t, s.mustServe(t, "--test"))
	for stream, records := range tr.records {
		if len(records) > 1 {
			t.Errorf("--test: %d records of %q", len(records), stream)
		}
	}
	if tr := read(t, s.mustServe(t, "--test=schema")); len(tr.records) > 0 || len(tr.schemas) == 0 {
		t.Errorf("--test=schema: records of %d streams, %d schemas", len(tr.records), len(tr.schemas))
	}
}

// cancel: a tap whose context ends while it reads returns, and leaves nothing behind.
func (s *suite) cancel(t *testing.T) {
	cfg := s.resolve(t)
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &sink{onWrite: cancel, acked: make(chan taps.Position)}
	err := s.tap.Sync(ctx, cfg, nil, singer.Bookmarks{}, out)
	close(out.acked)
	if out.writes.Load() > 0 && err == nil {
		t.Error("the context ended while rows were written, but Sync reports success")
	}
	if n := out.ended.Load(); n > 0 && err == nil {
		t.Errorf("%d streams were ended", n)
	}
	if leak := goleak.Find(before); leak != nil {
		t.Error(leak)
	}
}

// reader gone: nobody reads the output any more.
func (s *suite) readerGone(t *testing.T) {
	before := goleak.IgnoreCurrent()
	var errs bytes.Buffer
	err := taps.Serve(t.Context(), s.tap, []string{"--config", s.config}, taps.IO{Out: deaf{}, Err: &errs}, nil)
	if !errors.Is(err, singer.ErrReaderGone) {
		t.Errorf("nobody reads, but Serve says %v", err)
	}
	if leak := goleak.Find(before); leak != nil {
		t.Error(leak)
	}
}

type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// sink is an Output that takes everything and keeps nothing; it fails once
// its stream's context is done, as the contract says.
type sink struct {
	onWrite func()
	acked   chan taps.Position
	writes  atomic.Int64
	ended   atomic.Int64
}

func (s *sink) Stream(ctx context.Context, _ *row.Schema) (taps.Stream, error) {
	return &sinkStream{s, ctx}, ctx.Err()
}
func (s *sink) Parallel() int               { return 2 }
func (s *sink) Acked() <-chan taps.Position { return s.acked }

type sinkStream struct {
	s   *sink
	ctx context.Context
}

func (s *sinkStream) Schema(*row.Schema) error { return s.ctx.Err() }
func (s *sinkStream) Write(b *row.Batch) error {
	defer b.Release()
	s.s.writes.Add(1)
	s.s.onWrite()
	return s.ctx.Err()
}
func (s *sinkStream) Position(taps.Position) error { return nil }
func (s *sinkStream) Activate(int64) error         { return nil }
func (s *sinkStream) End() error {
	s.s.ended.Add(1)
	return s.ctx.Err()
}
func (s *sinkStream) Close() error { return nil }
