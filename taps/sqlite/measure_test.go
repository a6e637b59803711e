package sqlite_test

import (
	"context"
	"database/sql"
	"testing"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/sqlite"
)

const manyRows = `create table lines (id integer primary key, part int, price decimal(15,2), discount real, flag text, shipped date, at timestamp, comment text);
	with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
	insert into lines select i, i * 7 % 1000, i / 4.0, i / 100.0, char(65 + i % 26), date(i, 'unixepoch'), datetime(i * 1000, 'unixepoch'), 'a comment of some length about ' || i from n`

// BenchmarkRead is the tap alone, into an output that drops every batch.
func BenchmarkRead(b *testing.B) {
	w := newWorld(b, manyRows)
	b.ReportAllocs()
	for b.Loop() {
		out := &nowhere{}
		if err := sqlite.New().Sync(context.Background(), w.config(), nil, singer.Bookmarks{}, out); err != nil || out.rows != 100000 {
			b.Fatal(err, out.rows)
		}
	}
	b.ReportMetric(float64(100000*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkDatabaseSQL is what the same rows cost through database/sql.
func BenchmarkDatabaseSQL(b *testing.B) {
	w := newWorld(b, manyRows)
	db, err := sql.Open("sqlite3", w.path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	b.ReportAllocs()
	for b.Loop() {
		rows, err := db.Query("select * from lines")
		if err != nil {
			b.Fatal(err)
		}
		var v [8]sql.RawBytes
		for rows.Next() {
			if err := rows.Scan(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]); err != nil {
				b.Fatal(err)
			}
		}
		rows.Close()
	}
	b.ReportMetric(float64(100000*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func TestRowsCostNoAllocation(t *testing.T) {
	w := newWorld(t, manyRows)
	cfg := w.config()
	allocs := testing.AllocsPerRun(1, func() {
		if err := sqlite.New().Sync(context.Background(), cfg, nil, singer.Bookmarks{}, &nowhere{}); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 10_000 { // of discovery, batches and positions
		t.Errorf("%.0f allocations for 100000 rows", allocs)
	}
}

// nowhere is an Output and a Stream that drops everything.
type nowhere struct{ rows int }

func (n *nowhere) Parallel() int                                            { return 1 }
func (n *nowhere) Acked() <-chan taps.Position                              { return nil }
func (n *nowhere) Stream(context.Context, *row.Schema) (taps.Stream, error) { return n, nil }
func (n *nowhere) Schema(*row.Schema) error                                 { return nil }
func (n *nowhere) Position(taps.Position) error                             { return nil }
func (n *nowhere) Activate(int64) error                                     { return nil }
func (n *nowhere) End() error                                               { return nil }
func (n *nowhere) Close() error                                             { return nil }
func (n *nowhere) Write(b *row.Batch) error {
	n.rows += b.Len()
	b.Release()
	return nil
}
