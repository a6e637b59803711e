package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"elt/internal/load"
	"elt/internal/pgtest"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	tapcsv "elt/taps/csv"
	tapjsonl "elt/taps/jsonl"
	tapparquet "elt/taps/parquet"
	tappostgres "elt/taps/postgres"
	tapsqlite "elt/taps/sqlite"
	"elt/targets"
	targetcsv "elt/targets/csv"
	"elt/targets/jsonl"
	targetparquet "elt/targets/parquet"
	targetpostgres "elt/targets/postgres"
	"elt/targets/sqlite"
)

// The row path allocates nothing per record: what some 20,000 more rows cost
// is batches, pages and commits. MySQL, the HTTP taps and target-snowflake
// have checks of their own, or pay for what a driver or a server sends.
const (
	fewRows, manyRows = 4_000, 24_000
	batchRows         = 1_000
	// perRecord is what is forgiven: a block or page now and then (Parquet has
	// several per column), the clock. One allocation per record is 1.
	perRecord = 0.1
)

// each calls a route with few rows and with many and holds the difference
// against perRecord.
func each(t *testing.T, name string, run func(t *testing.T, rows int)) {
	t.Run(name, func(t *testing.T) {
		run(t, fewRows) // pools and caches are full then
		few, many := allocated(func() { run(t, fewRows) }), allocated(func() { run(t, manyRows) })
		if n := (many - few) / (manyRows - fewRows); n > perRecord {
			t.Errorf("%.3f allocations per record", n)
		}
	})
}

func allocated(run func()) float64 {
	least := math.Inf(1)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs))
	}
	return least
}

// kinds are a column of each kind, in the wire that readers choose.
var kinds = []row.Kind{row.Bool, row.Int64, row.Float64, row.Numeric, row.Text, row.Bytes, row.Date, row.Time, row.Timestamp, row.TimestampTZ, row.UUID, row.JSON}

func schemaOf(list ...row.Kind) *row.Schema {
	s := &row.Schema{Stream: "rows", Columns: []row.Column{{Name: "id", Kind: row.Int64, Wire: row.WireInt8}}, Key: []string{"id"}}
	for _, k := range list {
		s.Columns = append(s.Columns, row.Column{Name: k.String(), Kind: k, Wire: k.DefaultWire(), Nullable: true})
	}
	return s
}

// made is a tap that makes its rows.
type made struct {
	schema *row.Schema
	rows   int
	pool   *row.Pool
}

func (made) Spec() spec.Spec { return spec.Spec{Name: "tap-made"} }
func (made) Discover(context.Context, spec.Config) (*singer.Catalog, error) {
	return nil, nil
}

func (m made) Sync(ctx context.Context, _ spec.Config, _ *singer.Catalog, _ singer.Bookmarks, out taps.Output) error {
	st, err := out.Stream(ctx, m.schema)
	if err != nil {
		return err
	}
	defer st.Close()
	for at := 0; at < m.rows; at += batchRows {
		b := m.pool.Get(m.schema)
		for i := at; i < at+batchRows; i++ {
			b.Begin()
			b.Int8(int64(i))
			for _, c := range m.schema.Columns[1:] {
				field(b, c.Kind, i)
			}
			b.End()
		}
		if err := st.Write(b); err != nil {
			return err
		}
	}
	return st.End()
}

func field(b *row.Batch, k row.Kind, i int) {
	if i%50 == 49 {
		b.Null()
		return
	}
	b.Open()
	switch k {
	case row.Bool:
		b.Data = append(b.Data, byte(i&1))
	case row.Int64, row.Timestamp, row.TimestampTZ:
		b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(i)*1_000_003)
	case row.Time:
		b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(i%86_400)*1_000_001)
	case row.Float64:
		b.Data = binary.BigEndian.AppendUint64(b.Data, math.Float64bits(float64(i)*0.37))
	case row.Numeric:
		b.Data = row.AppendNumericInt(b.Data, int64(i)*1_000_000_007)
	case row.Date:
		b.Data = binary.BigEndian.AppendUint32(b.Data, uint32(i%20_000))
	case row.UUID:
		b.Data = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b.Data, uint64(i)), 7)
	case row.JSON:
		b.Data = append(b.Data, `{"a": [1, 2, "é"], "b": null}`...)
	default:
		b.Data = append(b.Data, "some text of a row"...)
	}
	b.Close()
}

func TestTargetsAllocateNothingPerRecord(t *testing.T) {
	at := pgtest.URL(t)
	all := made{schema: schemaOf(kinds...), pool: row.NewPool(1 << 20)}
	into := func(name string, target targets.Target, values func(t *testing.T) map[string]any) {
		each(t, name, func(t *testing.T, rows int) {
			from := all
			from.rows = rows
			fused(t, load.Fused{Tap: from}, target, values(t))
		})
	}
	into("postgres", targetpostgres.New(), func(t *testing.T) map[string]any {
		exec(t, at, "drop schema if exists raw cascade")
		return connection(at, map[string]any{"default_target_schema": "raw"})
	})
	into("postgres, again", targetpostgres.New(), func(*testing.T) map[string]any { // staged and merged
		return connection(at, map[string]any{"default_target_schema": "raw"})
	})
	into("sqlite", sqlite.New(), func(t *testing.T) map[string]any {
		return map[string]any{"database": filepath.Join(t.TempDir(), "x.db")}
	})
	for name, target := range map[string]targets.Target{"jsonl": jsonl.New(), "csv": targetcsv.New(), "parquet": targetparquet.New()} {
		into(name, target, func(t *testing.T) map[string]any { return map[string]any{"destination_path": t.TempDir()} })
	}
}

// Every kind by itself, as Singer messages: encoded by the writer of taps, and
// decoded by the reader of targets.
func TestSingerMessagesAllocateNothingPerRecord(t *testing.T) {
	for _, k := range append([]row.Kind{0}, kinds...) {
		name, list := "all kinds", kinds
		if k > 0 {
			name, list = k.String(), []row.Kind{k}
		}
		from := made{schema: schemaOf(list...), pool: row.NewPool(1 << 20)}
		write := func(t testing.TB, rows int, out io.Writer) {
			from.rows = rows
			w := singer.NewWriter(out, singer.WriterOptions{Style: singer.Native})
			if err := from.Sync(t.Context(), spec.Config{}, nil, singer.Bookmarks{}, written{w}); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		each(t, "encode "+name, func(t *testing.T, rows int) { write(t, rows, io.Discard) })
		messages := map[int][]byte{}
		for _, rows := range []int{fewRows, manyRows} {
			var text bytes.Buffer
			write(t, rows, &text)
			messages[rows] = text.Bytes()
		}
		each(t, "decode "+name, func(t *testing.T, rows int) {
			if _, err := singer.NewReader(bytes.NewReader(messages[rows]), singer.ReaderOptions{}).Run(t.Context(), reader{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTapsAllocateNothingPerRecord(t *testing.T) {
	at, dir := pgtest.URL(t), t.TempDir()
	plain := made{schema: schemaOf(row.Int64, row.Numeric, row.Text, row.Date, row.TimestampTZ), pool: row.NewPool(1 << 20)}
	place := func(rows int) string { return filepath.Join(dir, fmt.Sprint(rows)) }
	for _, rows := range []int{fewRows, manyRows} { // sources of each kind, by our own targets
		from := plain
		from.rows = rows
		for _, target := range []targets.Target{targetcsv.New(), jsonl.New(), targetparquet.New()} {
			fused(t, load.Fused{Tap: from}, target, map[string]any{"destination_path": place(rows)})
		}
		fused(t, load.Fused{Tap: from}, sqlite.New(), map[string]any{"database": filepath.Join(place(rows), "x.db")})
		fused(t, load.Fused{Tap: from}, targetpostgres.New(), connection(at, map[string]any{"default_target_schema": fmt.Sprint("src", rows)}))
	}
	read := func(name string, tap taps.Tap, values func(rows int) map[string]any) {
		catalogs := map[int]*singer.Catalog{}
		for _, rows := range []int{fewRows, manyRows} {
			var err error
			if catalogs[rows], err = tap.Discover(t.Context(), settings(t, tap.Spec(), values(rows))); err != nil {
				t.Fatal(err)
			}
			if _, err := singer.ApplyRules(catalogs[rows], singer.Rules{Select: []string{"*rows.*"}}); err != nil {
				t.Fatal(err)
			}
		}
		each(t, name, func(t *testing.T, rows int) {
			cfg := settings(t, tap.Spec(), values(rows))
			var out drop
			if err := tap.Sync(t.Context(), cfg, catalogs[rows], singer.Bookmarks{}, &out); err != nil {
				t.Fatal(err)
			}
			if out.rows != rows {
				t.Fatalf("%d rows were read", out.rows)
			}
		})
	}
	file := func(ext string) func(int) map[string]any {
		return func(rows int) map[string]any {
			return map[string]any{"files": []map[string]any{{"entity": "rows", "path": filepath.Join(place(rows), "**", "*."+ext), "keys": []string{"id"}}}}
		}
	}
	read("csv", tapcsv.New(), file("csv"))
	read("jsonl", tapjsonl.New(), file("jsonl"))
	read("parquet", tapparquet.New(), file("parquet"))
	read("sqlite", tapsqlite.New(), func(rows int) map[string]any {
		return map[string]any{"database": filepath.Join(place(rows), "x.db")}
	})
	read("postgres", tappostgres.New(), func(rows int) map[string]any {
		return connection(at, map[string]any{"filter_schemas": []string{fmt.Sprint("src", rows)}})
	})
}

func fused(t *testing.T, f load.Fused, target targets.Target, values map[string]any) {
	t.Helper()
	if dir, ok := values["destination_path"].(string); ok {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := fuse(t, f, target, settings(t, target.Spec(), values)); err != nil {
		t.Fatal(err)
	}
}

// written is an Output that writes Singer messages.
type written struct{ *singer.Writer }

func (w written) Parallel() int               { return 1 }
func (w written) Acked() <-chan taps.Position { return nil }
func (w written) Stream(ctx context.Context, s *row.Schema) (taps.Stream, error) {
	st, err := w.Writer.Stream(ctx, s)
	return writtenStream{st}, err
}

type writtenStream struct{ *singer.StreamWriter }

func (s writtenStream) Position(p taps.Position) error {
	return s.StreamWriter.Position(singer.Position(p))
}

// drop is an Output that counts rows and gives them back.
type drop struct{ rows int }

func (d *drop) Parallel() int                                            { return 1 }
func (d *drop) Acked() <-chan taps.Position                              { return nil }
func (d *drop) Stream(context.Context, *row.Schema) (taps.Stream, error) { return dropped{d}, nil }

type dropped struct{ d *drop }

func (s dropped) Schema(*row.Schema) error     { return nil }
func (s dropped) Position(taps.Position) error { return nil }
func (s dropped) Activate(int64) error         { return nil }
func (s dropped) End() error                   { return nil }
func (s dropped) Close() error                 { return nil }
func (s dropped) Write(b *row.Batch) error {
	s.d.rows += b.Len()
	b.Release()
	return nil
}

// reader is a singer.PeerHandler that does the same.
type reader struct{}

func (reader) Schema(context.Context, *row.Schema) error       { return nil }
func (reader) State(context.Context, json.RawMessage) error    { return nil }
func (reader) Activate(context.Context, string, int64) error   { return nil }
func (reader) Tick(context.Context) error                      { return nil }
func (reader) Position(context.Context, singer.Position) error { return nil }
func (reader) StreamEnd(context.Context, string, bool) error   { return nil }
func (reader) Write(_ context.Context, b *row.Batch) error     { b.Release(); return nil }
