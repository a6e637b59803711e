package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"elt/internal/backfill"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/schedule"
	"elt/state"
)

// Backfill is a window of time that is loaded beside the regular runs.
type Backfill struct {
	ID          string     `json:"id"`
	StateID     string     `json:"state_id" doc:"Of the regular runs."`
	Name        string     `json:"name"`
	Environment string     `json:"environment,omitempty"`
	Status      string     `json:"status" enum:"running,interrupted,succeeded,failed,cancelled"`
	Cause       string     `json:"cause,omitempty"`
	From        time.Time  `json:"from"`
	To          time.Time  `json:"to" doc:"Not included."`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	EndedAt     *time.Time `json:"ended_at,omitempty"`
	ChunksDone  int        `json:"chunks_done"`
	ChunksTotal int        `json:"chunks_total"`
	Rows        int64      `json:"rows"`
	Chunks      []Chunk    `json:"chunks"`
}

// Chunk is one part of the window.
type Chunk struct {
	N         int        `json:"chunk"`
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	StateID   string     `json:"state_id"`
	Status    string     `json:"status" enum:"pending,running,interrupted,succeeded,failed,cancelled,lost"`
	RunID     string     `json:"run_id,omitempty" doc:"Of the latest attempt."`
	Attempts  int        `json:"attempts"`
	Cause     string     `json:"cause,omitempty"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Rows      int64      `json:"rows"`
}

// BackfillRequest asks for a backfill of one tap into one target.
type BackfillRequest struct {
	Blocks   []string `json:"blocks" minItems:"1" maxItems:"100" doc:"A tap, any mappings and a target, or a job of one set."`
	From     string   `json:"from" maxLength:"100" doc:"ISO 8601; a date is its midnight in UTC."`
	To       string   `json:"to" maxLength:"100" doc:"Not included."`
	Chunk    string   `json:"chunk,omitempty" maxLength:"100" doc:"A run for each span: 6h, 1d, 7d, 1w, 1mo."`
	Parallel int      `json:"parallel,omitempty" minimum:"1" maximum:"64" doc:"Chunks at the same time."`
	Select   []string `json:"select,omitempty" maxItems:"1000"`
	Exclude  []string `json:"exclude,omitempty" maxItems:"1000"`
	// AllowDuplicates is a decision, not a default.
	AllowDuplicates bool   `json:"allow_duplicates,omitempty" doc:"Append rows without a key though they may be there already."`
	Queue           string `json:"queue,omitempty" maxLength:"100"`
	Priority        int    `json:"priority,omitempty" minimum:"-1000" maximum:"1000"`
}

// BackfillPlan is what a backfill would do. Where something is against it the
// refusal says what.
type BackfillPlan struct {
	Plan    *backfill.Plan `json:"plan,omitempty"`
	Chunks  int            `json:"chunks_total"`
	Refused string         `json:"refused,omitempty" doc:"Why it cannot be started like this."`
	Hint    string         `json:"hint,omitempty"`
}

type backfillInput struct {
	ID string `path:"id" maxLength:"100"`
}

func (s *Server) backfillRoutes() {
	const tag = "backfills"
	route(s, ScopeRead, operation(http.MethodGet, "/backfills", "backfill.list", tag, "List backfills, newest first", ""), s.listBackfills)
	route(s, ScopeRead, operation(http.MethodGet, "/backfills/{id}", "backfill.show", tag, "Show a backfill with its chunks", ""),
		func(ctx context.Context, in *backfillInput) (*body[Backfill], error) {
			b, err := s.Store.Backfill(ctx, in.ID)
			return one(s.backfillOf(b), missing(err, in.ID))
		})
	route(s, ScopeRun, operation(http.MethodPost, "/backfills/plan", "backfill.plan", tag, "Say what a backfill would do",
		"Chunks, streams, tables and what is against it. The tap is asked for its streams; nothing is loaded."), s.planBackfill)
	route(s, ScopeRun, accepted(operation(http.MethodPost, "/backfills", "backfill.start", tag, "Start a backfill",
		"Puts a run into the queue; its backfill_id is that of the backfill, which is there as soon as the run has made its plan.")), s.startBackfill)
	route(s, ScopeRun, accepted(operation(http.MethodPost, "/backfills/{id}/resume", "backfill.resume", tag, "Run the chunks that are not done", "")), s.resumeBackfill)
	route(s, ScopeRun, operation(http.MethodPost, "/backfills/{id}/cancel", "backfill.cancel", tag, "Give a backfill up for good",
		"What it has loaded stays. Whoever works on it stops within seconds."), s.cancelBackfill)
}

func missing(err error, id string) error {
	if errors.Is(err, state.ErrNotFound) {
		return problem(http.StatusNotFound, "not_found", "there is no backfill %q", id).hint("GET %s/backfills lists them", Base)
	}
	return err
}

func (s *Server) backfillOf(b state.Backfill) Backfill {
	v := Backfill{ID: b.ID, StateID: b.StateID, Name: b.Name, Environment: b.Environment, Status: b.Status, Cause: s.Mask(b.Cause), From: b.From, To: b.To,
		CreatedAt: b.Created, UpdatedAt: b.Updated, EndedAt: b.Ended, ChunksDone: b.Done(), ChunksTotal: len(b.Chunks), Chunks: []Chunk{}}
	cut := b.Status == state.Running && !b.Alive // nothing but the lease tells
	if cut {
		v.Status = state.Interrupted
	}
	for _, c := range b.Chunks {
		one := Chunk{c.N, c.From, c.To, c.StateID, c.Status, c.RunID, c.Attempts, s.Mask(c.Cause), c.Started, c.Ended, c.Rows()}
		if cut && c.Status == state.Running {
			one.Status = state.Interrupted
		}
		v.Rows += one.Rows
		v.Chunks = append(v.Chunks, one)
	}
	return v
}

func (s *Server) listBackfills(ctx context.Context, in *struct {
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"50"`
}) (*body[List[Backfill]], error) {
	all, err := s.Store.Backfills(ctx, in.Limit)
	if err != nil {
		return nil, err
	}
	var items []Backfill
	for _, b := range all {
		items = append(items, s.backfillOf(b))
	}
	return list(items, ""), nil
}

func (s *Server) planBackfill(ctx context.Context, in *struct{ Body BackfillRequest }) (*body[BackfillPlan], error) {
	p, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := in.Body.execution(p, plan); err != nil {
		return nil, err
	}
	made, err := s.PlanBackfill(ctx, in.Body)
	var own *fault.Error
	switch {
	case err == nil:
		return answer(BackfillPlan{Plan: made, Chunks: len(made.Chunks)}), nil
	case made != nil && errors.As(err, &own):
		return answer(BackfillPlan{Plan: made, Chunks: len(made.Chunks), Refused: s.Mask(own.Error()), Hint: s.Mask(own.Hint)}), nil
	}
	return nil, err
}

// execution is the run of a backfill.
func (r BackfillRequest) execution(p *project.Project, plan schedule.Plan) (state.Execution, error) {
	run := RunRequest{Blocks: r.Blocks, From: r.From, To: r.To, Chunk: r.Chunk, Select: r.Select, Exclude: r.Exclude, Queue: r.Queue, Priority: r.Priority}
	if len(r.Blocks) == 1 {
		run.Job, run.Blocks = r.Blocks[0], nil
	}
	if r.From == "" || r.To == "" {
		return state.Execution{}, problem(http.StatusUnprocessableEntity, "invalid", "a backfill has a window: from and to")
	}
	e, err := run.execution(p, plan)
	if err != nil {
		return e, err
	}
	o, err := schedule.OptionsOf(e)
	o.Parallel, o.AllowDuplicates = r.Parallel, r.AllowDuplicates
	e.Options = o.JSON()
	e.Lock = "" // the regular runs' lease keeps it apart from them
	return e, err
}

func (s *Server) startBackfill(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"200"`
	Body BackfillRequest
}) (*startOutput, error) {
	p, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	e, err := in.Body.execution(p, plan)
	if err != nil {
		return nil, err
	}
	e.Key = keyOf(in.Key)
	return s.enqueue(ctx, e, 0)
}

func (s *Server) resumeBackfill(ctx context.Context, in *backfillInput) (*startOutput, error) {
	note(ctx, in.ID, nil)
	b, err := s.Store.Backfill(ctx, in.ID)
	if err != nil {
		return nil, missing(err, in.ID)
	}
	_, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case b.Status == state.Cancelled || b.Status == state.Succeeded:
		return nil, problem(http.StatusConflict, "ended", "backfill %s has %s", b.ID, map[string]string{state.Cancelled: "been cancelled", state.Succeeded: "succeeded"}[b.Status])
	case b.Status == state.Running && b.Alive:
		return nil, problem(http.StatusConflict, "running", "backfill %s is being worked on", b.ID)
	case b.Environment != plan.Environment:
		return nil, problem(http.StatusConflict, "other_environment", "backfill %s belongs to environment %q, and this daemon serves %q", b.ID, b.Environment, plan.Environment)
	}
	o := schedule.Options{Backfill: b.ID, Resume: true}
	return s.enqueue(ctx, state.Execution{ID: schedule.NewID(), Project: plan.Project, Environment: plan.Environment, Name: b.Name, Blocks: strings.Fields(b.Name),
		Options: o.JSON(), Trigger: "api", Attempt: 1, Digest: plan.Digest, Lock: "backfill " + b.ID}, 0)
}

func (s *Server) cancelBackfill(ctx context.Context, in *backfillInput) (*body[Backfill], error) {
	note(ctx, in.ID, nil)
	err := s.Store.CancelBackfill(ctx, in.ID)
	if errors.Is(err, state.ErrEnded) {
		return nil, problem(http.StatusConflict, "ended", "backfill %s is over", in.ID)
	}
	if err != nil {
		return nil, missing(err, in.ID)
	}
	b, err := s.Store.Backfill(ctx, in.ID)
	return one(s.backfillOf(b), err)
}
