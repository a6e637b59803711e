package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"elt/internal/project"
	"elt/internal/schedule"
	"elt/state"
)

// Schedule is a schedule of the project and how it stands.
type Schedule struct {
	Name     string   `json:"name"`
	Pipeline string   `json:"pipeline" doc:"What it runs."`
	Blocks   []string `json:"blocks"`
	Interval string   `json:"interval" doc:"As written."`
	Timezone string   `json:"timezone"`
	// Problem makes it one that runs only by hand.
	Problem string   `json:"problem,omitempty" doc:"Why it does not fire: a mistake in the project file."`
	Paused  *Paused  `json:"paused,omitempty"`
	EnvVars []string `json:"env_names" doc:"Variables of its runs; their values are not told."`

	Catchup   string   `json:"catchup"`
	Overlap   string   `json:"overlap"`
	Retries   int      `json:"retries" doc:"-1: until retry_until."`
	OnSuccess []string `json:"on_success"`
	OnFailure []string `json:"on_failure"`

	NextFires []time.Time `json:"next_fires" doc:"None while it is paused."`
	LastSlot  *Slot       `json:"last_slot,omitempty"`
}

// Paused says who stopped a schedule.
type Paused struct {
	By    string     `json:"by"`
	Since *time.Time `json:"since,omitempty"`
}

// Slot is a time of a schedule and what was done about it.
type Slot struct {
	Schedule string    `json:"schedule"`
	Slot     time.Time `json:"slot"`
	Outcome  string    `json:"outcome" enum:"fired,missed,skipped,seen" doc:"seen: the schedule was new then."`
	RunID    string    `json:"run_id,omitempty"`
	Why      string    `json:"why,omitempty"`
	At       time.Time `json:"at" doc:"When it was decided."`
}

type schedulesInput struct {
	Fires int `query:"fires" minimum:"0" maximum:"100" default:"5" doc:"How many next times of each."`
}

type scheduleInput struct {
	Name  string `path:"name" maxLength:"500"`
	Fires int    `query:"fires" minimum:"0" maximum:"100" default:"10" doc:"How many next times."`
}

type slotsInput struct {
	Name    string `path:"name" maxLength:"500"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Outcome string `query:"outcome" enum:"fired,missed,skipped,seen" doc:"Only of the newest limit slots."`
}

func (s *Server) scheduleRoutes() {
	route(s, ScopeRead, operation(http.MethodGet, "/schedules", "schedule.list", "schedules", "List schedules with their next times", ""),
		func(ctx context.Context, in *schedulesInput) (*body[List[Schedule]], error) {
			_, plan, err := s.Now(ctx)
			if err != nil {
				return nil, err
			}
			return one(wrapped(s.Schedules(ctx, plan, in.Fires)))
		})
	route(s, ScopeRead, operation(http.MethodGet, "/schedules/{name}", "schedule.show", "schedules", "Show a schedule", ""), s.showSchedule)
	route(s, ScopeRead, operation(http.MethodGet, "/schedules/{name}/slots", "schedule.slots", "schedules", "What became of a schedule's times, newest first",
		"Fired, missed (no daemon was there), skipped (paused, or the run before was going on)."), s.scheduleSlots)
	route(s, ScopeRun, operation(http.MethodPost, "/schedules/{name}/pause", "schedule.pause", "schedules", "Let a schedule fire only by hand", ""), s.pause)
	route(s, ScopeRun, operation(http.MethodPost, "/schedules/{name}/resume", "schedule.resume", "schedules", "Let a schedule fire again",
		"One that is paused in the project file stays so."), s.resume)
}

func wrapped[T any](items []T, err error) (List[T], error) {
	if items == nil {
		items = []T{}
	}
	return List[T]{Items: items}, err
}

// Schedules are all schedules of a plan.
func (s *Server) Schedules(ctx context.Context, plan schedule.Plan, fires int) ([]Schedule, error) {
	paused, err := s.Store.Paused(ctx, plan.Project, plan.Environment)
	if err != nil {
		return nil, err
	}
	last, err := s.lastSlots(ctx, plan)
	if err != nil {
		return nil, err
	}
	var out []Schedule
	for _, one := range plan.Schedules {
		v := s.scheduleOf(one, plan, paused, fires)
		if slot, ok := last[one.Name]; ok {
			v.LastSlot = &slot
		}
		out = append(out, v)
	}
	return out, nil
}

// lastSlots is each schedule's newest slot.
func (s *Server) lastSlots(ctx context.Context, plan schedule.Plan) (map[string]Slot, error) {
	last := map[string]Slot{}
	recent, err := s.Store.Slots(ctx, plan.Project, plan.Environment, "", 10*len(plan.Schedules)+10)
	if err != nil {
		return nil, err
	}
	for _, slot := range recent { // newest first
		if _, ok := last[slot.Schedule]; !ok {
			last[slot.Schedule] = SlotOf(slot)
		}
	}
	for _, one := range plan.Schedules { // those that fire seldom
		if _, ok := last[one.Name]; ok || len(recent) < 10*len(plan.Schedules)+10 {
			continue
		}
		slots, err := s.Store.Slots(ctx, plan.Project, plan.Environment, one.Name, 1)
		if err != nil {
			return nil, err
		}
		if len(slots) > 0 {
			last[one.Name] = SlotOf(slots[0])
		}
	}
	return last, nil
}

// SlotOf is a slot of the store.
func SlotOf(v state.Slot) Slot { return Slot{v.Schedule, v.Slot, v.Outcome, v.Execution, v.Why, v.At} }

func (s *Server) scheduleOf(one project.Schedule, plan schedule.Plan, paused map[string]state.Pause, fires int) Schedule {
	t := one.Timing
	v := Schedule{Name: one.Name, Pipeline: PipelineOf(one), Blocks: one.Blocks(), Interval: one.Interval, Timezone: zoneName(t.Zone),
		EnvVars: []string{}, Catchup: or(t.Catchup, plan.Defaults.Catchup), Overlap: or(t.Overlap, plan.Defaults.Overlap),
		Retries: t.Retry.Times, OnSuccess: some(t.OnSuccess), OnFailure: some(t.OnFailure), NextFires: []time.Time{}}
	v.EnvVars = slices.AppendSeq(v.EnvVars, maps.Keys(one.Env))
	slices.Sort(v.EnvVars)
	if !t.Retry.Set {
		v.Retries = plan.Defaults.Retry.Times
	}
	if one.Bad != nil {
		v.Problem = s.Mask(one.Bad.Error())
	}
	if p, ok := paused[one.Name]; ok {
		v.Paused = &Paused{p.Who, &p.Since}
	} else if t.Paused {
		v.Paused = &Paused{By: "the project file"}
	}
	if v.Paused == nil && t.Times != nil {
		for at := time.Now(); len(v.NextFires) < fires; {
			next, ok := t.Times.Next(at)
			if !ok {
				break
			}
			v.NextFires, at = append(v.NextFires, next.UTC()), next
		}
	}
	return v
}

func zoneName(z *time.Location) string {
	if z == nil {
		return "UTC"
	}
	return z.String()
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func some(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// scheduleNamed is a schedule, or a problem that suggests the nearest.
func (s *Server) scheduleNamed(ctx context.Context, name string) (project.Schedule, schedule.Plan, error) {
	_, plan, err := s.Now(ctx)
	if err != nil {
		return project.Schedule{}, plan, err
	}
	one, ok := plan.Schedule(name)
	if !ok {
		p := unknown("schedule", name, scheduleNames(plan))
		p.Status, p.Title = http.StatusNotFound, http.StatusText(http.StatusNotFound)
		return one, plan, p
	}
	return one, plan, nil
}

func (s *Server) showSchedule(ctx context.Context, in *scheduleInput) (*body[Schedule], error) {
	one, plan, err := s.scheduleNamed(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	paused, err := s.Store.Paused(ctx, plan.Project, plan.Environment)
	if err != nil {
		return nil, err
	}
	v := s.scheduleOf(one, plan, paused, in.Fires)
	slots, err := s.Store.Slots(ctx, plan.Project, plan.Environment, one.Name, 1)
	if err != nil {
		return nil, err
	}
	if len(slots) > 0 {
		last := SlotOf(slots[0])
		v.LastSlot = &last
	}
	return answer(v), nil
}

func (s *Server) scheduleSlots(ctx context.Context, in *slotsInput) (*body[List[Slot]], error) {
	one, plan, err := s.scheduleNamed(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	slots, err := s.Store.Slots(ctx, plan.Project, plan.Environment, one.Name, in.Limit)
	if err != nil {
		return nil, err
	}
	var items []Slot
	for _, slot := range slots {
		if in.Outcome == "" || slot.Outcome == in.Outcome {
			items = append(items, SlotOf(slot))
		}
	}
	return list(items, ""), nil
}

func (s *Server) pause(ctx context.Context, in *scheduleInput) (*body[Schedule], error) {
	note(ctx, in.Name, nil)
	one, plan, err := s.scheduleNamed(ctx, in.Name)
	if err == nil {
		err = s.Store.PauseSchedule(ctx, plan.Project, plan.Environment, one.Name, callOf(ctx).who.name)
	}
	if err != nil {
		return nil, err
	}
	return s.showSchedule(ctx, in)
}

func (s *Server) resume(ctx context.Context, in *scheduleInput) (*body[Schedule], error) {
	note(ctx, in.Name, nil)
	one, plan, err := s.scheduleNamed(ctx, in.Name)
	if err == nil {
		err = s.Store.ResumeSchedule(ctx, plan.Project, plan.Environment, one.Name)
	}
	if err != nil {
		return nil, err
	}
	return s.showSchedule(ctx, in)
}
