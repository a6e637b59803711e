package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/state"
)

// Pipeline is what is run again and again: a job, or a tap and a target that a
// schedule names or that have been run.
type Pipeline struct {
	Name          string         `json:"name"`
	Kind          string         `json:"kind" enum:"job,set" doc:"A job of the project; or a set: a tap and a target."`
	Blocks        []string       `json:"blocks"`
	Sets          []PipelineSet  `json:"sets" doc:"The pairs of tap and target that it runs."`
	Problem       string         `json:"problem,omitempty" doc:"Why it cannot run."`
	Schedules     []Schedule     `json:"schedules"`
	NextFire      *time.Time     `json:"next_fire,omitempty"`
	LastRuns      []Run          `json:"last_runs" doc:"Newest first."`
	LastSuccessAt *time.Time     `json:"last_success_at,omitempty" doc:"Among last_runs."`
	Running       int            `json:"running"`
	Counts        map[string]int `json:"counts" doc:"Of last_runs, by status."`
}

// PipelineSet is one pair.
type PipelineSet struct {
	Name    string `json:"name"`
	Tap     string `json:"tap"`
	Target  string `json:"target"`
	StateID string `json:"state_id"`
}

type pipelinesInput struct {
	Runs int `query:"runs" minimum:"0" maximum:"100" default:"10" doc:"How many last runs of each."`
}

type pipelineInput struct {
	Name  string `path:"name" maxLength:"500"`
	Runs  int    `query:"runs" minimum:"0" maximum:"500" default:"30" doc:"How many last runs."`
	Fires int    `query:"fires" minimum:"0" maximum:"100" default:"10" doc:"How many next times of each schedule."`
}

func (s *Server) pipelineRoutes() {
	route(s, ScopeRead, operation(http.MethodGet, "/pipelines", "pipeline.list", "pipelines", "List pipelines with schedules and last runs",
		"A run counts for the pipeline whose job, schedule or blocks it was of; local runs (elt run) of a job count for its sets."), s.listPipelines)
	route(s, ScopeRead, operation(http.MethodGet, "/pipelines/{name}", "pipeline.show", "pipelines", "Show a pipeline", ""), s.showPipeline)
}

// PipelineOf is the name of what a schedule runs.
func PipelineOf(s project.Schedule) string { return strings.Join(s.Blocks(), " ") }

// pipelineNames are the names under which the runs of a pipeline are recorded:
// its own, and its schedules'.
func pipelineNames(p *project.Project, name string) []string {
	names := []string{name}
	for _, s := range p.Schedules() {
		if PipelineOf(s) == name {
			names = append(names, s.Name)
		}
	}
	return names
}

// pipelines are the project's, without their runs.
func pipelines(p *project.Project) (all []*Pipeline) {
	add := func(name, kind string, blocks []string) *Pipeline {
		v := &Pipeline{Name: name, Kind: kind, Blocks: blocks, Sets: []PipelineSet{}, Schedules: []Schedule{}, LastRuns: []Run{}, Counts: map[string]int{}}
		plan, err := p.Plan(blocks, project.PlanOptions{})
		if err != nil {
			v.Problem = err.Error()
		} else {
			v.Sets = setsOf(plan)
		}
		all = append(all, v)
		return v
	}
	for _, j := range p.Jobs() {
		add(j.Name, "job", []string{j.Name}).Blocks = j.Blocks()
	}
	for _, s := range p.Schedules() {
		name := PipelineOf(s)
		if !slices.ContainsFunc(all, func(v *Pipeline) bool { return v.Name == name }) {
			add(name, "set", s.Blocks())
		}
	}
	return all
}

func setsOf(plan *project.Plan) []PipelineSet {
	sets := []PipelineSet{}
	for _, b := range plan.Blocks {
		if b.Set == nil {
			continue
		}
		words := []string{b.Set.Extractor.Name}
		for _, m := range b.Set.Mappings {
			words = append(words, m.Name)
		}
		words = append(words, b.Set.Loader.Name)
		sets = append(sets, PipelineSet{strings.Join(words, " "), b.Set.Extractor.Name, b.Set.Loader.Name, b.Set.StateID})
	}
	return sets
}

func (s *Server) listPipelines(ctx context.Context, in *pipelinesInput) (*body[List[*Pipeline]], error) {
	p, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	all := pipelines(p)
	var executions []state.Execution
	if in.Runs > 0 {
		if executions, err = s.Store.LastExecutions(ctx, plan.Project, plan.Environment, in.Runs); err != nil {
			return nil, err
		}
	}
	steps, err := s.stepsOf(ctx, executions)
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, e := range executions {
		runs = append(runs, s.fromExecution(e, steps[e.ID]))
	}
	lone, err := s.Store.LoneRuns(ctx, state.Which{Environment: plan.Environment, Limit: in.Runs * (len(all) + 10)})
	if err != nil {
		return nil, err
	}
	for _, r := range lone {
		runs = append(runs, s.fromRun(r))
	}
	all = withSeen(p, all, runs)
	schedules, err := s.Schedules(ctx, plan, 1)
	if err != nil {
		return nil, err
	}
	byName := named(runs)
	for _, v := range all {
		v.fill(schedules, byName, in.Runs)
	}
	return list(all, ""), nil
}

// named are runs by the name under which they are recorded.
func named(runs []Run) map[string][]Run {
	m := map[string][]Run{}
	for _, r := range runs {
		m[r.Name] = append(m[r.Name], r)
	}
	return m
}

// withSeen adds sets that no job and no schedule has, and that were run.
func withSeen(p *project.Project, all []*Pipeline, runs []Run) []*Pipeline {
	known := map[string]bool{}
	for _, one := range p.Schedules() {
		known[one.Name] = true
	}
	for _, v := range all {
		known[v.Name] = true
		for _, set := range v.Sets {
			if v.Kind == "set" {
				known[set.Name] = true
			}
		}
	}
	for _, r := range runs {
		if known[r.Name] {
			continue
		}
		known[r.Name] = true
		plan, err := p.Plan(r.Blocks, project.PlanOptions{})
		if err != nil || len(plan.Blocks) == 0 || plan.Blocks[0].Set == nil {
			continue // a command, or what is not in the project any more
		}
		all = append(all, &Pipeline{Name: r.Name, Kind: "set", Blocks: r.Blocks, Sets: setsOf(plan), Schedules: []Schedule{}, LastRuns: []Run{}, Counts: map[string]int{}})
	}
	return all
}

// fill adds schedules and the newest runs: its own and its schedules'.
func (v *Pipeline) fill(schedules []Schedule, runs map[string][]Run, limit int) {
	v.LastRuns = append(v.LastRuns, runs[v.Name]...)
	for _, one := range schedules {
		if one.Pipeline != v.Name {
			continue
		}
		v.Schedules = append(v.Schedules, one)
		if len(one.NextFires) > 0 && (v.NextFire == nil || one.NextFires[0].Before(*v.NextFire)) {
			v.NextFire = &one.NextFires[0]
		}
		if one.Name != v.Name {
			v.LastRuns = append(v.LastRuns, runs[one.Name]...)
		}
	}
	slices.SortStableFunc(v.LastRuns, func(a, b Run) int { return b.CreatedAt.Compare(a.CreatedAt) })
	if len(v.LastRuns) > limit {
		v.LastRuns = v.LastRuns[:limit]
	}
	for _, r := range v.LastRuns {
		v.Counts[r.Status]++
		if r.Status == state.Succeeded && v.LastSuccessAt == nil {
			v.LastSuccessAt = r.EndedAt
		}
	}
	v.Running = v.Counts[state.Running]
}

func (s *Server) showPipeline(ctx context.Context, in *pipelineInput) (*body[*Pipeline], error) {
	p, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	v, err := pipelineNamed(p, in.Name)
	if err != nil {
		return nil, err
	}
	schedules, err := s.Schedules(ctx, plan, in.Fires)
	if err != nil {
		return nil, err
	}
	runs, _, err := s.Runs(ctx, plan, RunFilter{Names: pipelineNames(p, v.Name), Limit: max(1, in.Runs)})
	if err != nil {
		return nil, err
	}
	v.fill(schedules, named(runs), in.Runs)
	return answer(v), nil
}

// pipelineNamed is the one of a name: a job, a schedule's pair, or any set.
func pipelineNamed(p *project.Project, name string) (*Pipeline, error) {
	var names []string
	for _, v := range pipelines(p) {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	blocks := strings.Fields(name)
	if plan, err := p.Plan(blocks, project.PlanOptions{}); err == nil && len(plan.Blocks) > 0 && len(blocks) > 1 {
		return &Pipeline{Name: name, Kind: "set", Blocks: blocks, Sets: setsOf(plan), Schedules: []Schedule{}, LastRuns: []Run{}, Counts: map[string]int{}}, nil
	}
	e := problem(http.StatusNotFound, "unknown_pipeline", "there is no pipeline %q", name)
	if near := fault.Nearest(name, names); near != "" {
		return nil, e.hint("did you mean %q?", near)
	}
	return nil, e.hint("GET %s/pipelines lists them", Base)
}
