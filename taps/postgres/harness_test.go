package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"elt/internal/pgtest"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/postgres"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// world is a database, and the tap's settings for it.
type world struct {
	t    testing.TB
	conn *pgx.Conn
	cfg  map[string]any
}

func newWorld(t testing.TB) *world {
	t.Helper()
	address := pgtest.URL(t)
	conn, err := pgx.Connect(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	u, _ := url.Parse(address)
	port, _ := strconv.Atoi(u.Port())
	return &world{t, conn, map[string]any{"host": u.Hostname(), "port": port, "user": u.User.Username(), "database": strings.TrimPrefix(u.Path, "/"), "connect_retry_seconds": 2}}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.conn.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) config(more ...string) spec.Config {
	w.t.Helper()
	all := map[string]any{}
	for k, v := range w.cfg {
		all[k] = v
	}
	for _, m := range more {
		if err := json.Unmarshal([]byte(m), &all); err != nil {
			w.t.Fatal(err)
		}
	}
	raw, _ := json.Marshal(all)
	cfg, unknown, err := postgres.New().Spec().Resolve(raw)
	if err != nil || len(unknown) > 0 {
		w.t.Fatalf("settings: %v, unknown: %v", err, unknown)
	}
	return cfg
}

func (w *world) discover(more ...string) *singer.Catalog {
	w.t.Helper()
	c, err := postgres.New().Discover(context.Background(), w.config(more...))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// catalog is the discovered catalog with every stream selected and, where
// given as stream=key, INCREMENTAL.
func (w *world) catalog(more string, incremental ...string) *singer.Catalog {
	w.t.Helper()
	c := w.discover(more)
	for _, s := range c.Streams {
		s.SetMeta("selected", true)
	}
	for _, pair := range incremental {
		id, key, _ := strings.Cut(pair, "=")
		s := c.Stream(id)
		if s == nil {
			w.t.Fatalf("no stream %q", id)
		}
		s.SetMeta("replication-method", "INCREMENTAL")
		s.SetMeta("replication-key", key)
	}
	return c
}

func (w *world) sync(c *singer.Catalog, state string, more ...string) (*recorder, error) {
	w.t.Helper()
	out := newRecorder()
	err := postgres.New().Sync(context.Background(), w.config(more...), c, singer.NewBookmarks(json.RawMessage(state)), out)
	return out, err
}

func (w *world) mustSync(c *singer.Catalog, state string, more ...string) *recorder {
	w.t.Helper()
	out, err := w.sync(c, state, more...)
	if err != nil {
		w.t.Fatal(err)
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

func (s *recording) Schema(*row.Schema) error { return fmt.Errorf("the shape changed") }

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
