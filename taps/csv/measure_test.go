package csv

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// nowhere is a taps.Output that drops every batch.
type nowhere struct{ rows int }

func (n *nowhere) Stream(context.Context, *row.Schema) (taps.Stream, error) { return n, nil }
func (n *nowhere) Parallel() int                                            { return 1 }
func (n *nowhere) Acked() <-chan taps.Position                              { return nil }
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

const measured = 60000

// lineitem is a file of rows like those of TPC-H.
func lineitem(t testing.TB, settings string) spec.Config {
	t.Helper()
	var text bytes.Buffer
	text.WriteString("l_orderkey,l_partkey,l_suppkey,l_linenumber,l_quantity,l_extendedprice,l_discount,l_tax,l_returnflag,l_linestatus,l_shipdate,l_commitdate,l_receiptdate,l_shipinstruct,l_shipmode,l_comment\n")
	for i := range measured {
		fmt.Fprintf(&text, "%d,%d,%d,%d,%d.00,%d.%02d,0.0%d,0.0%d,N,O,1996-03-%02d,1996-02-%02d,1996-03-%02d,DELIVER IN PERSON,TRUCK,\"egular courts above, the %d\"\n",
			i, i*7%200000, i%10000, i%7, i%50, i*13%90000, i%100, i%10, i%9, i%28+1, i%28+1, i%28+1, i)
	}
	path := filepath.Join(t.TempDir(), "lineitem.csv")
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := New().Spec().Resolve(fmt.Appendf(nil, `{"files":[{"entity":"l","path":%q}]%s}`, path, settings))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// BenchmarkRead is the tap alone, into an output that drops every batch.
func BenchmarkRead(b *testing.B) {
	for name, settings := range map[string]string{"text": "", "typed": `,"infer":true`} {
		b.Run(name, func(b *testing.B) {
			cfg := lineitem(b, settings)
			b.ReportAllocs()
			for b.Loop() {
				out := &nowhere{}
				if err := New().Sync(context.Background(), cfg, nil, singer.Bookmarks{}, out); err != nil || out.rows != measured {
					b.Fatal(err, out.rows)
				}
			}
			b.ReportMetric(float64(measured*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func TestRowsCostNoAllocation(t *testing.T) {
	for _, settings := range []string{"", `,"infer":true`, `,"add_file_columns":true,"on_bad_row":"skip"`} {
		cfg := lineitem(t, settings)
		allocs := testing.AllocsPerRun(1, func() {
			if err := New().Sync(context.Background(), cfg, nil, singer.Bookmarks{}, &nowhere{}); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > measured/20 {
			t.Errorf("%s: %.0f allocations for %d rows", settings, allocs, measured)
		}
	}
}
