//go:build unix

package pipe

import (
	"fmt"
	"syscall"
	"testing"

	"elt/internal/proc"
)

// BenchmarkChain carries a million records of about 550 bytes between two
// processes and tells what that costs this one.
func BenchmarkChain(b *testing.B) {
	const rows = 1_000_000
	for b.Loop() {
		var before, after syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		o := Run(b.Context(), Chain{
			Host:   proc.Direct{},
			Stages: []Stage{player("tap-x", fmt.Sprint("wide ", rows)), player("target-y", "drain")},
		})
		if o.Failure != nil {
			b.Fatal(o.Failure)
		}
		syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
		b.ReportMetric(float64(used)/1e9, "relay-cpu-s/Mrecord")
		b.SetBytes(o.Flow.Bytes)
		if got := o.Flow.Streams[0].Rows; got != rows {
			b.Fatalf("%d rows", got)
		}
	}
}
