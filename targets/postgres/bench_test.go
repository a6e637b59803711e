package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"

	"elt/internal/pgtest"
	"elt/internal/row"
	"elt/targets"
)

// lineitem is TPC-H's widest table: 16 columns, about 210 bytes a row.
func lineitem(rows int) *row.Batch {
	s := schema("lineitem", "", "orderkey int64", "partkey int64", "suppkey int64", "linenumber int64", "quantity numeric", "extendedprice numeric", "discount numeric", "tax numeric",
		"returnflag text", "linestatus text", "shipdate date", "commitdate date", "receiptdate date", "shipinstruct text", "shipmode text", "comment text")
	for i := range s.Columns {
		if s.Columns[i].Kind == row.Numeric {
			s.Columns[i].Precision, s.Columns[i].Scale = 15, 2
		}
	}
	var lines [][]any
	for i := range rows {
		lines = append(lines, []any{i, i * 31 % 200000, i * 7 % 10000, i % 7, fmt.Sprint(i%50 + 1), fmt.Sprintf("%d.%02d", 900+i%99999, i%100), fmt.Sprintf("0.%02d", i%11), fmt.Sprintf("0.%02d", i%9),
			"N", "O", "1996-03-13", "1996-02-12", "1996-03-22", "DELIVER IN PERSON", "TRUCK", "egular courts above the"})
	}
	return batch(s, lines...)
}

// Rows into a fresh table; the metric counts this process's CPU only.
func BenchmarkLoad(b *testing.B) {
	for name, set := range map[string]map[string]any{
		"raw": {"add_record_metadata": false}, "metadata": {"add_record_metadata": true},
	} {
		b.Run(name, func(b *testing.B) {
			set["sqlalchemy_url"], set["default_target_schema"] = pgtest.URL(b), "raw"
			sink, err := open(set)
			if err != nil {
				b.Fatal(err)
			}
			defer sink.Abort()
			lane, err := sink.Lane(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			defer lane.Close()
			batch := lineitem(1200)
			ld, err := lane.Stream(context.Background(), batch.Schema)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before, rows := cpu(), 0
			for b.Loop() {
				if err := ld.Write(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				rows += batch.Len()
			}
			if err := lane.Commit(context.Background(), targets.Commit{Whole: json.RawMessage(`{"v":1}`)}); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(rows)/(cpu()-before), "rows/cpu-s")
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
