package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/project"
	"elt/state"
)

// Store is what the scheduler keeps: state.Queue has it.
type Store interface {
	Fire(ctx context.Context, s state.Slot, e *state.Execution, cancel bool) (bool, error)
	LastSlots(ctx context.Context, project, environment string) (map[string]time.Time, error)
	Paused(ctx context.Context, project, environment string) (map[string]state.Pause, error)
	Executions(ctx context.Context, w state.Which) ([]state.Execution, error)
}

// Alarm wakes the scheduler.
type Alarm interface {
	// Set makes it ring at an instant, and no more at the one set before.
	Set(at time.Time) error
	Rings() <-chan struct{}
}

// Scheduler fires the slots of a project's schedules.
type Scheduler struct {
	Store Store
	// Load gives the plan as it is now. An error is told, and the plan before
	// stays in force.
	Load  func(ctx context.Context) (Plan, error)
	Alarm Alarm
	Log   zerolog.Logger
	// Fired is told of new executions, for a worker in the same process; may be nil.
	Fired func()
}

const (
	// poll is the longest time between two looks at clock, file and store.
	poll = 30 * time.Second
	// again is how soon a store that was away is asked again.
	again = 5 * time.Second
	// overslept is how much later than asked a wake may come in a process
	// that is awake all the time.
	overslept = 90 * time.Second
)

// Run fires slots until the context ends.
func (s *Scheduler) Run(ctx context.Context) error {
	t := &turn{Scheduler: s, attended: time.Now(), trouble: map[string]string{}}
	for {
		wake := t.tick(ctx, time.Now())
		if err := s.Alarm.Set(wake); err != nil {
			return fmt.Errorf("set the alarm clock: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.Alarm.Rings():
		}
		if now := time.Now().Round(0); now.Sub(wake.Round(0)) > overslept { // by the wall clock: a suspended machine's other clock stands
			s.Log.Warn().Time("expected", wake).Msg("this process was not awake; slots in between count as missed")
			t.attended = now
		}
	}
}

// turn is what the scheduler knows from one wake to the next.
type turn struct {
	*Scheduler
	plan     Plan
	loaded   bool
	attended time.Time // slots since then were not missed
	// What was told of last, so that each trouble is told once.
	trouble map[string]string
	bad     map[string]string
}

// tick fires what is due and says when to look again.
func (t *turn) tick(ctx context.Context, now time.Time) time.Time {
	plan, err := t.Load(ctx)
	if err == nil {
		t.plan, t.loaded = plan, true
		t.tellBad()
	}
	if t.tell("the project cannot be read; its schedules stay as they were", err); !t.loaded {
		return now.Add(again)
	}
	wake, err := t.fire(ctx, now)
	if t.tell("the state store is away; slots that are due fire when it is back", err); err != nil && ctx.Err() == nil {
		return now.Add(again)
	}
	return wake
}

// tell logs a new error once.
func (t *turn) tell(what string, err error) {
	if err == nil {
		delete(t.trouble, what)
		return
	}
	if t.trouble[what] != err.Error() {
		t.trouble[what] = err.Error()
		t.Log.Error().Err(err).Msg(what)
	}
}

// tellBad logs schedules that cannot run; the others do.
func (t *turn) tellBad() {
	bad := map[string]string{}
	for _, s := range t.plan.Schedules {
		if s.Bad == nil {
			continue
		}
		if bad[s.Name] = s.Bad.Error(); t.bad[s.Name] != bad[s.Name] {
			t.Log.Error().Str("schedule", s.Name).Msgf("runs only by hand: %v", s.Bad)
		}
	}
	t.bad = bad
}

func (t *turn) fire(ctx context.Context, now time.Time) (wake time.Time, err error) {
	wake = now.Add(poll)
	last, err := t.Store.LastSlots(ctx, t.plan.Project, t.plan.Environment)
	if err != nil {
		return wake, err
	}
	paused, err := t.Store.Paused(ctx, t.plan.Project, t.plan.Environment)
	if err != nil {
		return wake, err
	}
	for _, s := range t.plan.Schedules {
		if s.Timing.Times == nil {
			continue
		}
		since, known := last[s.Name]
		if !known {
			if since, err = t.begin(ctx, s, now); err != nil {
				return wake, err
			}
		}
		if err := t.one(ctx, s, since, now, pauseOf(s, paused)); err != nil {
			return wake, err
		}
		if next, ok := s.Timing.Times.Next(now); ok && next.Before(wake) {
			wake = next
		}
	}
	return wake, nil
}

func pauseOf(s project.Schedule, paused map[string]state.Pause) *state.Pause {
	if p, ok := paused[s.Name]; ok {
		return &p
	}
	if s.Timing.Paused {
		return &state.Pause{Who: "the project file"}
	}
	return nil
}

// begin records that a schedule was seen for the first time: it fires from
// now on, or, if it makes up for all it missed, from its start.
func (t *turn) begin(ctx context.Context, s project.Schedule, now time.Time) (time.Time, error) {
	catchup := s.Timing.Catchup
	if catchup == "" {
		catchup = t.plan.Defaults.Catchup
	}
	if catchup == "all" {
		if first, ok := s.Timing.Times.Next(time.Time{}); ok && first.Before(now) && s.Timing.Started {
			return first.Add(-time.Second), nil
		}
	}
	_, err := t.Store.Fire(ctx, state.Slot{Project: t.plan.Project, Environment: t.plan.Environment, Schedule: s.Name,
		Slot: now.UTC().Truncate(time.Second), Outcome: state.SlotSeen, Why: "the schedule is new"}, nil, false)
	return now, err
}

// one fires the due slots of one schedule.
func (t *turn) one(ctx context.Context, s project.Schedule, since, now time.Time, pause *state.Pause) error {
	slots, earlier := due(s, since, now)
	if len(slots) == 0 {
		return nil
	}
	overlap := s.Timing.Overlap
	if overlap == "" {
		overlap = t.plan.Defaults.Overlap
	}
	var busy string
	for i, v := range t.plan.Defaults.decide(s, slots, now, t.attended, pause) {
		if i == 0 && earlier > 0 {
			v.why += fmt.Sprintf("; as %d before it", earlier)
		}
		slot := state.Slot{Project: t.plan.Project, Environment: t.plan.Environment, Schedule: s.Name, Slot: v.slot, Outcome: v.outcome, Why: v.why}
		var request *state.Execution
		cancel := false
		if v.outcome == state.SlotFired {
			if overlap == "skip" && busy == "" {
				var err error
				if busy, err = t.busy(ctx, s); err != nil {
					return err
				}
			}
			switch {
			case busy != "" && busy != "no":
				slot.Outcome, slot.Why = state.SlotSkipped, fmt.Sprintf("%s is still going on", busy)
			default:
				x := t.plan.Execution(s, "schedule")
				x.Slot, x.NotBefore = &v.slot, v.slot.Add(jitter(s, v.slot))
				request, cancel = &x, overlap == "cancel"
			}
		}
		fired, err := t.Store.Fire(ctx, slot, request, cancel)
		if err != nil {
			return err
		}
		t.report(slot, fired, now)
		if fired && request != nil && t.Fired != nil {
			t.Fired()
		}
	}
	return nil
}

// busy names the execution of a schedule that is not over, "no" if there is none.
func (t *turn) busy(ctx context.Context, s project.Schedule) (string, error) {
	for _, status := range []string{state.Running, state.Queued} {
		list, err := t.Store.Executions(ctx, state.Which{Project: t.plan.Project, Environment: t.plan.Environment, Schedule: s.Name, Status: status, Limit: 1})
		if err != nil {
			return "", err
		}
		if len(list) > 0 {
			return "run " + list[0].ID, nil
		}
	}
	return "no", nil
}

func (t *turn) report(s state.Slot, fired bool, now time.Time) {
	if !fired {
		return // another scheduler was first
	}
	event := t.Log.Info()
	if s.Outcome != state.SlotFired {
		event = t.Log.Warn()
	}
	event.Str("schedule", s.Schedule).Time("slot", s.Slot).Str("run", s.Execution).Dur("late", now.Sub(s.Slot)).Str("why", s.Why).Msg("slot " + s.Outcome)
}
