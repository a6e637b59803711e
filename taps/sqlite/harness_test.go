package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
	"go.uber.org/goleak"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/sqlite"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// world is a database file, and the tap's settings for it.
type world struct {
	t    testing.TB
	path string
	more map[string]any
}

func newWorld(t testing.TB, statements string) *world {
	t.Helper()
	w := &world{t, filepath.Join(t.TempDir(), "shop.db"), map[string]any{}}
	w.exec(statements)
	return w
}

func (w *world) exec(statements string) {
	w.t.Helper()
	db, err := sql.Open("sqlite3", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) settings() map[string]any {
	cfg := map[string]any{"database": w.path}
	for k, v := range w.more {
		cfg[k] = v
	}
	return cfg
}

func (w *world) config() spec.Config {
	w.t.Helper()
	raw, _ := json.Marshal(w.settings())
	cfg, unknown, err := sqlite.New().Spec().Resolve(raw)
	if err != nil || len(unknown) > 0 {
		w.t.Fatalf("settings: %v, unknown: %v", err, unknown)
	}
	return cfg
}

func (w *world) discover() *singer.Catalog {
	w.t.Helper()
	c, err := sqlite.New().Discover(context.Background(), w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// sync reads one stream from a bookmark, INCREMENTAL when key is not "".
func (w *world) sync(stream, key, bookmark string) (*transcript, error) {
	w.t.Helper()
	c := w.discover()
	for _, s := range c.Streams {
		s.SetMeta("selected", s.ID() == stream)
		if key != "" && s.ID() == stream {
			s.SetMeta("replication-method", "INCREMENTAL")
			s.SetMeta("replication-key", key)
		}
	}
	state := singer.Bookmarks{}
	if bookmark != "" {
		raw, _ := json.Marshal(map[string]any{"bookmarks": map[string]any{stream: json.RawMessage(bookmark)}})
		state = singer.NewBookmarks(raw)
	}
	out := &transcript{}
	err := sqlite.New().Sync(context.Background(), w.config(), c, state, out)
	return out, err
}

func (w *world) mustSync(stream, key, bookmark string) *transcript {
	w.t.Helper()
	out, err := w.sync(stream, key, bookmark)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// transcript is an Output and a Stream that remembers what it was given.
type transcript struct {
	schemas   []*row.Schema
	rows      []string // values as JSON, joined by blanks
	positions []taps.Position
	ended     bool
}

func (o *transcript) Parallel() int               { return 1 }
func (o *transcript) Acked() <-chan taps.Position { return nil }
func (o *transcript) Activate(int64) error        { return nil }
func (o *transcript) Close() error                { return nil }
func (o *transcript) End() error                  { o.ended = true; return nil }
func (o *transcript) Schema(s *row.Schema) error  { o.schemas = append(o.schemas, s); return nil }
func (o *transcript) Position(p taps.Position) error {
	o.positions = append(o.positions, p)
	return nil
}
func (o *transcript) Stream(_ context.Context, s *row.Schema) (taps.Stream, error) {
	o.schemas = append(o.schemas, s)
	return o, nil
}

func (o *transcript) Write(b *row.Batch) error {
	for i := range b.Len() {
		var values []string
		fields := b.Fields(i)
		for c := range b.Schema.Columns {
			v, state := fields.Next()
			if state != row.Value {
				values = append(values, "null")
				continue
			}
			values = append(values, string(row.AppendJSON(nil, &b.Schema.Columns[c], v)))
		}
		o.rows = append(o.rows, strings.Join(values, " "))
	}
	b.Release()
	return nil
}

// kinds are the columns' kinds as last announced.
func (o *transcript) kinds() string {
	var out []string
	for _, c := range o.schemas[len(o.schemas)-1].Columns {
		kind := c.Kind.String()
		if c.Precision > 0 {
			kind += fmt.Sprintf("(%d,%d)", c.Precision, c.Scale)
		}
		out = append(out, kind)
	}
	return strings.Join(out, " ")
}

func (o *transcript) last() taps.Position { return o.positions[len(o.positions)-1] }
