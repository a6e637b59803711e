package project

import (
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
)

func scheduleOf(t *testing.T, keys string) Schedule {
	t.Helper()
	p := inProject(t, "jobs: [{name: j, tasks: [tap-csv target-jsonl]}]\nschedules:\n- name: s\n  job: j\n  "+
		strings.ReplaceAll(strings.TrimSpace(keys), "\n", "\n  ")+"\n", Options{})
	if len(p.Schedules()) != 1 {
		t.Fatalf("%d schedules", len(p.Schedules()))
	}
	return p.Schedules()[0]
}

func TestTiming(t *testing.T) {
	s := scheduleOf(t, `
interval: 30 6 * * *
timezone: Europe/Berlin
start_date: 2026-03-01
jitter: 90s
timeout: 2h
retries: 3
retry_delay: 1m
retry_backoff: 1.5
retry_until: "05:00"
catchup: all
catchup_max: 7
overlap: queue
paused: true
on_success: [other]
on_failure: [tell]
queue: heavy
priority: 7
lock: warehouse`)
	if s.Bad != nil {
		t.Fatal(s.Bad)
	}
	if s.Dispatch != (Dispatch{Queue: "heavy", Priority: 7, Lock: "warehouse"}) {
		t.Errorf("%+v", s.Dispatch)
	}
	w := s.Timing
	if w.Zone.String() != "Europe/Berlin" || w.Jitter != 90*time.Second || w.Timeout != 2*time.Hour || w.Retry.Times != 3 || !w.Retry.Set ||
		w.Retry.Delay != time.Minute || w.Retry.Backoff != 1.5 || w.Catchup != "all" || w.CatchupMax != 7 || w.Overlap != "queue" || !w.Paused ||
		len(w.OnSuccess) != 1 || len(w.OnFailure) != 1 {
		t.Fatalf("%+v", w)
	}
	first, _ := w.Times.Next(time.Time{})
	if want := "2026-03-01T06:30:00+01:00"; first.Format(time.RFC3339) != want {
		t.Errorf("first %s, want %s", first.Format(time.RFC3339), want)
	}
	if got := w.Retry.Deadline(first, w.Zone).Format(time.RFC3339); got != "2026-03-02T05:00:00+01:00" {
		t.Errorf("retries until %s", got)
	}
	every := scheduleOf(t, "every: 15m\nretry_until: 5h")
	if at, _ := every.Timing.Times.Next(time.Date(2026, 1, 1, 0, 7, 0, 0, time.UTC)); at.Minute() != 15 || every.Interval != "every 15m" {
		t.Errorf("%s, %s", at, every.Interval)
	}
	if every.Timing.Retry.Times != -1 || !every.Timing.Retry.Deadline(first, time.UTC).Equal(first.Add(5*time.Hour)) {
		t.Errorf("%+v", every.Timing.Retry)
	}
	if once := scheduleOf(t, `interval: "@once"`); once.Timing.Times != nil || once.Bad != nil {
		t.Errorf("%+v", once)
	}
}

// One bad schedule is reported, at its line, and runs only by hand.
func TestTimingMistakes(t *testing.T) {
	for keys, want := range map[string]string{
		"interval: '@daily'\ntimezone: Berlin":      `meltano.yml:6:13: timezone: "Berlin" is no time zone, as Europe/Berlin is`,
		"interval: '@daily'\njitter: soon":          `meltano.yml:6:11: jitter: "soon" is no duration, as 90s, 15m, 2h or 7d is`,
		"interval: '@daily'\nretries: -1":           `meltano.yml:6:12: retries: "-1" is no number of times`,
		"interval: '@daily'\nretry_backoff: 0.5":    `meltano.yml:6:18: retry_backoff: "0.5" is no factor of 1 or more`,
		"interval: '@daily'\nretry_until: tomorrow": `meltano.yml:6:16: retry_until: "tomorrow" is neither a time of day (05:00) nor a duration (5h)`,
		"interval: '@daily'\nstart_date: soon":      `meltano.yml:6:15: start_date: "soon" is no date, as 2024-01-31 or 2024-01-31T06:00:00Z is`,
		"every: 5s":                                 `meltano.yml:5:10: every: 5s is shorter than a minute`,
		"every: 5m\ninterval: '@daily'":             `meltano.yml:5:10: every: a schedule has an interval or every, not both`,
		"interval: 0 0 31 2 *\npaused: 1":           `meltano.yml:5:13: "0 0 31 2 *" is no interval: it never fires: no month of those has such a day`,
	} {
		s := scheduleOf(t, keys)
		if s.Bad == nil || s.Timing.Times != nil {
			t.Errorf("%s: taken for good", keys)
			continue
		}
		if got, _, _ := strings.Cut(fault.Render(s.Bad), "\n"); !strings.HasSuffix(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", keys, got, want)
		}
	}
}
