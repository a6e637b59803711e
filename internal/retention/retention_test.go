package retention

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"elt/state"
	"elt/state/sqlite"
)

// attic is a store and a folder of logs, at a time that the test moves.
type attic struct {
	*testing.T
	store *sqlite.Store
	now   time.Time
	logs  string
}

func (a *attic) file(path string) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		a.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		a.Fatal(err)
	}
	if err := os.Chtimes(path, a.now, a.now); err != nil {
		a.Fatal(err)
	}
	if err := os.Chtimes(filepath.Dir(path), a.now, a.now); err != nil {
		a.Fatal(err)
	}
}

func (a *attic) there(path string, want bool) {
	a.Helper()
	if _, err := os.Stat(filepath.Join(a.logs, path)); (err == nil) != want {
		a.Errorf("%s is there: %v", path, err == nil)
	}
}

func (a *attic) count(pattern string) int {
	found, _ := filepath.Glob(filepath.Join(a.logs, pattern))
	return len(found)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Thousands of runs over a hundred days: what stays is the newest by count,
// what is young by age, what runs, and of each the newest; their logs stay,
// all others go.
func TestThousands(t *testing.T) {
	a := &attic{T: t, logs: filepath.Join(t.TempDir(), "logs")}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var err error
	a.store, err = sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db"), Clock: func() time.Time { return a.now }})
	must(t, err)
	defer a.store.Close()
	_, err = a.store.DB().Exec("pragma synchronous=off") // the test writes thousands of rows
	must(t, err)
	ctx := t.Context()
	serial := 0
	run := func(name string, ends bool) {
		serial++
		id := fmt.Sprintf("%s-%05d", name, serial)
		e := state.Execution{ID: id, Project: "p", Name: name, Blocks: []string{name}, Schedule: name}
		slot := a.now
		e.Slot = &slot
		_, err := a.store.Fire(ctx, state.Slot{Project: "p", Schedule: name, Slot: slot, Outcome: state.SlotFired}, &e, false)
		must(t, err)
		e, err = a.store.Take(ctx, state.From{Worker: "w", Project: "p"})
		must(t, err)
		r := state.Run{ID: "run-" + id, StateID: "dev:" + name, Name: name, Execution: id, Status: state.Running, Started: a.now,
			LogPath: filepath.Join(a.logs, "dev-"+name, "run-"+id, "elt.log")}
		must(t, a.store.StartRun(ctx, r))
		a.file(r.LogPath)
		a.file(filepath.Join(a.logs, executions, id+".log"))
		if !ends {
			return
		}
		r.Status, r.Ended = state.Succeeded, &slot
		must(t, a.store.FinishRun(ctx, r))
		e.Status = state.Succeeded
		must(t, a.store.End(ctx, e))
	}
	a.now = start
	run("once", true)
	run("hangs", false)
	for day := range 100 {
		a.now = start.AddDate(0, 0, day)
		run("daily", true)
		for hour := range 24 {
			a.now = start.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)
			run("hourly", true)
		}
	}
	a.file(filepath.Join(a.logs, "elsewhere", "young", "elt.log"))
	a.now = start
	a.file(filepath.Join(a.logs, "elsewhere", "gone", "elt.log"))
	a.file(filepath.Join(a.logs, executions, "gone.log"))
	outside := filepath.Join(t.TempDir(), "outside", "elt.log")
	a.file(outside)
	foreign := state.Run{ID: "foreign", StateID: "dev:foreign", Name: "x", Status: state.Running, Started: start, LogPath: outside}
	newer := state.Run{ID: "newer", StateID: "dev:foreign", Name: "x", Status: state.Running, Started: start.Add(time.Hour)}
	for _, r := range []state.Run{foreign, newer} {
		must(t, a.store.StartRun(ctx, r))
		r.Status, r.Ended = state.Succeeded, &r.Started
		must(t, a.store.FinishRun(ctx, r))
	}
	a.now = start.AddDate(0, 0, 100)

	p := &Pruner{Store: a.store, Rows: true, Keep: 60, Age: 90 * 24 * time.Hour, Logs: a.logs, Log: zerolog.Nop()}
	must(t, p.Once(ctx, a.now))
	for name, want := range map[string]int{"hourly": 60, "daily": 60, "once": 1, "hangs": 1} {
		list, err := a.store.Executions(ctx, state.Which{Name: name})
		must(t, err)
		if len(list) != want {
			t.Errorf("%d executions of %s, want %d", len(list), name, want)
		}
		for _, e := range list {
			a.there(filepath.Join(executions, e.ID+".log"), true)
			a.there(filepath.Join("dev-"+name, "run-"+e.ID, "elt.log"), true)
		}
		if runs, err := a.store.Runs(ctx, "dev:"+name, 0); err != nil || len(runs) != want || a.count("dev-"+name+"/*") != want {
			t.Errorf("%d runs of %s and %d logs (%v), want %d", len(runs), name, a.count("dev-"+name+"/*"), err, want)
		}
	}
	if n := a.count(executions + "/*"); n != 122 {
		t.Errorf("%d logs of executions", n)
	}
	slots, err := a.store.Slots(ctx, "p", "", "", 0)
	must(t, err)
	if len(slots) < 90*25 || len(slots) > 91*25+2 {
		t.Errorf("%d slots", len(slots))
	}
	a.there("elsewhere/gone", false)
	a.there("elsewhere/young", true)
	if _, err := os.Stat(outside); err != nil {
		t.Error("a file that is no log of ours was deleted")
	}
	if _, err := a.store.Run(ctx, "foreign"); err == nil {
		t.Error("the row of the foreign run is there")
	}

	p.Keep, p.Age = 0, 0
	must(t, p.Once(ctx, a.now.AddDate(10, 0, 0)))
	p.Rows, p.Age = false, 24*time.Hour
	must(t, p.Once(ctx, a.now))
	if list, err := a.store.Executions(ctx, state.Which{}); err != nil || len(list) != 122 {
		t.Errorf("%d executions: %v", len(list), err)
	}
	a.there(filepath.Join(executions, "hourly-00003.log"), false)
}
