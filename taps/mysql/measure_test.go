package mysql_test

import (
	"context"
	"syscall"
	"testing"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/mysql"
)

// discard is an Output that drops what it gets.
type discard struct{ transcript }

func (o *discard) Stream(context.Context, *row.Schema) (taps.Stream, error) { return o, nil }
func (o *discard) Position(taps.Position) error                             { return nil }
func (o *discard) Write(b *row.Batch) error {
	b.Release()
	return nil
}

// lineitem is a table like TPC-H's, of n rows.
func lineitem(n string) []string {
	return []string{
		`create table lineitem (l_orderkey bigint, l_linenumber int, l_partkey bigint unsigned, l_suppkey mediumint, l_quantity decimal(15,2), l_extendedprice decimal(15,2),
		l_discount double, l_tax float, l_returnflag char(1), l_linestatus enum('O','F'), l_shipdate date, l_commitdate datetime(6), l_receiptdate timestamp(3) null, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44),
		primary key (l_orderkey, l_linenumber))`,
		`insert into lineitem select seq div 4, seq % 4, seq * 31 % 200000, seq % 10000, seq % 50 + 1, 900 + seq % 99999 + 0.25, seq % 11 * 0.01, seq % 9 * 0.01, 'N', 'O', date '1992-01-01' + interval seq % 2500 day,
		timestamp'1992-02-01 00:00:00' + interval seq second + interval seq % 1000000 microsecond, timestamp'1992-03-01 00:00:00' + interval seq second, 'DELIVER IN PERSON', 'TRUCK', 'egular courts above the' from seq_1_to_` + n,
	}
}

// source is the tap set to read table from w.
func (w *world) source(table string) func() error {
	cfg, c := w.resolve()
	for _, s := range c.Streams {
		s.SetMeta("selected", s.ID() == w.name+"-"+table)
	}
	return func() error {
		return mysql.New().Sync(context.Background(), cfg, c, singer.Bookmarks{}, &discard{})
	}
}

func BenchmarkFullTable(b *testing.B) {
	const rows = 200_000
	run := newWorld(b, lineitem("200000")...).source("lineitem")
	b.ReportAllocs()
	b.ResetTimer()
	start := cpu()
	for b.Loop() {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(rows*b.N)/(cpu()-start), "rows/cpu-s")
}

// cpu is this process's time; the server's is not in it.
func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// A run allocates for its connections and its batches, not for its rows.
func TestRowsAllocateNothing(t *testing.T) {
	small := newWorld(t, lineitem("1000")...).source("lineitem")
	large := newWorld(t, lineitem("101000")...).source("lineitem")
	allocs := func(run func() error) float64 {
		return testing.AllocsPerRun(3, func() {
			if err := run(); err != nil {
				t.Error(err)
			}
		})
	}
	if more := allocs(large) - allocs(small); more > 2000 { // positions, one per 10,000 rows, and batches
		t.Errorf("100,000 rows more take %.0f allocations more", more)
	}
}
