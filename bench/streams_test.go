package bench

import (
	"path/filepath"
	"testing"

	"elt/internal/pgtest"
	"elt/targets"
	"elt/targets/jsonl"
	targetpostgres "elt/targets/postgres"
	"elt/targets/sqlite"
)

// What a stream costs: 200 tables of a few rows, into new tables each time.
func BenchmarkManyStreams(b *testing.B) {
	const tables = 200
	at := pgtest.URL(b)
	exec(b, at, `create schema src; do $$ begin for i in 1..200 loop
		execute format('create table src.t%s (id bigint primary key, name text, at timestamptz, amount numeric(12,2))', i);
		execute format('insert into src.t%s select g, ''row'', now(), 1.25 from generate_series(1, 20) g', i);
	end loop; end $$`)
	from := tap(b, at)
	run := func(name string, target targets.Target, values func(dir string) map[string]any) {
		b.Run(name, func(b *testing.B) {
			var used float64
			for b.Loop() {
				b.StopTimer()
				exec(b, at, "drop schema if exists raw cascade")
				cfg := settings(b, target.Spec(), values(b.TempDir()))
				before := cpu()
				b.StartTimer()
				if err := fuse(b, from, target, cfg); err != nil {
					b.Fatal(err)
				}
				used += cpu() - before
			}
			b.ReportMetric(1000*used/float64(b.N)/tables, "cpu-ms/stream")
			b.ReportMetric(1000*b.Elapsed().Seconds()/float64(b.N)/tables, "ms/stream")
		})
	}
	run("postgres", targetpostgres.New(), func(string) map[string]any {
		return connection(at, map[string]any{"default_target_schema": "raw"})
	})
	run("sqlite", sqlite.New(), func(dir string) map[string]any {
		return map[string]any{"database": filepath.Join(dir, "x.db")}
	})
	run("jsonl", jsonl.New(), func(dir string) map[string]any {
		return map[string]any{"destination_path": dir}
	})
}
