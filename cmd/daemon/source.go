package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"elt/internal/cli"
	"elt/internal/proc"
	"elt/internal/project"
	"elt/internal/schedule"
	"elt/state"
)

// source is the project as it is now: read again when one of its files has
// changed.
type source struct {
	app      *cli.App
	defaults schedule.Defaults

	mu      sync.Mutex
	project *project.Project
	plan    schedule.Plan
	seen    string // sizes and times of the files
	at      time.Time
}

// fresh is how long unchanged files are believed: an included file may be new.
const fresh = time.Minute

// load gives the plan of the project as it is now.
func (s *source) load(ctx context.Context) (schedule.Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.project != nil && time.Since(s.at) < fresh && s.seen == stamp(s.project) {
		return s.plan, nil
	}
	p, err := s.app.LoadProject(ctx)
	if err != nil {
		return s.plan, err
	}
	environment, _ := p.Environment()
	s.project, s.at, s.seen = p, time.Now(), stamp(p)
	s.plan = schedule.Plan{Project: p.ID(), Environment: environment, Digest: p.Digest(), Schedules: p.Schedules(), Defaults: s.defaults,
		Dispatch: map[string]project.Dispatch{}, Limits: p.QueueLimits()}
	for _, j := range p.Jobs() {
		s.plan.Dispatch[j.Name] = j.Dispatch
		s.plan.Jobs = append(s.plan.Jobs, j.Name)
	}
	return s.plan, nil
}

// now is load with the project itself.
func (s *source) now(ctx context.Context) (*project.Project, schedule.Plan, error) {
	plan, err := s.load(ctx)
	if err != nil {
		return nil, plan, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.project, plan, nil
}

func (s *source) current() schedule.Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan
}

// logPath is where the log of an execution lies on this machine.
func (s *source) logPath(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return filepath.Join(s.project.SysDir(), "logs", "elt", "executions", filepath.Base(id)+".log")
}

// loaded is the project as it is now.
func (s *source) loaded(ctx context.Context) (*project.Project, error) {
	if _, err := s.load(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.project, nil
}

// limits are those of queues, as the project says now; the ones before while
// it cannot be read.
func (s *source) limits() map[string]int {
	plan, _ := s.load(context.Background())
	return plan.Limits
}

// stamp changes when one of the project's files does.
func stamp(p *project.Project) string {
	paths := []string{p.Dotenv()}
	for _, name := range p.Files() {
		paths = append(paths, filepath.Join(p.Root, name))
	}
	var b strings.Builder
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(&b, "%s -\n", path)
			continue
		}
		fmt.Fprintf(&b, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}

// command is the elt that runs an execution: what a user would type.
func (s *source) command(self string, e state.Execution) (proc.Command, error) {
	o, err := schedule.OptionsOf(e)
	if err != nil {
		return proc.Command{}, fmt.Errorf("the options of the run: %w", err)
	}
	s.mu.Lock()
	root := s.project.Root
	s.mu.Unlock()
	g := s.app.Global
	args := []string{"--cwd", root, "--log-format", "json"}
	switch {
	case e.Environment != "":
		args = append(args, "--environment", e.Environment)
	case g.NoEnvironment:
		args = append(args, "--no-environment")
	}
	for name, v := range map[string]string{"--env-file": g.EnvFile, "--log-level": g.LogLevel} {
		if v != "" {
			args = append(args, name, v)
		}
	}
	more := []string{"--execution", e.ID, "--trigger", e.Trigger}
	for name, v := range map[string]string{"--from": o.From, "--to": o.To, "--chunk": o.Chunk, "--backfill": o.Backfill, "--state-of": o.StateOf} {
		if v != "" {
			more = append(more, name, v)
		}
	}
	if o.Parallel > 1 {
		more = append(more, "--parallel", strconv.Itoa(o.Parallel))
	}
	if o.AllowDuplicates {
		more = append(more, "--allow-duplicates")
	}
	if o.FullRefresh {
		more = append(more, "--full-refresh")
	}
	for _, pattern := range o.Select {
		more = append(more, "--select", pattern)
	}
	for _, pattern := range o.Exclude {
		more = append(more, "--exclude", pattern)
	}
	if o.Resume {
		args = append(args, "backfill", "resume", o.Backfill)
	} else if pair, ok := s.pair(e); ok { // a schedule's pair has the schedule's name as its state id
		args = append(append(args, pair.Command()...), more...)
	} else {
		args = append(append(append(args, "run"), more...), e.Blocks...)
	}
	environ := slices.DeleteFunc(slices.Clone(s.app.Environ), func(one string) bool {
		return strings.HasPrefix(one, "ELT_OIDC_") // the daemon's own logins are no business of plugins
	})
	for name, v := range o.Env {
		environ = append(environ, name+"="+v)
	}
	if o.Trace != "" {
		environ = append(environ, "TRACEPARENT="+o.Trace)
	}
	return proc.Command{Name: "elt", Path: self, Args: args, Dir: root, Env: environ}, nil
}

func (s *source) pair(e state.Execution) (project.Schedule, bool) {
	if e.Schedule == "" {
		return project.Schedule{}, false
	}
	p, ok := s.current().Schedule(e.Schedule)
	return p, ok && p.Job == "" && slices.Equal(p.Blocks(), e.Blocks)
}
