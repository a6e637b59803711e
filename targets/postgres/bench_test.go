package postgres

import (
	"context"
	"encoding/json"
	"syscall"
	"testing"

	"elt/internal/pgtest"
	"elt/internal/sqltarget/sqltest"
	"elt/targets"
)

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
			batch := sqltest.Lineitem(1200, "")
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
