package notify

import (
	"slices"
	"time"

	"elt/internal/cron"
	"elt/internal/project"
	"elt/internal/schedule"
	"elt/state"
)

// Config is what a project says of its alerts, in one environment.
type Config struct {
	Project, Environment string
	Alerts               project.Alerts
	Pipelines            []Promise
}

// Promise is what a project says of one pipeline.
type Promise struct {
	Name        string
	Times       cron.Times // nil: it does not fire by itself
	Paused      bool
	FreshWithin time.Duration // 0: it does not say
}

// ConfigOf reads a project's configuration.
func ConfigOf(p *project.Project) Config {
	c := Config{Project: p.ID(), Alerts: p.Alerts()}
	c.Environment, _ = p.Environment()
	scheduled := map[string]bool{}
	for _, s := range p.Schedules() {
		one := Promise{Name: s.Name, Times: s.Timing.Times, Paused: s.Timing.Paused, FreshWithin: s.Timing.FreshWithin}
		if job, ok := p.Job(s.Job); ok {
			scheduled[job.Name] = true
			if one.FreshWithin == 0 {
				one.FreshWithin = job.FreshWithin
			}
		}
		c.Pipelines = append(c.Pipelines, one)
	}
	named := func(name string) bool {
		return slices.ContainsFunc(c.Pipelines, func(o Promise) bool { return o.Name == name })
	}
	for _, j := range p.Jobs() {
		if !scheduled[j.Name] && !named(j.Name) {
			c.Pipelines = append(c.Pipelines, Promise{Name: j.Name, FreshWithin: j.FreshWithin})
		}
	}
	return c
}

// Pipeline is what the store knows of one.
type Pipeline struct {
	Promise
	// Known is since when it is known; zero when it is not.
	Known time.Time
	// Executions are its newest first: those that are not over, and some that are.
	Executions []state.Execution
	// Success is when the newest that succeeded ended; zero: none did.
	Success time.Time
	Slots   []state.Slot // its newest first, some
	Streams []Stream
	Lags    []SlotLag
}

// SlotLag is what the newest run saw of a replication slot that it reads.
type SlotLag struct {
	Slot   string
	Bytes  int64  // of its log that the source keeps for it
	Status string // "unreserved": it is about to be lost; "" when all is well
}

// Stream is what the runs of one stream moved.
type Stream struct {
	StateID, Name string
	Loaded        time.Time // the end of the newest run that loaded it
	Rows          []int64   // of each run that succeeded, the newest first
}

// over are the executions that have ended, the newest first; fullRefresh ones
// are no measure for others.
func (p Pipeline) over() (list []state.Execution) {
	for _, e := range p.Executions {
		if e.Over() && e.Ended != nil {
			list = append(list, e)
		}
	}
	return list
}

// durations are how long the ones that succeeded took, in seconds, the newest first.
func (p Pipeline) durations() (list []float64) {
	for _, e := range p.over() {
		if e.Status == state.Succeeded && e.Started != nil && !fullRefresh(e) {
			list = append(list, e.Ended.Sub(*e.Started).Seconds())
		}
	}
	return list
}

func fullRefresh(e state.Execution) bool {
	o, err := schedule.OptionsOf(e)
	return err == nil && (o.FullRefresh || o.From != "")
}
