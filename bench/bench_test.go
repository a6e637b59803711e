// Package bench measures whole routes: a tap and a target in one process, and
// a target that reads Singer messages. README.md says how to run it, and how
// elt is compared with other tools.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"elt/internal/load"
	"elt/internal/pgtest"
	"elt/internal/singer"
	"elt/internal/spec"
	tapcsv "elt/taps/csv"
	tappostgres "elt/taps/postgres"
	"elt/targets"
	"elt/targets/jsonl"
	targetpostgres "elt/targets/postgres"
	"elt/targets/sqlite"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// lineitem is a table like TPC-H's, of the same types and similar values.
const lineitem = `create schema src; create table src.lineitem as
select g::bigint l_orderkey, (g * 31 % 200000)::bigint l_partkey, (g * 7 % 10000)::bigint l_suppkey, (g % 7)::int l_linenumber,
	(g % 50 + 1)::numeric(15,2) l_quantity, (900 + g % 99999 + 0.25)::numeric(15,2) l_extendedprice, (g % 11 * 0.01)::numeric(15,2) l_discount, (g % 9 * 0.01)::numeric(15,2) l_tax,
	'N'::char(1) l_returnflag, 'O'::char(1) l_linestatus, date '1992-01-01' + g % 2500 l_shipdate, date '1992-02-01' + g % 2500 l_commitdate, date '1992-03-01' + g % 2500 l_receiptdate,
	'DELIVER IN PERSON'::char(25) l_shipinstruct, 'TRUCK'::char(10) l_shipmode, 'egular courts above the'::varchar(44) l_comment
from generate_series(1, $1) g`

// rows is $ELT_BENCH_ROWS, 200000 without it.
func rows(b *testing.B) int {
	n, err := strconv.Atoi(os.Getenv("ELT_BENCH_ROWS"))
	if err != nil {
		return 200_000
	}
	return n
}

// source is a database with src.lineitem.
func source(b *testing.B) string {
	at := pgtest.URL(b)
	exec(b, at, strings.Replace(lineitem, "$1", strconv.Itoa(rows(b)), 1))
	exec(b, at, "vacuum analyze src.lineitem")
	return at
}

func exec(b testing.TB, at, sql string) {
	conn, err := pgx.Connect(b.Context(), at)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(b.Context(), sql); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPostgresToPostgres(b *testing.B) {
	at := source(b)
	target := settings(b, targetpostgres.New().Spec(), connection(at, map[string]any{"default_target_schema": "raw"}))
	route(b, func() error { return fuse(b, tap(b, at), targetpostgres.New(), target) }, func() { exec(b, at, "drop schema if exists raw cascade") })
}

// The yardstick of BenchmarkPostgresToPostgres: binary COPY piped into binary COPY.
func BenchmarkPostgresToPostgresFloor(b *testing.B) {
	at := source(b)
	copyAll := func() error {
		from, err := pgx.Connect(b.Context(), at)
		if err != nil {
			return err
		}
		defer from.Close(context.Background())
		to, err := pgx.Connect(b.Context(), at)
		if err != nil {
			return err
		}
		defer to.Close(context.Background())
		r, w := io.Pipe()
		go func() {
			_, err := from.PgConn().CopyTo(b.Context(), w, "copy src.lineitem to stdout (format binary)")
			w.CloseWithError(err)
		}()
		_, err = to.PgConn().CopyFrom(b.Context(), r, "copy raw.lineitem from stdin (format binary)")
		return err
	}
	route(b, copyAll, func() {
		exec(b, at, "drop schema if exists raw cascade; create schema raw; create table raw.lineitem (like src.lineitem)")
	})
}

func BenchmarkPostgresToJSONL(b *testing.B) {
	at, dir := source(b), b.TempDir()
	target := settings(b, jsonl.New().Spec(), map[string]any{"destination_path": dir, "load_method": "overwrite"})
	route(b, func() error { return fuse(b, tap(b, at), jsonl.New(), target) }, nil)
}

func BenchmarkPostgresToSQLite(b *testing.B) {
	at, file := source(b), filepath.Join(b.TempDir(), "x.db")
	target := settings(b, sqlite.New().Spec(), map[string]any{"database": file, "load_method": "overwrite"})
	route(b, func() error { return fuse(b, tap(b, at), sqlite.New(), target) }, nil)
}

func BenchmarkCSVToPostgres(b *testing.B) {
	at, file := source(b), filepath.Join(b.TempDir(), "lineitem.csv")
	out, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	copyTo(b, at, out, "copy src.lineitem to stdout (format csv, header)")
	from := load.Fused{Tap: tapcsv.New(), TapConfig: settings(b, tapcsv.New().Spec(), map[string]any{
		"files": []map[string]any{{"entity": "lineitem", "path": file, "keys": []string{}}},
	})}
	target := settings(b, targetpostgres.New().Spec(), connection(at, map[string]any{"default_target_schema": "raw"}))
	route(b, func() error { return fuse(b, from, targetpostgres.New(), target) }, func() { exec(b, at, "drop schema if exists raw cascade") })
}

// Singer messages into a keyed table that is not there yet.
func BenchmarkSingerToPostgres(b *testing.B) {
	at := source(b)
	messages := bytes.NewBufferString(`{"type":"SCHEMA","stream":"lineitem","key_properties":["l_orderkey"],"schema":{"properties":{`)
	for i, p := range strings.Fields("orderkey:integer partkey:integer suppkey:integer linenumber:integer quantity:number extendedprice:number discount:number tax:number returnflag:string linestatus:string shipdate:date commitdate:date receiptdate:date shipinstruct:string shipmode:string comment:string") {
		name, kind, _ := strings.Cut(p, ":")
		if kind == "date" {
			kind = `string","format":"date`
		}
		if i > 0 {
			messages.WriteByte(',')
		}
		fmt.Fprintf(messages, `"l_%s":{"type":"%s"}`, name, kind)
	}
	messages.WriteString("}}}\n")
	copyTo(b, at, messages, `copy (select '{"type":"RECORD","stream":"lineitem","record":' || row_to_json(l) || '}' from src.lineitem l) to stdout`)
	messages.WriteString(`{"type":"STATE","value":{"bookmarks":{"lineitem":{"v":1}}}}` + "\n")
	config := filepath.Join(b.TempDir(), "config.json")
	text, err := json.Marshal(connection(at, map[string]any{"default_target_schema": "raw"}))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(config, text, 0o600); err != nil {
		b.Fatal(err)
	}
	route(b, func() error {
		in := bytes.NewReader(messages.Bytes())
		return load.Serve(b.Context(), targetpostgres.New(), []string{"--config", config}, load.IO{In: in, Out: io.Discard, Err: io.Discard}, nil)
	}, func() { exec(b, at, "drop schema if exists raw cascade") })
}

// route times run; the CPU seconds are this process's, not the server's.
func route(b *testing.B, run func() error, prepare func()) {
	b.ResetTimer()
	var used float64
	for b.Loop() {
		if prepare != nil {
			b.StopTimer()
			prepare()
			b.StartTimer()
		}
		before := cpu()
		if err := run(); err != nil {
			b.Fatal(err)
		}
		used += cpu() - before
	}
	moved := float64(rows(b)) * float64(b.N)
	b.ReportMetric(moved/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(moved/used, "rows/cpu-s")
}

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// tap is src.lineitem as a source, as discovery finds it.
func tap(b *testing.B, at string) load.Fused {
	f := load.Fused{Tap: tappostgres.New(), TapConfig: settings(b, tappostgres.New().Spec(), connection(at, map[string]any{"filter_schemas": []string{"src"}}))}
	var err error
	if f.Catalog, err = f.Tap.Discover(b.Context(), f.TapConfig); err != nil {
		b.Fatal(err)
	}
	if _, err := singer.ApplyRules(f.Catalog, singer.Rules{Select: []string{"*.*"}}); err != nil {
		b.Fatal(err)
	}
	return f
}

func fuse(b testing.TB, f load.Fused, target targets.Target, cfg spec.Config) error {
	f.Target, f.TargetConfig = target, cfg
	return load.Fuse(b.Context(), f, load.IO{Out: io.Discard, Err: io.Discard}, nil)
}

func settings(b testing.TB, s spec.Spec, values map[string]any) spec.Config {
	raw, err := json.Marshal(values)
	if err != nil {
		b.Fatal(err)
	}
	cfg, _, err := s.Resolve(raw)
	if err != nil {
		b.Fatal(err)
	}
	return cfg
}

// connection are the settings of the test server, with more.
func connection(at string, more map[string]any) map[string]any {
	more["sqlalchemy_url"] = at
	return more
}

func copyTo(b *testing.B, at string, w io.Writer, sql string) {
	conn, err := pgx.Connect(b.Context(), at)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().CopyTo(b.Context(), w, sql); err != nil {
		b.Fatal(err)
	}
}
