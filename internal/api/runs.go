package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"elt/internal/schedule"
	"elt/state"
)

// RunPath names a run.
type RunPath struct {
	ID string `path:"id" maxLength:"100"`
}

type runsInput struct {
	Page
	Status      []string  `query:"status" enum:"queued,running,succeeded,failed,cancelled,lost" doc:"Any of these."`
	Pipeline    string    `query:"pipeline" maxLength:"500" doc:"Name of a pipeline: a job, or a tap and a target."`
	Schedule    string    `query:"schedule" maxLength:"500"`
	Environment string    `query:"environment" maxLength:"200" doc:"Other than the daemon's own, for local runs."`
	Kind        string    `query:"kind" enum:"queued,local" doc:"Only runs of the queue, or only those that were typed."`
	Since       time.Time `query:"since" doc:"Created then or later."`
}

func (s *Server) runRoutes() {
	route(s, ScopeRead, operation(http.MethodGet, "/runs", "run.list", "runs", "List runs, newest first",
		"Runs of the queue, and those that were typed on machines (elt run), told apart by kind."), s.listRuns)
	route(s, ScopeRead, operation(http.MethodGet, "/runs/{id}", "run.show", "runs", "Show a run",
		"With exit code, cause and last lines, options, steps and attempts."), func(ctx context.Context, in *RunPath) (*body[RunDetail], error) {
		return one(s.Detail(ctx, in.ID))
	})
	route(s, ScopeRead, operation(http.MethodGet, "/runs/{id}/streams", "run.streams", "runs", "What each stream of a run moved",
		"While the run goes on the numbers are a few seconds old."), s.runStreams)
	route(s, ScopeRun, startOperation(), s.start)
	route(s, ScopeRun, operation(http.MethodPost, "/runs/{id}/cancel", "run.cancel", "runs", "Cancel a run",
		"A queued one ends at once; the processes of a running one, and whatever they started, end within seconds. 409 when it has ended."), s.cancel)
	route(s, ScopeRun, accepted(operation(http.MethodPost, "/runs/{id}/retry", "run.retry", "runs", "Run again what a run was",
		"A new run with the same blocks and options, the next attempt. 409 while it has not ended.")), s.retry)
}

// RunFilter says which runs are listed.
type RunFilter struct {
	Statuses, Names       []string
	Schedule, Environment string
	Kind                  string
	Since                 time.Time
	Cursor                string
	Limit                 int
}

func (s *Server) listRuns(ctx context.Context, in *runsInput) (*body[List[Run]], error) {
	p, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	f := RunFilter{Statuses: in.Status, Schedule: in.Schedule, Environment: in.Environment, Kind: in.Kind, Since: in.Since, Cursor: in.Cursor, Limit: in.Limit}
	if in.Pipeline != "" {
		f.Names = pipelineNames(p, in.Pipeline)
	}
	items, next, err := s.Runs(ctx, plan, f)
	if err != nil {
		return nil, err
	}
	return list(items, next), nil
}

// Runs lists runs, newest first: those of the queue and those that nobody asked
// the queue for, by one order over both.
func (s *Server) Runs(ctx context.Context, plan schedule.Plan, f RunFilter) (items []Run, next string, err error) {
	w := state.Which{Project: plan.Project, Environment: plan.Environment, Names: f.Names, Schedule: f.Schedule, Statuses: f.Statuses, Since: f.Since, Limit: f.Limit + 1}
	if w.At, w.Before, err = place(f.Cursor); err != nil {
		return nil, "", err
	}
	if f.Environment != "" {
		w.Environment = f.Environment
	}
	if f.Kind != "local" {
		executions, err := s.Store.Executions(ctx, w)
		if err != nil {
			return nil, "", err
		}
		steps, err := s.stepsOf(ctx, executions)
		if err != nil {
			return nil, "", err
		}
		for _, e := range executions {
			items = append(items, s.fromExecution(e, steps[e.ID]))
		}
	}
	if f.Kind != "queued" && f.Schedule == "" {
		runs, err := s.Store.LoneRuns(ctx, w)
		if err != nil {
			return nil, "", err
		}
		for _, r := range runs {
			items = append(items, s.fromRun(r))
		}
	}
	slices.SortStableFunc(items, func(a, b Run) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	if len(items) > f.Limit {
		items = items[:f.Limit]
		last := items[f.Limit-1]
		next = cursorAt(last.CreatedAt, last.ID)
	}
	return items, next, nil
}

// stepsOf are the block runs of executions.
func (s *Server) stepsOf(ctx context.Context, executions []state.Execution) (map[string][]state.Run, error) {
	var ids []string
	for _, e := range executions {
		ids = append(ids, e.ID)
	}
	runs, err := s.Store.BriefRunsOf(ctx, ids...)
	steps := map[string][]state.Run{}
	for _, r := range runs {
		steps[r.Execution] = append(steps[r.Execution], r)
	}
	return steps, err
}

// A cursor is a place in a list ordered by time and id.
func cursorAt(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + id))
}

func place(cursor string) (time.Time, string, error) {
	if cursor == "" {
		return time.Time{}, "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	stamp, id, ok := strings.Cut(string(text), " ")
	at, bad := time.Parse(time.RFC3339Nano, stamp)
	if err != nil || !ok || bad != nil {
		return at, "", badCursor()
	}
	return at, id, nil
}

func badCursor() *Problem {
	return problem(http.StatusUnprocessableEntity, "bad_cursor", "the cursor is none of this list").hint("take the next_cursor of the page before, as it is")
}

// Detail is all that is known of a run.
func (s *Server) Detail(ctx context.Context, id string) (RunDetail, error) {
	e, err := s.Store.Execution(ctx, id)
	if errors.Is(err, state.ErrNotFound) {
		return s.lone(ctx, id)
	}
	if err != nil {
		return RunDetail{}, err
	}
	steps, err := s.Store.RunsOf(ctx, id)
	if err != nil {
		return RunDetail{}, err
	}
	d := RunDetail{Run: s.fromExecution(e, steps), LastLines: s.maskAll(e.Tail), Steps: []Step{}}
	for _, r := range steps {
		d.add(s.step(r))
	}
	if o, err := schedule.OptionsOf(e); err == nil {
		d.Options, d.BackfillID = optionsOf(o), o.Backfill
	}
	d.Attempts, err = s.attempts(ctx, e)
	return d, err
}

// lone is a run that no execution made; or a step of an execution, by its own id.
func (s *Server) lone(ctx context.Context, id string) (RunDetail, error) {
	r, err := s.Store.Run(ctx, id)
	if errors.Is(err, state.ErrNotFound) {
		return RunDetail{}, problem(http.StatusNotFound, "not_found", "there is no run %q", id).hint("GET %s/runs lists them", Base)
	}
	if err != nil {
		return RunDetail{}, err
	}
	v := s.fromRun(r)
	d := RunDetail{Run: v, LastLines: []string{}, Attempts: []Attempt{{v.ID, 1, v.Status, v.StartedAt, v.EndedAt}}}
	d.add(s.step(r))
	if r.Status == state.Failed || r.Status == state.Lost {
		d.LastLines = s.lastLines(r.LogPath)
	}
	return d, nil
}

// add adds a step, the newest so far.
func (d *RunDetail) add(step Step) {
	d.Steps = append(d.Steps, step)
	d.Bottleneck = step.Bottleneck
	if step.EndedAt == nil {
		d.RowsPerSecond += step.RowsPerSecond
	}
}

func (s *Server) maskAll(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = s.Mask(line)
	}
	return out
}

// attempts are an execution, those that it repeats, and those that repeat it.
func (s *Server) attempts(ctx context.Context, e state.Execution) ([]Attempt, error) {
	attempt := func(e state.Execution) Attempt { return Attempt{e.ID, e.Attempt, e.Status, e.Started, e.Ended} }
	out := []Attempt{attempt(e)}
	for before := e; before.RetryOf != "" && len(out) < 100; {
		var err error
		if before, err = s.Store.Execution(ctx, before.RetryOf); errors.Is(err, state.ErrNotFound) {
			break
		} else if err != nil {
			return nil, err
		}
		out = append([]Attempt{attempt(before)}, out...)
	}
	later, err := s.Store.Executions(ctx, state.Which{Project: e.Project, Environment: e.Environment, Name: e.Name, Since: e.Created, Limit: 1000})
	if err != nil {
		return nil, err
	}
	slices.Reverse(later)
	known := map[string]bool{e.ID: true}
	for _, x := range later {
		if known[x.RetryOf] {
			known[x.ID] = true
			out = append(out, attempt(x))
		}
	}
	return out, nil
}

func (s *Server) runStreams(ctx context.Context, in *RunPath) (*body[List[StreamOfRun]], error) {
	d, err := s.Detail(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var items []StreamOfRun
	for _, step := range d.Steps {
		items = append(items, streamsOf(step)...)
	}
	return list(items, ""), nil
}

func jsonOf(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}
