package snowflake

import (
	"syscall"
	"testing"
	"time"

	fake "elt/internal/fake/snowflake"
	"elt/internal/row"
)

// spent is the processor time of this process so far.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkUpload is rows to compressed, encrypted, uploaded files; the fake
// that takes them works in the same process, so its time counts too.
func BenchmarkUpload(b *testing.B) {
	for _, compression := range []string{"zstd", "gzip"} {
		b.Run(compression, func(b *testing.B) {
			srv := fake.Start(b)
			s := claimed(b, srv, map[string]any{"compression": compression, "file_size_mb": 16})
			schema, rows := lineitem(20_000) // more than the compressor remembers
			l, err := s.Lane(b.Context())
			must(b, err)
			defer l.Close()
			ld, err := l.Stream(b.Context(), schema)
			must(b, err)
			bytes := len(rows.Data)
			start := spent()
			for b.Loop() {
				again := &row.Batch{Schema: schema, Data: rows.Data, Offsets: rows.Offsets}
				must(b, ld.Write(b.Context(), again))
			}
			must(b, ld.(*loader).closePart())
			must(b, l.(*lane).uploader.wait())
			b.StopTimer()
			b.SetBytes(int64(bytes))
			b.ReportMetric(float64(b.N*rows.Len())/(spent()-start).Seconds(), "rows/cpu-s")
			var size int64
			for _, f := range srv.Files() {
				size += f.Size
			}
			b.ReportMetric(float64(size)/float64(b.N*rows.Len()), "B/row")
		})
	}
}
