package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"elt/internal/row"
	"elt/targets"
)

// fakeSink keeps counts of committed rows per stream and fails at one call.
type fakeSink struct {
	mu         sync.Mutex
	lanes      int
	calls      int
	failAt     int    // 0: never
	failStream string // whose rows cannot be loaded
	method     map[string]targets.Method
	committed  map[string]int64
	published  map[string]bool
	activated  map[string]int64
	rejects    []string
	commits    []targets.Commit
	fence      targets.Fence
	finished   bool
	aborted    bool
	openLanes  int
	block      chan struct{} // when set, Write waits for it
}

var errInjected = errors.New("injected")

func newFakeSink() *fakeSink {
	return &fakeSink{lanes: 1, committed: map[string]int64{}, published: map[string]bool{}, activated: map[string]int64{}, method: map[string]targets.Method{}}
}

// call counts; the one numbered failAt fails.
func (f *fakeSink) call() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.calls == f.failAt {
		return errInjected
	}
	return nil
}

func (f *fakeSink) Claim(_ context.Context, _ string, decide func(targets.Fence) (targets.Fence, error)) error {
	if err := f.call(); err != nil {
		return err
	}
	fence, err := decide(f.fence)
	if err == nil {
		f.fence = fence
	}
	return err
}

func (f *fakeSink) Lanes() int { return f.lanes }

func (f *fakeSink) Lane(context.Context) (targets.Lane, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	f.openLanes++
	return &fakeLane{f: f, rows: map[string]int64{}, ended: map[string]bool{}, versions: map[string]int64{}}, nil
}

func (f *fakeSink) Finish(context.Context) error {
	if err := f.call(); err != nil {
		return err
	}
	f.finished = true
	return nil
}

func (f *fakeSink) Abort() error { f.aborted = true; return nil }

func (f *fakeSink) Method(s *row.Schema) targets.Method {
	if m, ok := f.method[s.Stream]; ok {
		return m
	}
	if len(s.Key) == 0 {
		return targets.Append
	}
	return targets.Upsert
}

func (f *fakeSink) count(stream string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.committed[stream]
}

type fakeLane struct {
	f        *fakeSink
	rows     map[string]int64
	ended    map[string]bool
	versions map[string]int64
	rejects  []string
	closed   bool
}

func (l *fakeLane) Stream(_ context.Context, s *row.Schema) (targets.Loader, error) {
	if err := l.f.call(); err != nil {
		return nil, err
	}
	return &fakeLoader{l: l, stream: s.Stream}, nil
}

func (l *fakeLane) Reject(_ context.Context, r targets.Reject) error {
	if err := l.f.call(); err != nil {
		return err
	}
	l.rejects = append(l.rejects, r.Stream+": "+r.Reason+": "+string(r.Record))
	return nil
}

func (l *fakeLane) Commit(_ context.Context, c targets.Commit) error {
	if l.closed {
		return errors.New("commit on a closed lane")
	}
	if err := l.f.call(); err != nil {
		return err
	}
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	for s, n := range l.rows {
		l.f.committed[s] += n
	}
	maps.Copy(l.f.published, l.ended)
	maps.Copy(l.f.activated, l.versions)
	l.f.rejects = append(l.f.rejects, l.rejects...)
	l.rejects = nil
	clear(l.rows)
	l.f.commits = append(l.f.commits, c)
	return nil
}

func (l *fakeLane) Close() error {
	if l.closed {
		return errors.New("lane closed twice")
	}
	l.closed = true
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	l.f.openLanes--
	return nil
}

type fakeLoader struct {
	l      *fakeLane
	stream string
}

func (d *fakeLoader) Schema(context.Context, *row.Schema) error { return d.l.f.call() }

func (d *fakeLoader) Write(_ context.Context, b *row.Batch) error {
	defer b.Release()
	if d.l.f.block != nil {
		<-d.l.f.block
	}
	if err := d.l.f.call(); err != nil {
		return err
	}
	if d.stream == d.l.f.failStream {
		return errInjected
	}
	d.l.rows[d.stream] += int64(b.Len())
	return nil
}

func (d *fakeLoader) Activate(_ context.Context, v int64) error {
	d.l.versions[d.stream] = v
	return d.l.f.call()
}

func (d *fakeLoader) End(context.Context) error {
	d.l.ended[d.stream] = true
	return d.l.f.call()
}

// keyed and keyless are schemas with one integer column.
func keyed(stream string) *row.Schema {
	s := keyless(stream)
	s.Key = []string{"id"}
	return s
}

func keyless(stream string) *row.Schema {
	return &row.Schema{Stream: stream, Columns: []row.Column{{Name: "id", Kind: row.Int64, Wire: row.WireInt8}}}
}

func ids(s *row.Schema, n int) *row.Batch {
	b := &row.Batch{Schema: s}
	for i := range n {
		b.Begin()
		b.Int8(int64(i))
		b.End()
	}
	return b
}

// counts is a STATE that says how many rows of each stream precede it.
func counts(n map[string]int64) json.RawMessage {
	raw, _ := json.Marshal(n)
	return raw
}

// honest is stdout that checks every STATE against what is committed.
type honest struct {
	f     *fakeSink
	mu    sync.Mutex
	lines []string
	lies  []string
}

func (h *honest) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := strings.TrimSuffix(string(p), "\n")
	var says map[string]int64
	if err := json.Unmarshal([]byte(line), &says); err == nil {
		for s, n := range says {
			if got := h.f.count(s); got < n {
				h.lies = append(h.lies, fmt.Sprintf("%s printed with %d rows of %s committed", line, got, s))
			}
		}
	}
	for _, old := range h.lines {
		if old == line {
			h.lies = append(h.lies, "repeated "+line)
		}
	}
	h.lines = append(h.lines, line)
	return len(p), nil
}

func (h *honest) all() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, " ")
}
