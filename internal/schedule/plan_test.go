package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/state"
)

func TestRetries(t *testing.T) {
	slot := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := scheduleAt(t, "s", "0 0 * * *", func(w *project.Timing) {
		w.Retry = project.Retry{Set: true, Times: 3, Delay: 10 * time.Minute, Backoff: 3}
		w.OnFailure = []string{"tell"}
	})
	plan := Plan{Project: "p", Environment: "dev", Schedules: []project.Schedule{s}, Defaults: Ours}
	e := plan.Execution(s, "schedule")
	e.Slot, e.Status = &slot, state.Failed
	var delays []string
	for range 10 {
		next := plan.After(e, slot)
		if len(next) != 1 {
			t.Fatalf("%d follow", len(next))
		}
		if next[0].Name == "tell" {
			break
		}
		n := next[0]
		if n.RetryOf != e.ID || n.Attempt != e.Attempt+1 || n.Trigger != "retry" || !n.Slot.Equal(slot) || n.Key == "" || n.Lock != e.Lock {
			t.Fatalf("%+v", n)
		}
		delays = append(delays, n.NotBefore.Sub(slot).String())
		e, e.Status = n, state.Failed
	}
	e = plan.Execution(s, "schedule")
	e.Status = state.Lost
	if next := plan.After(e, slot); len(next) != 1 || !next[0].NotBefore.Equal(slot) {
		t.Errorf("a lost run is repeated at once: %+v", next)
	}
	plan.Schedules[0].Timing.Retry.Waits = true
	if next := plan.After(e, slot); len(next) != 1 || !next[0].NotBefore.Equal(slot.Add(10*time.Minute)) {
		t.Errorf("a lost run waits where that was written: %+v", next)
	}
	plan.Schedules[0].Timing.Retry.Waits = false
	if got := strings.Join(delays, " "); got != "10m0s 30m0s 1h0m0s" {
		t.Errorf("delays %s", got)
	}
	e.Status = state.Cancelled
	if next := plan.After(e, slot); len(next) != 0 {
		t.Errorf("a cancelled run is repeated: %+v", next)
	}
	e.Status, e.ExitCode = state.Failed, int(fault.LimitReached)
	if next := plan.After(e, slot); len(next) > 0 && next[0].RetryOf != "" {
		t.Errorf("a run that a limit ended is repeated: %+v", next)
	}

	// Until five o'clock, as often as it takes.
	s.Timing.Retry = project.Retry{Set: true, Times: -1, Delay: 30 * time.Minute, Backoff: 1, Until: "05:00"}
	s.Timing.OnFailure = nil
	plan.Schedules[0] = s
	e = plan.Execution(s, "schedule")
	e.Slot, e.Status = &slot, state.Failed
	now, attempts := slot, 0
	for next := plan.After(e, now); len(next) > 0; next = plan.After(e, now) {
		attempts++
		e, e.Status, now = next[0], state.Failed, next[0].NotBefore
	}
	if attempts != 10 || now.Hour() != 5 {
		t.Errorf("%d retries until %s", attempts, now)
	}

	// A schedule that says nothing follows the daemon's defaults.
	s.Timing.Retry = project.Retry{}
	plan.Schedules[0], plan.Defaults = s, Airflows
	e = plan.Execution(s, "schedule")
	e.Status = state.Failed
	next := plan.After(e, now)
	if len(next) != 1 || !next[0].NotBefore.Equal(now.Add(5*time.Minute)) {
		t.Fatalf("%+v", next)
	}
	next[0].Status = state.Failed
	if again := plan.After(next[0], now); len(again) != 0 {
		t.Errorf("a second retry: %+v", again)
	}
}

func TestChains(t *testing.T) {
	a := scheduleAt(t, "a", "0 0 * * *", func(w *project.Timing) { w.OnSuccess = []string{"b", "job"} })
	b := scheduleAt(t, "b", "0 0 * * *", func(w *project.Timing) { w.OnSuccess = []string{"a"} })
	b.Env = map[string]string{"X": "1"}
	plan := Plan{Project: "p", Schedules: []project.Schedule{a, b}, Defaults: Ours}
	e := plan.Execution(a, "schedule")
	e.Status = state.Succeeded
	next := plan.After(e, time.Now())
	if len(next) != 2 || next[0].Name != "b" || next[1].Name != "job" || !slices.Equal(next[1].Blocks, []string{"job"}) || next[0].Trigger != "chain" {
		t.Fatalf("%+v", next)
	}
	o, err := OptionsOf(next[0])
	if err != nil || o.Env["X"] != "1" || !slices.Equal(o.Chain, []string{"a"}) {
		t.Fatalf("%+v %v", o, err)
	}
	next[0].Status = state.Succeeded
	if again := plan.After(next[0], time.Now()); len(again) != 0 {
		t.Errorf("a chain goes in a circle: %+v", again)
	}
}

func TestJitter(t *testing.T) {
	s := scheduleAt(t, "s", "0 0 * * *", func(w *project.Timing) { w.Jitter = 10 * time.Minute })
	seen := map[time.Duration]bool{}
	for day := range 50 {
		slot := time.Date(2026, 1, 1+day, 0, 0, 0, 0, time.UTC)
		j := jitter(s, slot)
		if j < 0 || j >= 10*time.Minute || j != jitter(s, slot) {
			t.Fatalf("%s", j)
		}
		seen[j/time.Minute] = true
	}
	if len(seen) < 8 {
		t.Errorf("it is spread over %d of 10 minutes", len(seen))
	}
}

// Runs of one job wait for each other, whoever asks; what shares a lock by
// name does too. A schedule's own words count more than its job's.
func TestDispatch(t *testing.T) {
	plan := Plan{Defaults: Ours, Dispatch: map[string]project.Dispatch{"load": {Queue: "heavy", Priority: 3}, "locked": {Lock: "warehouse"}}}
	for name, c := range map[string]struct {
		e    state.Execution
		want string
	}{
		"a job":                     {plan.Job("load", "api"), "heavy 3 job load"},
		"a job with a lock":         {plan.Job("locked", "api"), " 0 lock warehouse"},
		"its schedule":              {plan.Execution(project.Schedule{Name: "s", Job: "load"}, "schedule"), "heavy 3 job load"},
		"a schedule's own":          {plan.Execution(project.Schedule{Name: "s", Job: "load", Dispatch: project.Dispatch{Queue: "q", Lock: "l"}}, "x"), "q 3 lock l"},
		"a schedule with its env":   {plan.Execution(project.Schedule{Name: "s", Job: "load", Env: map[string]string{"A": "b"}}, "x"), "heavy 3 schedule s"},
		"a pair":                    {plan.Execution(project.Schedule{Name: "s", Extractor: "a", Loader: "b"}, "x"), " 0 schedule s"},
		"a pair that shares a lock": {plan.Execution(project.Schedule{Name: "s", Extractor: "a", Loader: "b", Dispatch: project.Dispatch{Lock: "warehouse"}}, "x"), " 0 lock warehouse"},
	} {
		if got := fmt.Sprintf("%s %d %s", c.e.Queue, c.e.Priority, c.e.Lock); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
