package jdbc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/jdbc"
)

func config(t testing.TB, cfg map[string]any) spec.Config {
	t.Helper()
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, unknown, err := jdbc.New().Spec().Resolve(raw)
	if err != nil || len(unknown) > 0 {
		t.Fatalf("settings: %v, unknown: %v", err, unknown)
	}
	return c
}

func discover(t testing.TB, cfg map[string]any) *singer.Catalog {
	t.Helper()
	c, err := jdbc.New().Discover(t.Context(), config(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// catalog is discovered, every stream selected and, where given as
// "stream=key", INCREMENTAL.
func catalog(t testing.TB, cfg map[string]any, incremental ...string) *singer.Catalog {
	t.Helper()
	c := discover(t, cfg)
	for _, s := range c.Streams {
		s.SetMeta("selected", true)
		for _, pair := range incremental {
			if key, ok := bytes.CutPrefix([]byte(pair), []byte(s.ID()+"=")); ok {
				s.SetMeta("replication-method", "INCREMENTAL")
				s.SetMeta("replication-key", string(key))
			}
		}
	}
	return c
}

func sync1(t testing.TB, cfg map[string]any, c *singer.Catalog, state string, out *recorder) error {
	t.Helper()
	ctx := zerolog.New(&out.log).WithContext(t.Context())
	return jdbc.New().Sync(ctx, config(t, cfg), c, singer.NewBookmarks(json.RawMessage(state)), out)
}

func mustSync(t testing.TB, cfg map[string]any, c *singer.Catalog, state string) *recorder {
	t.Helper()
	out := newRecorder()
	if err := sync1(t, cfg, c, state, out); err != nil {
		t.Fatalf("%v\n%s", err, out.log.Bytes())
	}
	return out
}

// recorder is an Output that keeps everything as text.
type recorder struct {
	parallel int
	mu       sync.Mutex
	streams  map[string]*recorded
	open     int
	onWrite  func(stream string, rows int) error
	log      bytes.Buffer
}

type recorded struct {
	schema    *row.Schema
	rows      [][]string // "\x00NULL" for NULL
	versions  []int64
	positions []taps.Position
	activated []int64
	ended     bool
	closed    bool
	events    []string
}

const null = "\x00NULL"

func newRecorder() *recorder { return &recorder{parallel: 2, streams: map[string]*recorded{}} }

func (r *recorder) Parallel() int               { return r.parallel }
func (r *recorder) Acked() <-chan taps.Position { return nil }

func (r *recorder) Stream(ctx context.Context, s *row.Schema) (taps.Stream, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open++; r.open > r.parallel {
		return nil, fmt.Errorf("%d streams are open at once", r.open)
	}
	if r.streams[s.Stream] != nil {
		return nil, fmt.Errorf("stream %q is opened twice", s.Stream)
	}
	out := &recorded{schema: s}
	r.streams[s.Stream] = out
	return &recording{ctx, r, out}, nil
}

type recording struct {
	ctx context.Context
	r   *recorder
	*recorded
}

func (s *recording) Schema(schema *row.Schema) error {
	s.schema = schema
	s.events = append(s.events, "schema")
	return nil
}

func (s *recording) Write(b *row.Batch) error {
	defer b.Release()
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	if s.r.onWrite != nil {
		if err := s.r.onWrite(s.schema.Stream, b.Len()); err != nil {
			return err
		}
	}
	if b.Len() == 0 || b.Schema != s.schema {
		return fmt.Errorf("an empty batch, or one of another schema")
	}
	for i := range b.Len() {
		var cells []string
		f := b.Fields(i)
		for c := range s.schema.Columns {
			field, state := f.Next()
			if state == row.IsNull {
				cells = append(cells, null)
			} else {
				cells = append(cells, string(row.AppendText(nil, &s.schema.Columns[c], field)))
			}
		}
		s.rows = append(s.rows, cells)
	}
	s.versions = append(s.versions, b.Version)
	s.events = append(s.events, "rows")
	return nil
}

func (s *recording) Position(p taps.Position) error {
	if int64(len(s.rows)) != p.Rows {
		return fmt.Errorf("a position claims %d rows after %d", p.Rows, len(s.rows))
	}
	s.positions = append(s.positions, p)
	s.events = append(s.events, "position")
	return nil
}

func (s *recording) Activate(v int64) error {
	s.activated = append(s.activated, v)
	s.events = append(s.events, "activate")
	return nil
}

func (s *recording) End() error {
	s.ended = true
	s.events = append(s.events, "end")
	return nil
}

func (s *recording) Close() error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.closed = true
	s.r.open--
	return nil
}

// state is the bookmark of the last position, as a Singer state.
func (r *recorded) state() string {
	if len(r.positions) == 0 {
		return ""
	}
	p := r.positions[len(r.positions)-1]
	return fmt.Sprintf(`{"bookmarks":{%s:%s}}`, strconv.Quote(p.Stream), p.Value)
}

// column is all values of a column, in order.
func (r *recorded) column(name string) []string {
	at := r.schema.Index(name)
	out := make([]string, len(r.rows))
	for i := range r.rows {
		out[i] = r.rows[i][at]
	}
	return out
}
