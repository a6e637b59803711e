package metrics

import (
	"os"
	"runtime"
	"time"
)

// WriteProcess writes what is known of this process, under the names that
// Prometheus' client library gives it. started is when the process began.
func WriteProcess(w *Writer, started time.Time) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.One(Family{"go_goroutines", "Number of goroutines that currently exist.", Gauge, nil}, float64(runtime.NumGoroutine()))
	w.One(Family{"go_info", "Information about the Go environment.", Gauge, []string{"version"}}, 1, runtime.Version())
	w.One(Family{"go_memstats_alloc_bytes", "Number of bytes allocated in heap and currently in use.", Gauge, nil}, float64(m.Alloc))
	w.One(Family{"go_memstats_sys_bytes", "Number of bytes obtained from system.", Gauge, nil}, float64(m.Sys))
	w.One(Family{"go_memstats_mallocs_total", "Total number of heap objects allocated.", Counter, nil}, float64(m.Mallocs))
	w.One(Family{"go_gc_cycles_total", "Number of completed collections.", Counter, nil}, float64(m.NumGC))
	w.One(Family{"process_start_time_seconds", "Start time of the process since unix epoch in seconds.", Gauge, nil}, float64(started.UnixMilli())/1000)
	if cpu, ok := cpuSeconds(); ok {
		w.One(Family{"process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", Counter, nil}, cpu)
	}
	if resident, virtual, ok := memory(); ok {
		w.One(Family{"process_resident_memory_bytes", "Resident memory size in bytes.", Gauge, nil}, resident)
		w.One(Family{"process_virtual_memory_bytes", "Virtual memory size in bytes.", Gauge, nil}, virtual)
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		w.One(Family{"process_open_fds", "Number of open file descriptors.", Gauge, nil}, float64(len(fds)))
	}
}

// memory reads /proc/self/statm: pages of the whole size, then resident ones.
func memory() (resident, virtual float64, ok bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0, false // not Linux
	}
	var pages [2]float64
	field := 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			pages[field] = pages[field]*10 + float64(c-'0')
		default:
			if field++; field == 2 {
				size := float64(os.Getpagesize())
				return pages[1] * size, pages[0] * size, true
			}
		}
	}
	return 0, 0, false
}
