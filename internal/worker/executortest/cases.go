package executortest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"elt/internal/schedule"
	"elt/state"
)

// A run that ends well: what it said on both outputs is in the log.
func success(t *testing.T, w *world) {
	w.worker()
	e := w.until(w.ask(`echo to-stdout; echo to-stderr >&2; echo "id $EXECUTION"`, schedule.Options{}), state.Succeeded)
	if e.ExitCode != 0 || e.Cause != "" || len(e.Tail) != 0 || e.Started == nil || e.Ended == nil {
		t.Errorf("%+v", e)
	}
	for _, want := range []string{"to-stdout\n", "to-stderr\n", "id " + e.ID + "\n"} {
		if !strings.Contains(w.log(e.ID), want) {
			t.Errorf("no %q in the log:\n%s", want, w.log(e.ID))
		}
	}
	w.copied(e.ID)
}

// A run that fails: exit code, last lines, a cause.
func failure(t *testing.T, w *world) {
	w.worker()
	e := w.until(w.ask(`echo one >&2; echo 'Error: no such host' >&2; exit 15`, schedule.Options{}), state.Failed)
	if e.ExitCode != 15 || e.Cause != "no such host" || !slices.Contains(e.Tail, "one") {
		t.Errorf("exit code %d, cause %q, tail %q", e.ExitCode, e.Cause, e.Tail)
	}
	e = w.until(w.ask(`exit 3`, schedule.Options{}), state.Failed)
	if e.ExitCode != 3 || !strings.Contains(e.Cause, "3") {
		t.Errorf("exit code %d, cause %q", e.ExitCode, e.Cause)
	}
}

// breathe starts a child of a child that leaves its process group and writes
// a line into a file every so often.
const breathe = `(setsid sh -c 'while :; do echo x >>breath; sleep 0.02; done' >/dev/null 2>&1 </dev/null &) ; `

// silence says that nothing breathes any more.
func (w *world) silence() {
	w.t.Helper()
	w.wait("the end of the run's processes", func() bool {
		before := len(w.lines("breath"))
		time.Sleep(150 * time.Millisecond)
		return len(w.lines("breath")) == before
	})
}

// A cancel ends the run, and the child of its child.
func cancel(t *testing.T, w *world) {
	w.worker()
	id := w.ask(breathe+`echo begun; sleep 600`, schedule.Options{})
	w.wait("the child's child", func() bool { return len(w.lines("breath")) > 0 })
	if _, err := w.Store.CancelExecution(t.Context(), id, "by a test"); err != nil {
		t.Fatal(err)
	}
	w.until(id, state.Cancelled)
	w.silence()
}

// A run that takes too long is stopped, with all it started, and has failed.
func timeOut(t *testing.T, w *world) {
	w.worker()
	e := w.until(w.ask(breathe+`sleep 600`, schedule.Options{Timeout: time.Second}), state.Failed)
	if e.Cause != "stopped after its timeout of 1s" {
		t.Errorf("cause %q", e.Cause)
	}
	w.silence()
}

// work is a script that says that it began, and ends when the file "go" is there.
const work = `echo $EXECUTION >>begun; while [ ! -e go ]; do sleep 0.02; done; echo $EXECUTION >>finished; echo finished`

// A worker is killed in mid-run. Where runs die with their workers the run is
// lost and repeated; elsewhere another worker takes it over, and the run
// itself notices nothing. Either way one finishes.
func killed(t *testing.T, w *world) {
	w.silent = brief
	first := w.worker()
	id := w.ask(work, schedule.Options{})
	w.wait("the run", func() bool { return len(w.lines("begun")) == 1 })
	first.cut.set(true)
	first.kill()
	w.worker()
	if first.Executor.Outlives() {
		w.wait("another worker", func() bool {
			e, err := w.Store.Execution(t.Context(), id)
			return err == nil && e.Worker != first.Name && e.Worker != ""
		})
		w.touch("go")
		e := w.until(id, state.Succeeded)
		if got := w.lines("begun"); len(got) != 1 || !strings.Contains(w.log(id), "finished") {
			t.Errorf("began %d times; worker %s; log:\n%s", len(got), e.Worker, w.log(id))
		}
		w.copied(id)
		return
	}
	if e := w.until(id, state.Lost); e.Cause == "" {
		t.Errorf("%+v", e)
	}
	w.touch("go")
	w.wait("the retry", func() bool {
		list, err := w.Store.Executions(t.Context(), state.Which{Status: state.Succeeded})
		return err == nil && len(list) == 1 && list[0].RetryOf == id && list[0].Attempt == 2
	})
	if got := w.lines("finished"); len(got) != 1 || got[0] == id {
		t.Errorf("finished: %v", got)
	}
}

// A worker that is told to stop in mid-run hands back what would end with it,
// and leaves the rest to the next one; the run succeeds in the end.
func handBack(t *testing.T, w *world) {
	w.silent = brief
	first := w.worker()
	id := w.ask(work, schedule.Options{})
	w.wait("the run", func() bool { return len(w.lines("begun")) == 1 })
	first.end()
	e, err := w.Store.Execution(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[bool]string{true: state.Running, false: state.Queued}[first.Executor.Outlives()]; e.Status != want {
		t.Errorf("%s after its worker stopped, want %s", e.Status, want)
	}
	w.touch("go")
	w.worker()
	w.until(id, state.Succeeded)
	if got := w.lines("finished"); len(got) != 1 {
		t.Errorf("finished %d times", len(got))
	}
	w.copied(id)
}

// Many runs, several workers: each begins once.
func twice(t *testing.T, w *world) {
	var ids []string
	for range 12 {
		ids = append(ids, w.ask(`echo $EXECUTION >>begun`, schedule.Options{}))
	}
	for range 3 {
		w.worker()
	}
	for _, id := range ids {
		w.until(id, state.Succeeded)
	}
	got := w.lines("begun")
	slices.Sort(got)
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("%d began, %d asked for: %v", len(got), len(ids), got)
	}
}

// A worker that hears nothing of the store for long finds its run to be
// another's: it lets go, and tells no end. Where runs die with their workers
// it ends the run first.
func overtaken(t *testing.T, w *world) {
	w.silent = brief
	first := w.worker()
	id := w.ask(work, schedule.Options{})
	w.wait("the run", func() bool { return len(w.lines("begun")) == 1 })
	first.cut.set(true)
	second := w.worker()
	if first.Executor.Outlives() {
		w.wait("the take-over", func() bool {
			e, err := w.Store.Execution(t.Context(), id)
			return err == nil && e.Worker == second.Name
		})
	} else {
		w.until(id, state.Lost)
		w.wait("the retry", func() bool { return len(w.lines("begun")) == 2 })
	}
	first.cut.set(false)
	first.end() // nothing of it is left: neither a run nor a word
	w.touch("go")
	w.wait("one that succeeds", func() bool {
		list, err := w.Store.Executions(t.Context(), state.Which{Status: state.Succeeded})
		return err == nil && len(list) == 1 && list[0].Worker == second.Name
	})
	if got := w.lines("finished"); len(got) != 1 {
		t.Errorf("finished: %v", got)
	}
	if e, err := w.Store.Execution(t.Context(), id); err != nil || fmt.Sprint(e.Status) == state.Queued {
		t.Errorf("%+v %v", e, err)
	}
}
