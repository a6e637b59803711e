package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/cron"
	"elt/internal/project"
	"elt/state"
)

// memory is a store for the scheduler; state/statetest proves the real ones.
type memory struct {
	mu         sync.Mutex
	away       bool
	slots      map[string]map[time.Time]state.Slot
	last       map[string]time.Time
	executions []state.Execution
	paused     map[string]state.Pause
}

var errAway = errors.New("the database is away")

func newMemory() *memory {
	return &memory{slots: map[string]map[time.Time]state.Slot{}, last: map[string]time.Time{}, paused: map[string]state.Pause{}}
}

func (m *memory) Fire(_ context.Context, s state.Slot, e *state.Execution, cancel bool) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return false, errAway
	}
	if m.slots[s.Schedule] == nil {
		m.slots[s.Schedule] = map[time.Time]state.Slot{}
	}
	if _, there := m.slots[s.Schedule][s.Slot]; there {
		return false, nil
	}
	s.At = time.Now()
	if e != nil {
		s.Execution = e.ID
	}
	m.slots[s.Schedule][s.Slot] = s
	if s.Slot.After(m.last[s.Schedule]) {
		m.last[s.Schedule] = s.Slot
	}
	if cancel {
		for i, x := range m.executions {
			if x.Schedule == s.Schedule && !x.Over() {
				m.executions[i].Cancel = true
			}
		}
	}
	if e != nil {
		x := *e
		x.Status = state.Queued
		m.executions = append(m.executions, x)
	}
	return true, nil
}

func (m *memory) LastSlots(context.Context, string, string) (map[string]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, errAway
	}
	last := maps.Clone(m.last)
	return last, nil
}

func (m *memory) Paused(context.Context, string, string) (map[string]state.Pause, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, errAway
	}
	return maps.Clone(m.paused), nil
}

func (m *memory) Executions(_ context.Context, w state.Which) (list []state.Execution, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.executions {
		if e.Schedule == w.Schedule && e.Status == w.Status {
			list = append(list, e)
		}
	}
	return list, nil
}

// count is how many slots of a schedule have an outcome.
func (m *memory) count(schedule, outcome string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.slots[schedule] {
		if s.Outcome == outcome {
			n++
		}
	}
	return n
}

func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// tells collects what a scheduler logs.
type tells struct {
	mu    sync.Mutex
	lines []string
}

func (l *tells) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *tells) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

func scheduleAt(t *testing.T, name, expression string, change func(*project.Timing)) project.Schedule {
	t.Helper()
	e, err := cron.Parse(expression)
	if err != nil {
		t.Fatal(err)
	}
	s := project.Schedule{Name: name, Job: "j", Timing: project.Timing{Times: cron.In(e, time.UTC), Zone: time.UTC, CatchupMax: 100}}
	if change != nil {
		change(&s.Timing)
	}
	return s
}

// start runs a scheduler until stop is called.
func start(t *testing.T, m Store, load func() (Plan, error), log *tells) (stop func()) {
	t.Helper()
	clock, err := NewClock()
	if err != nil {
		t.Fatal(err)
	}
	if log == nil {
		log = &tells{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Scheduler{Store: m, Alarm: clock, Log: zerolog.New(log), Load: func(context.Context) (Plan, error) { return load() }}
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		done.Wait()
		if err := clock.Close(); err != nil {
			t.Error(err)
		}
	})
}

func planOf(schedules ...project.Schedule) func() (Plan, error) {
	return func() (Plan, error) {
		return Plan{Project: "p", Environment: "dev", Schedules: schedules, Defaults: Ours}, nil
	}
}

func wantCounts(t *testing.T, m *memory, schedule string, fired, missed, skipped int) {
	t.Helper()
	got := fmt.Sprint(m.count(schedule, state.SlotFired), m.count(schedule, state.SlotMissed), m.count(schedule, state.SlotSkipped))
	if want := fmt.Sprint(fired, missed, skipped); got != want {
		t.Errorf("%s: fired, missed, skipped: %s, want %s", schedule, got, want)
	}
}
