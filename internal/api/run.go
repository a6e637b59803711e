package api

import (
	"maps"
	"slices"
	"time"

	"elt/internal/schedule"
	"elt/state"
)

// Run is a run in lists.
type Run struct {
	ID          string `json:"id"`
	Kind        string `json:"kind" enum:"queued,local" doc:"queued: asked of the daemons; local: typed on a machine (elt run)."`
	Status      string `json:"status" enum:"queued,running,succeeded,failed,cancelled,lost"`
	Name        string `json:"name" doc:"The schedule, the job, or the blocks."`
	Project     string `json:"project,omitempty"`
	Environment string `json:"environment,omitempty"`
	Trigger     string `json:"trigger" doc:"schedule, api, retry, chain, cli, backfill."`

	Blocks   []string   `json:"blocks"`
	Schedule string     `json:"schedule,omitempty"`
	Slot     *time.Time `json:"slot,omitempty" doc:"The time of the schedule that it stands for."`
	StateID  string     `json:"state_id,omitempty" doc:"Of a local run."`
	Attempt  int        `json:"attempt"`
	RetryOf  string     `json:"retry_of,omitempty"`
	Queue    string     `json:"queue,omitempty"`
	Priority int        `json:"priority,omitempty"`

	CreatedAt time.Time  `json:"created_at"`
	DueAt     *time.Time `json:"due_at,omitempty" doc:"It does not begin before."`
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Seconds   float64    `json:"seconds" doc:"From start to end, or until now."`

	CancelRequested bool   `json:"cancel_requested,omitempty" doc:"It was asked to end and has not yet."`
	Unconfirmed     bool   `json:"unconfirmed,omitempty" doc:"A third-party target did not confirm the last bookmark."`
	ExitCode        *int   `json:"exit_code" doc:"null until it has ended."`
	Cause           string `json:"cause,omitempty" doc:"Why it failed, in a sentence."`
	Worker          string `json:"worker,omitempty"`
	Rows            int64  `json:"rows"`
	Bytes           int64  `json:"bytes"`
}

// RunDetail is a run with all that is known of it.
type RunDetail struct {
	Run
	LastLines     []string   `json:"last_lines" doc:"The end of its log, when it failed."`
	Options       RunOptions `json:"options"`
	Steps         []Step     `json:"steps" doc:"One per block; anew when it was handed from one daemon to another."`
	Attempts      []Attempt  `json:"attempts" doc:"This run and its retries, the first first."`
	Bottleneck    string     `json:"bottleneck,omitempty" doc:"The plugin that the others wait for: of the step that goes on, else of the last."`
	RowsPerSecond float64    `json:"rows_per_second" doc:"Lately; 0 when nothing goes on."`
	BackfillID    string     `json:"backfill_id,omitempty"`
}

// RunOptions are what a run was asked to do differently.
type RunOptions struct {
	From           string   `json:"from,omitempty"`
	To             string   `json:"to,omitempty"`
	Chunk          string   `json:"chunk,omitempty"`
	FullRefresh    bool     `json:"full_refresh,omitempty"`
	Select         []string `json:"select,omitempty"`
	Exclude        []string `json:"exclude,omitempty"`
	EnvNames       []string `json:"env_names,omitempty" doc:"Variables that it was given; their values are not told."`
	TimeoutSeconds float64  `json:"timeout_seconds,omitempty"`
	StateOf        string   `json:"state_of,omitempty" doc:"It starts from the bookmarks with which this run did."`
}

// Step is the run of one block.
type Step struct {
	RunID         string         `json:"run_id"`
	Name          string         `json:"name"`
	StateID       string         `json:"state_id,omitempty"`
	Status        string         `json:"status" enum:"queued,running,succeeded,failed,cancelled,lost"`
	Unconfirmed   bool           `json:"unconfirmed,omitempty"`
	ExitCode      *int           `json:"exit_code"`
	Cause         string         `json:"cause,omitempty"`
	StartedAt     time.Time      `json:"started_at"`
	EndedAt       *time.Time     `json:"ended_at,omitempty"`
	Seconds       float64        `json:"seconds"`
	Rows          int64          `json:"rows"`
	Bytes         int64          `json:"bytes"`
	RowsPerSecond float64        `json:"rows_per_second" doc:"Lately, while it goes on; of all its time, when it has ended."`
	Bottleneck    string         `json:"bottleneck,omitempty" doc:"The plugin that the others wait for, or waited for most."`
	Streams       []StreamOfStep `json:"streams"`
	Detail        *StepDetail    `json:"detail,omitempty"`
}

// Attempt is one of a run's attempts.
type Attempt struct {
	ID        string     `json:"id"`
	Attempt   int        `json:"attempt"`
	Status    string     `json:"status"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
}

// fromExecution is an execution as a run; steps are its block runs.
func (s *Server) fromExecution(e state.Execution, steps []state.Run) Run {
	v := Run{ID: e.ID, Kind: "queued", Status: e.Status, Name: e.Name, Project: e.Project, Environment: e.Environment, Trigger: e.Trigger,
		Blocks: e.Blocks, Schedule: e.Schedule, Slot: e.Slot, Attempt: e.Attempt, RetryOf: e.RetryOf, Queue: e.Queue, Priority: e.Priority,
		CreatedAt: e.Created, DueAt: &e.NotBefore, StartedAt: e.Started, EndedAt: e.Ended, Seconds: between(e.Started, e.Ended),
		CancelRequested: e.Cancel && !e.Over(), Cause: s.Mask(e.Cause), Worker: e.Worker}
	if e.Over() {
		v.ExitCode = &e.ExitCode
	}
	for _, r := range steps {
		rows, bytes := moved(r)
		v.Rows, v.Bytes, v.Unconfirmed = v.Rows+rows, v.Bytes+bytes, v.Unconfirmed || r.Unconfirmed
	}
	return v
}

// fromRun is a run that no execution made.
func (s *Server) fromRun(r state.Run) Run {
	v := Run{ID: r.ID, Kind: "local", Status: r.Status, Name: r.Name, Environment: r.Environment, Trigger: r.Trigger, Blocks: blocksOf(r),
		StateID: r.StateID, Attempt: 1, CreatedAt: r.Started, StartedAt: &r.Started, EndedAt: r.Ended, Seconds: between(&r.Started, r.Ended),
		Unconfirmed: r.Unconfirmed, ExitCode: codeOf(r), Cause: s.Mask(r.Cause)}
	v.Rows, v.Bytes = moved(r)
	return v
}

func (s *Server) step(r state.Run) Step {
	step := Step{RunID: r.ID, Name: r.Name, StateID: r.StateID, Status: r.Status, Unconfirmed: r.Unconfirmed, ExitCode: codeOf(r), Cause: s.Mask(r.Cause),
		StartedAt: r.Started, EndedAt: r.Ended, Seconds: between(&r.Started, r.Ended), Streams: []StreamOfStep{}, Detail: detailOf(r)}
	step.Rows, step.Bytes = moved(r)
	for _, one := range r.Streams {
		v := s.stream(one, r.Status == state.Running)
		step.Streams = append(step.Streams, v)
		step.RowsPerSecond += v.RowsPerSecond
	}
	if r.Ended != nil && step.Seconds > 0 { // streams may have come one after the other
		step.RowsPerSecond = float64(step.Rows) / step.Seconds
	}
	if step.Detail != nil {
		step.Bottleneck = step.Detail.Bottleneck
	}
	return step
}

func codeOf(r state.Run) *int {
	if r.Ended == nil {
		return nil
	}
	return &r.ExitCode
}

func moved(r state.Run) (rows, bytes int64) {
	for _, s := range r.Streams {
		rows, bytes = rows+s.Rows, bytes+s.Bytes
	}
	return rows, bytes
}

func between(from, to *time.Time) float64 {
	if from == nil {
		return 0
	}
	end := time.Now()
	if to != nil {
		end = *to
	}
	return max(0, end.Sub(*from).Round(time.Millisecond).Seconds())
}

func optionsOf(o schedule.Options) RunOptions {
	return RunOptions{o.From, o.To, o.Chunk, o.FullRefresh, o.Select, o.Exclude, slices.Sorted(maps.Keys(o.Env)), o.Timeout.Seconds(), o.StateOf}
}
