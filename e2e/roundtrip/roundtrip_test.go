// Package roundtrip copies tables of any types and values from PostgreSQL
// into our targets, reads them back with our taps, and compares.
package roundtrip

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"elt/internal/load"
	"elt/internal/pgtest"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	tapcsv "elt/taps/csv"
	tapjsonl "elt/taps/jsonl"
	tapparquet "elt/taps/parquet"
	tappostgres "elt/taps/postgres"
	tapsqlite "elt/taps/sqlite"
	"elt/targets"
	targetcsv "elt/targets/csv"
	targetjsonl "elt/targets/jsonl"
	targetparquet "elt/targets/parquet"
	targetpostgres "elt/targets/postgres"
	targetsqlite "elt/targets/sqlite"
)

// finite: JSON's numbers have neither NaN nor infinities.
func finite(kind row.Kind, text string) bool {
	return kind != row.Float64 && kind != row.Numeric || !strings.HasSuffix(text, "NaN") && !strings.HasSuffix(text, "Infinity")
}

// TestMain lets rapid draw a few tables: each is loaded into every destination.
func TestMain(m *testing.M) {
	checks := "12" // unless the command line says it
	if os.Getenv("ELT_TEST_LONG") != "" {
		checks = "1000"
	}
	flag.Set("rapid.checks", checks)
	flag.Parse()
	os.Exit(pgtest.Main(m))
}

// home is a destination that can be read back. Its configurations have %s for
// what is new with each table.
type home struct {
	name       string
	target     targets.Target
	tap        taps.Tap
	into, from string
	// exact: fields come back in the bytes that they had. Elsewhere the text
	// of a value is compared, or what it is in JSON.
	exact bool
	// keeps says that the format can hold a value at all; nil: any.
	keeps func(kind row.Kind, text string) bool
}

// number: SQLite's REAL has no NaN.
func number(kind row.Kind, text string) bool { return kind != row.Float64 || text != "NaN" }

func homes(url string) []home {
	return []home{
		{"PostgreSQL", targetpostgres.New(), tappostgres.New(), `{"sqlalchemy_url": "` + url + `", "default_target_schema": "raw", "add_record_metadata": false}`,
			`{"sqlalchemy_url": "` + url + `", "filter_schemas": ["raw"]}`, true, nil},
		{"SQLite", targetsqlite.New(), tapsqlite.New(), `{"database": "%s/out.db", "add_record_metadata": false}`, `{"database": "%s/out.db"}`, false, number},
		{"Parquet", targetparquet.New(), tapparquet.New(), `{"destination_path": "%s"}`, `{"files": [{"entity": "t", "path": "%s/**/*.parquet"}]}`, false, nil},
		{"CSV", targetcsv.New(), tapcsv.New(), `{"output_path": "%s"}`, `{"files": [{"entity": "t", "path": "%s/*.csv"}], "empty": "unquoted"}`, false, nil},
		{"JSON lines", targetjsonl.New(), tapjsonl.New(), `{"destination_path": "%s"}`, `{"files": [{"entity": "t", "path": "%s/**/*.jsonl"}]}`, false, finite},
	}
}

func TestEveryTypeComesBack(t *testing.T) {
	url := pgtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	must := func(fail func(string, ...any), sql string, args ...any) {
		if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
			fail("%s: %v", sql, err)
		}
	}
	must(t.Fatalf, setUp)
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		must(t.Fatalf, "drop table if exists src.t; drop schema if exists raw cascade")
		drawn := rapid.SliceOfNDistinct(rapid.IntRange(0, len(columns)-1), 1, 6, rapid.ID).Draw(t, "columns")
		named := rapid.Permutation(names).Draw(t, "names")
		create, insert := "create table src.t (n int primary key", "insert into src.t values ($1"
		for i, c := range drawn {
			create += ", " + pgx.Identifier{named[i]}.Sanitize() + " " + columns[c].sqlType
			insert += fmt.Sprintf(", $%d::text::%s", i+2, columns[c].sqlType)
		}
		must(t.Fatalf, create+")")
		rows := rapid.IntRange(1, 5).Draw(t, "rows")
		for n := range rows {
			args := []any{n}
			for _, c := range drawn {
				if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
					args = append(args, nil)
				} else {
					args = append(args, columns[c].value.Draw(t, columns[c].sqlType))
				}
			}
			must(t.Fatalf, insert+")", args...)
		}
		source := `{"sqlalchemy_url": "` + url + `", "filter_schemas": ["src"]}`
		want := read(t, tappostgres.New(), source)
		for _, h := range homes(url) {
			place, err := os.MkdirTemp(dir, "")
			if err != nil {
				t.Fatal(err)
			}
			at := func(cfg string) string { return strings.ReplaceAll(cfg, "%s", filepath.ToSlash(place)) }
			err = load.Fuse(context.Background(), load.Fused{Tap: tappostgres.New(), TapConfig: config(t, tappostgres.New().Spec().Resolve, source),
				Target: h.target, TargetConfig: config(t, h.target.Spec().Resolve, at(h.into))}, load.IO{Out: io.Discard, Err: io.Discard}, nil)
			if err != nil {
				t.Fatalf("%s: %v", h.name, err)
			}
			got := read(t, h.tap, at(h.from))
			if len(got.rows) != rows || len(want.rows) != rows {
				t.Fatalf("%s: %d rows of %d came back", h.name, len(got.rows), rows)
			}
			for key, fields := range want.rows {
				for i, c := range want.schema.Columns {
					back := got.schema.Index(c.Name)
					if back < 0 {
						t.Fatalf("%s: column %q did not come back: %v", h.name, c.Name, got.schema.Columns)
					}
					if !same(h, &c, fields[i], &got.schema.Columns[back], got.rows[key][back]) {
						t.Fatalf("%s: row %s, column %q: a %s %q came back as a %s %q", h.name, key, c.Name,
							c.Kind, text(&c, fields[i]), got.schema.Columns[back].Kind, text(&got.schema.Columns[back], got.rows[key][back]))
					}
				}
			}
		}
	})
}

// same says that a field came back.
func same(h home, from *row.Column, want []byte, to *row.Column, got []byte) bool {
	switch {
	case want != nil && h.keeps != nil && !h.keeps(from.Kind, text(from, want)):
		return true
	case want == nil || got == nil:
		return want == nil && got == nil
	case h.exact && from.Wire == to.Wire:
		return bytes.Equal(want, got)
	case from.Kind == row.JSON: // jsonb keeps no blanks, and orders keys
		return document(text(from, want)) == document(text(to, got))
	case h.exact:
		return false
	}
	if text(from, want) == text(to, got) {
		return true
	}
	var json string
	if err := unmarshal(row.AppendJSON(nil, from, want), &json); err == nil && json == text(to, got) {
		return true
	}
	switch from.Kind {
	case row.Float64: // a float4 may be in a double of the same value
		bits := 64
		if from.Wire == row.WireFloat4 {
			bits = 32
		}
		a, err := strconv.ParseFloat(text(from, want), bits)
		b, err2 := strconv.ParseFloat(text(to, got), bits)
		return err == nil && err2 == nil && a == b
	case row.Numeric: // 1.0 is 1 where numbers have no scale of their own
		a, ok := new(big.Rat).SetString(text(from, want))
		b, ok2 := new(big.Rat).SetString(text(to, got))
		return ok && ok2 && a.Cmp(b) == 0
	}
	return false
}

func text(c *row.Column, field []byte) string {
	if field == nil {
		return "NULL"
	}
	return string(row.AppendText(nil, c, field))
}

func unmarshal(raw []byte, into *string) error { return json.Unmarshal(raw, into) }

// document is a JSON text with its keys in order, and numbers in one form.
func document(text string) string {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return text
	}
	raw, _ := json.Marshal(ratios(v))
	return string(raw)
}

// ratios replaces numbers by exact ratios.
func ratios(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return r.String()
		}
	case []any:
		for i := range v {
			v[i] = ratios(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = ratios(v[k])
		}
	}
	return v
}

func config[C any](t *rapid.T, resolve func(json.RawMessage) (C, []string, error), text string) C {
	cfg, unknown, err := resolve(json.RawMessage(text))
	if err != nil || len(unknown) > 0 {
		t.Fatalf("%s: %v, unknown %v", text, err, unknown)
	}
	return cfg
}

// memory is an Output that keeps one stream's rows by their first column.
type memory struct {
	mu     sync.Mutex
	schema *row.Schema
	rows   map[string][][]byte
}

func read(t *rapid.T, tap taps.Tap, cfg string) *memory {
	m := &memory{rows: map[string][][]byte{}}
	if err := tap.Sync(context.Background(), config(t, tap.Spec().Resolve, cfg), nil, singer.Bookmarks{}, m); err != nil {
		t.Fatalf("read back by %s: %v", cfg, err)
	}
	return m
}

func (m *memory) Parallel() int               { return 1 }
func (m *memory) Acked() <-chan taps.Position { return nil }
func (m *memory) Stream(_ context.Context, s *row.Schema) (taps.Stream, error) {
	if strings.Contains(s.Stream, "_elt_") {
		return discard{}, nil
	}
	m.schema = s
	return m, nil
}
func (m *memory) Schema(s *row.Schema) error   { m.schema = s; return nil }
func (m *memory) Position(taps.Position) error { return nil }
func (m *memory) Activate(int64) error         { return nil }
func (m *memory) End() error                   { return nil }
func (m *memory) Close() error                 { return nil }
func (m *memory) Write(b *row.Batch) error {
	defer b.Release()
	key := m.schema.Index("n")
	for r := range b.Len() {
		var fields [][]byte
		f := b.Fields(r)
		for range m.schema.Columns {
			v, state := f.Next()
			if state != row.Value {
				fields = append(fields, nil)
			} else {
				fields = append(fields, append([]byte{}, v...))
			}
		}
		m.rows[text(&m.schema.Columns[key], fields[key])] = fields
	}
	return nil
}

// discard is a stream of the target's own tables.
type discard struct{}

func (discard) Schema(*row.Schema) error     { return nil }
func (discard) Write(b *row.Batch) error     { b.Release(); return nil }
func (discard) Position(taps.Position) error { return nil }
func (discard) Activate(int64) error         { return nil }
func (discard) End() error                   { return nil }
func (discard) Close() error                 { return nil }
