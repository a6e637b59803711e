package schedule

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/state"
)

// Plan is a project's schedules as they are now.
type Plan struct {
	Project     string // project id
	Environment string
	Digest      string
	Schedules   []project.Schedule
	Jobs        []string // names of jobs, which chains may name
	// Dispatch says where runs of jobs go; Limits are those of queues.
	Dispatch map[string]project.Dispatch
	Limits   map[string]int
	Defaults Defaults
}

// Defaults are what a schedule does that does not say it.
type Defaults struct {
	Catchup string
	Overlap string
	Retry   project.Retry
}

// Ours are elt's defaults: the latest missed time is made up for, a time that
// comes while the run before goes on is skipped, nothing is retried.
var Ours = Defaults{Catchup: "latest", Overlap: "skip"}

// Airflows are those of the DAGs that Meltano generates for Airflow: no catch-up,
// one active run at a time, one retry after five minutes.
var Airflows = Defaults{Catchup: "none", Overlap: "queue",
	Retry: project.Retry{Set: true, Times: 1, Delay: 5 * time.Minute, Backoff: 1}}

// Options are what a run was asked to do differently. All are optional.
type Options struct {
	From        string            `json:"from,omitempty"` // a window: see `elt run --from`
	To          string            `json:"to,omitempty"`
	Chunk       string            `json:"chunk,omitempty"`
	FullRefresh bool              `json:"full_refresh,omitempty"`
	Select      []string          `json:"select,omitempty"`
	Exclude     []string          `json:"exclude,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	// StateOf is an execution: this one starts from the bookmarks with which that
	// one did.
	StateOf  string        `json:"state_of,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`  // nanoseconds
	Parallel int           `json:"parallel,omitempty"` // chunks at the same time
	// AllowDuplicates lets a window append rows without a key.
	AllowDuplicates bool `json:"allow_duplicates,omitempty"`
	// Backfill is the id of the backfill that a window becomes; one that is there
	// already goes on. Resume: it is there, and has the window.
	Backfill string `json:"backfill,omitempty"`
	Resume   bool   `json:"resume,omitempty"`
	// Trace is the W3C's traceparent of what asked for it; the run gets it as
	// TRACEPARENT, and so do its retries and what is chained to it.
	Trace string `json:"trace,omitempty"`
	// Chain names what led here, the first first, so that chains end.
	Chain []string `json:"chain,omitempty"`
}

// OptionsOf are an execution's options.
func OptionsOf(e state.Execution) (Options, error) {
	var o Options
	if e.Options == nil {
		return o, nil
	}
	err := json.Unmarshal(e.Options, &o)
	return o, err
}

// JSON is how options are kept; nil for none.
func (o Options) JSON() json.RawMessage {
	text, err := json.Marshal(o)
	if err != nil || string(text) == "{}" {
		return nil
	}
	return text
}

// Schedule is one of the plan's schedules.
func (p Plan) Schedule(name string) (project.Schedule, bool) {
	i := slices.IndexFunc(p.Schedules, func(s project.Schedule) bool { return s.Name == name })
	if i < 0 {
		return project.Schedule{}, false
	}
	return p.Schedules[i], true
}

// Execution is a request to run a schedule, a first attempt.
func (p Plan) Execution(s project.Schedule, trigger string) state.Execution {
	d := s.Dispatch.Or(p.Dispatch[s.Job])
	return state.Execution{ID: NewID(), Project: p.Project, Environment: p.Environment, Name: s.Name, Schedule: s.Name,
		Blocks: s.Blocks(), Options: Options{Env: s.Env, Timeout: s.Timing.Timeout}.JSON(), Trigger: trigger,
		Queue: d.Queue, Priority: d.Priority, Lock: lockOf(s, d.Lock), Attempt: 1, Digest: p.Digest}
}

// lockOf keeps apart what would work on the same state ids: the runs of one
// schedule, and those of one job, unless a schedule gives it variables, by
// which state ids may differ; and whatever shares a lock by name.
func lockOf(s project.Schedule, lock string) string {
	switch {
	case lock != "":
		return "lock " + lock
	case s.Job != "" && len(s.Env) == 0:
		return "job " + s.Job
	}
	return "schedule " + s.Name
}

// Job is a request to run a job, a first attempt.
func (p Plan) Job(name, trigger string) state.Execution {
	d := p.Dispatch[name]
	e := state.Execution{ID: NewID(), Project: p.Project, Environment: p.Environment, Name: name, Blocks: []string{name}, Trigger: trigger,
		Queue: d.Queue, Priority: d.Priority, Lock: "job " + name, Attempt: 1, Digest: p.Digest}
	if d.Lock != "" {
		e.Lock = "lock " + d.Lock
	}
	return e
}

// NewID is a new execution's id: a UUID that sorts by time.
func NewID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

// After are the executions that follow one that has ended: its retry, or what
// its schedule chains to it.
func (p Plan) After(e state.Execution, now time.Time) []state.Execution {
	s, ok := p.Schedule(e.Schedule)
	if !ok || e.Status == state.Cancelled || !e.Over() {
		return nil
	}
	if e.Status == state.Succeeded {
		return p.chain(e, s.Timing.OnSuccess)
	}
	if retry, ok := p.retry(e, s, now); ok {
		return []state.Execution{retry}
	}
	return p.chain(e, s.Timing.OnFailure)
}

const longestDelay = time.Hour

func (p Plan) retry(e state.Execution, s project.Schedule, now time.Time) (state.Execution, bool) {
	if e.ExitCode == int(fault.LimitReached) {
		return e, false // a run more would go round the limit
	}
	r := s.Timing.Retry
	if !r.Set {
		r = p.Defaults.Retry
	}
	if r.Times >= 0 && e.Attempt > r.Times {
		return e, false
	}
	delay := time.Duration(float64(r.Delay) * math.Pow(r.Backoff, float64(e.Attempt-1)))
	if delay > longestDelay || delay < 0 {
		delay = max(longestDelay, r.Delay)
	}
	if e.Status == state.Lost && !s.Timing.Retry.Waits {
		delay = 0 // the usual pause is for what fails; its worker vanished
	}
	at := now.Add(delay)
	if e.Slot != nil {
		if deadline := r.Deadline(*e.Slot, s.Timing.Zone); !deadline.IsZero() && at.After(deadline) {
			return e, false
		}
	}
	next := p.Execution(s, "retry")
	next.Options, next.Slot, next.RetryOf, next.Attempt, next.NotBefore = e.Options, e.Slot, e.ID, e.Attempt+1, at
	next.Key = "retry of " + e.ID // two who see it end ask once
	next.Queue, next.Priority, next.Callback = e.Queue, e.Priority, e.Callback
	return next, true
}

func (p Plan) chain(e state.Execution, names []string) (next []state.Execution) {
	o, _ := OptionsOf(e)
	before := append(slices.Clone(o.Chain), e.Name)
	for _, name := range names {
		if slices.Contains(before, name) {
			continue // a circle ends where it would begin again
		}
		x := p.Job(name, "chain")
		options := Options{}
		if s, ok := p.Schedule(name); ok {
			x = p.Execution(s, "chain")
			options.Env, options.Timeout = s.Env, s.Timing.Timeout
		}
		options.Chain, options.Trace = before, o.Trace
		x.Options, x.Key = options.JSON(), fmt.Sprintf("chain of %s to %s", e.ID, name)
		next = append(next, x)
	}
	return next
}

// jitter is how much later than its slot a run begins: evenly spread, and the
// same for all who compute it.
func jitter(s project.Schedule, slot time.Time) time.Duration {
	if s.Timing.Jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", s.Name, slot.Unix())
	return time.Duration(h.Sum64() % uint64(s.Timing.Jitter))
}
