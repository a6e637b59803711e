package postgres_test

import (
	"context"
	"encoding/json"
	"os"
	"syscall"
	"testing"
	"time"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/postgres"
)

// TestMeasureSync times the tap alone, into an output that drops every batch:
// ELT_MEASURE_POSTGRES='{"host": …}' ELT_MEASURE_STREAM=src-lineitem go test -run MeasureSync -v
func TestMeasureSync(t *testing.T) {
	settings, stream := os.Getenv("ELT_MEASURE_POSTGRES"), os.Getenv("ELT_MEASURE_STREAM")
	if settings == "" || stream == "" {
		t.Skip("ELT_MEASURE_POSTGRES and ELT_MEASURE_STREAM name no table to measure with")
	}
	cfg, _, err := postgres.New().Spec().Resolve(json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := postgres.New().Discover(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range catalog.Streams {
		s.SetMeta("selected", s.ID() == stream)
	}
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	start := time.Now()
	out := &nowhere{}
	if err := postgres.New().Sync(context.Background(), cfg, catalog, singer.Bookmarks{}, out); err != nil {
		t.Fatal(err)
	}
	wall := time.Since(start)
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	t.Logf("%d rows, %d MB, wall %s, CPU %s (system %s): %.2f M rows per CPU-second, %d KiB resident",
		out.rows, out.bytes>>20, wall, cpu, time.Duration(after.Stime.Nano()-before.Stime.Nano()), float64(out.rows)/cpu.Seconds()/1e6, after.Maxrss)
}

// nowhere is an Output and a Stream that drops everything.
type nowhere struct{ rows, bytes int64 }

func (n *nowhere) Parallel() int                                            { return 1 }
func (n *nowhere) Acked() <-chan taps.Position                              { return nil }
func (n *nowhere) Stream(context.Context, *row.Schema) (taps.Stream, error) { return n, nil }
func (n *nowhere) Schema(*row.Schema) error                                 { return nil }
func (n *nowhere) Position(taps.Position) error                             { return nil }
func (n *nowhere) Activate(int64) error                                     { return nil }
func (n *nowhere) End() error                                               { return nil }
func (n *nowhere) Close() error                                             { return nil }
func (n *nowhere) Write(b *row.Batch) error {
	n.rows += int64(b.Len())
	n.bytes += int64(len(b.Data))
	b.Release()
	return nil
}
