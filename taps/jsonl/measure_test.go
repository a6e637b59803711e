package jsonl

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

const measured = 40000

func events(t testing.TB) spec.Config {
	t.Helper()
	var text bytes.Buffer
	for i := range measured {
		fmt.Fprintf(&text, `{"id":%d,"kind":"click","amount":%d.%02d,"at":"2024-01-02T03:04:05Z","ok":true,"who":{"n":%d,"tags":["a","b"]},"note":null}`+"\n", i, i, i%100, i)
	}
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := New().Spec().Resolve(fmt.Appendf(nil, `{"infer":true,"on_bad_row":"skip","files":[{"entity":"e","path":%q}]}`, path))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// BenchmarkRead is the tap alone, into an output that drops every batch. Each
// file is read twice: first its properties are found out.
func BenchmarkRead(b *testing.B) {
	cfg := events(b)
	b.ReportAllocs()
	for b.Loop() {
		out := &nowhere{}
		if err := New().Sync(context.Background(), cfg, nil, singer.Bookmarks{}, out); err != nil || out.rows != measured {
			b.Fatal(err, out.rows)
		}
	}
	b.ReportMetric(float64(measured*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func TestRowsCostNoAllocation(t *testing.T) {
	cfg := events(t)
	allocs := testing.AllocsPerRun(1, func() {
		if err := New().Sync(context.Background(), cfg, nil, singer.Bookmarks{}, &nowhere{}); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > measured/20 {
		t.Errorf("%.0f allocations for %d rows", allocs, measured)
	}
}
