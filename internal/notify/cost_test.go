package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/project"
	"elt/state/sqlite"
)

// With ELT_TEST_LONG: what it costs to watch 1,000 schedules of which nothing
// is new, in CPU and memory. Figures are printed, not judged.
func TestCostOfAThousandSchedules(t *testing.T) {
	if os.Getenv("ELT_TEST_LONG") == "" {
		t.Skip("ELT_TEST_LONG is not set")
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx, err := s.DB().Begin()
	if err != nil {
		t.Fatal(err)
	}
	insert := func(query string, args ...any) {
		if _, err := tx.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	c := usually(project.AlertRule{})
	for i := range 1000 {
		name := fmt.Sprint("pipeline ", i)
		c.Pipelines = append(c.Pipelines, Promise{Name: name, Times: daily(t)})
		for day := range 30 {
			at := time.Now().UTC().Add(-time.Hour - time.Duration(day)*24*time.Hour)
			e, r := fmt.Sprintf("e%d-%d", i, day), fmt.Sprintf("r%d-%d", i, day)
			insert(`insert into elt_executions (execution_id, project, environment, name, blocks, not_before, status, created_at, started_at, ended_at, schedule)
values (?, 'p', 'prod', ?, '["x"]', ?, 'succeeded', ?, ?, ?, ?)`, e, name, at, at, at, at, name)
			insert(`insert into elt_runs (run_id, state_id, name, status, started_at, heartbeat_at, ended_at, streams)
values (?, ?, ?, 'succeeded', ?, ?, ?, '[{"stream":"a","rows":100,"bytes":1,"seconds":1}]')`, r, "prod:"+name, name, at, at, at)
			insert(`insert into elt_execution_runs values (?, ?)`, e, r)
			insert(`insert into elt_slots (project, environment, schedule, slot, outcome, at) values ('p', 'prod', ?, ?, 'fired', ?)`, name, at, at)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	w, r := &Watcher{Store: s, Log: zerolog.Nop()}, &reader{store: s}
	before, begun := heap(), spent()
	look := func(after time.Duration) {
		if err := w.look(t.Context(), r, c, time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	look(0)
	t.Logf("the first look: %s of CPU", spent()-begun)
	begun = spent()
	for i := range 40 { // ten minutes
		look(time.Duration(i+1) * 15 * time.Second)
	}
	t.Logf("each second after: %s of CPU", (spent()-begun)/600)
	t.Logf("memory: %.1f MB", float64(heap()-before)/1e6)
	runtime.KeepAlive(r)
}
