package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/logging"
	"elt/internal/proc"
	"elt/internal/project"
	"elt/internal/secret"
	"elt/plugins"
	"elt/state"
)

// Runner runs plans of one project. Its fields are set once.
type Runner struct {
	Project  *project.Project
	Store    state.Store
	Plugins  *plugins.Resolver
	Redactor *secret.Redactor
	Console  logging.Sink // where log events go besides the run's log file
	Watcher  Watcher      // nil: nobody
	Teller   Teller       // nil: nobody
	Machine  string       // stable id of machine and boot
	Version  string       // of elt, for pins
	// Launched is called once a run's first process comes up, from when on the
	// runner does little but wait; nil: nobody cares.
	Launched func()
	// Guard starts the process that stands behind a run; nil: a real one.
	Guard func(lock string) (Guard, error)
	Options
}

// Guard starts processes and answers for them until it is closed.
type Guard interface {
	proc.Host
	Ready() error
	Close() error
}

// Run runs the blocks of a plan one after another; the first that fails ends
// it. The report is there in any case.
func (r *Runner) Run(ctx context.Context, plan *project.Plan) (*Report, error) {
	r.fill()
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fault.New(fault.Failed, "stopped after --timeout %s", r.Timeout))
		defer cancel()
	}
	rep := &Report{Status: state.Succeeded}
	rep.Environment, _ = r.Project.Environment()
	start := time.Now()
	defer func() { rep.Seconds = time.Since(start).Seconds() }()
	for i, b := range plan.Blocks {
		id := r.RunID
		if id == "" || i > 0 {
			id = newRunID()
		}
		block, err := r.block(ctx, id, b)
		rep.Blocks = append(rep.Blocks, block)
		if err != nil {
			block.fail(ctx, err)
			rep.Status = block.Status
			return rep, err
		}
	}
	return rep, nil
}

func (r *Runner) block(ctx context.Context, id string, b project.Block) (*BlockReport, error) {
	if err := ctx.Err(); err != nil {
		return &BlockReport{RunID: id}, context.Cause(ctx)
	}
	if b.Command != nil {
		return r.runCommand(ctx, id, b.Command)
	}
	return r.runSet(ctx, id, b.Set)
}

func (r *Runner) fill() {
	if r.LeaseTTL == 0 {
		r.LeaseTTL = 30 * time.Second
	}
	if r.Grace == 0 {
		r.Grace = 22 * time.Second
	}
	if r.Watcher == nil {
		r.Watcher = nobody{}
	}
	if r.Teller == nil {
		r.Teller = nobody{}
	}
	if r.Launched == nil {
		r.Launched = func() {}
	}
	if r.Guard == nil {
		r.Guard = func(lock string) (Guard, error) { return proc.StartGuard(r.Plugins.Self, lock) }
	}
	if r.Trigger == "" {
		r.Trigger = "cli"
	}
}

// folders is where the folders of running runs are, one per state id.
func (r *Runner) folders(name string) string {
	return filepath.Join(r.Project.SysDir(), "run", "elt", pathName(name))
}

// logFile is where a run's log is kept.
func (r *Runner) logFile(name, runID string) string {
	return filepath.Join(r.Project.SysDir(), "logs", "elt", pathName(name), runID, "elt.log")
}

// guard starts the guard of a run and waits until it holds the lock file:
// whoever reads of that file in the lease must find it held (invariant 8).
func (r *Runner) guard(f *folder) (Guard, error) {
	g, err := r.Guard(f.lock())
	if err != nil {
		return nil, err
	}
	if err := g.Ready(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// fail says in the report how a block failed.
func (b *BlockReport) fail(ctx context.Context, err error) {
	b.Status, b.Cause = state.Failed, err.Error()
	if ctx.Err() != nil {
		b.Status = state.Cancelled
	}
	if !b.Started.IsZero() {
		b.Seconds = time.Since(b.Started).Seconds()
	}
}

func newRunID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

// say logs what everybody should hear and keeps it in the report.
func (b *BlockReport) say(log zerolog.Logger, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.Notes = append(b.Notes, text)
	log.Warn().Msg(text)
}
