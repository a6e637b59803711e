// Package retention deletes old runs, executions, slots and incidents from the
// state store, and the logs that go with them, by age and by count: never what
// runs, nor the newest of its kind.
//
// Rows are deleted first, then their logs: a log without a row is found again
// by its age, a row without its log would promise what is gone. A daemon knows
// only the logs of its own machine; those of rows that another one deleted go
// when they are old enough.
package retention

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/state"
)

// Store is what is pruned: state.Store has it.
type Store interface {
	PruneRuns(ctx context.Context, keep int, age time.Duration) ([]string, error)
	PruneExecutions(ctx context.Context, keep int, age time.Duration) ([]string, error)
	PruneIncidents(ctx context.Context, age time.Duration) error
	PruneLogs(ctx context.Context) error
	Run(ctx context.Context, runID string) (state.Run, error)
	Execution(ctx context.Context, id string) (state.Execution, error)
}

// Pruner deletes what is old.
type Pruner struct {
	Store Store
	// Rows: it prunes the store too, not only the logs of this machine.
	Rows bool
	// Keep is how many runs of a state id, and executions of a name, stay; 0: all.
	Keep int
	// Age is how old things become; 0: any age.
	Age time.Duration
	// Logs is the folder of the logs: runs in NAME/RUN/, executions in executions/.
	Logs string
	Log  zerolog.Logger
}

const (
	// first is when a daemon prunes for the first time, every how often after that.
	first = 5 * time.Minute
	every = time.Hour
)

// Run prunes every hour until the context ends.
func (p *Pruner) Run(ctx context.Context) error {
	wait := first
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := p.Once(ctx, time.Now()); err != nil && ctx.Err() == nil {
			p.Log.Warn().Err(err).Msg("old runs and logs are not pruned; trying again in an hour")
		}
		wait = every
	}
}

// Once prunes now.
func (p *Pruner) Once(ctx context.Context, now time.Time) error {
	gone := 0
	if p.Rows && (p.Keep > 0 || p.Age > 0) {
		paths, err := p.Store.PruneRuns(ctx, p.Keep, p.Age)
		for _, path := range paths {
			gone++
			err = errors.Join(err, p.remove(filepath.Dir(path)))
		}
		if err != nil {
			return fmt.Errorf("prune runs: %w", err)
		}
		ids, err := p.Store.PruneExecutions(ctx, p.Keep, p.Age)
		for _, id := range ids {
			gone++
			err = errors.Join(err, p.remove(filepath.Join(p.Logs, executions, filepath.Base(id)+".log")))
		}
		if err != nil {
			return fmt.Errorf("prune executions: %w", err)
		}
		if err := p.Store.PruneLogs(ctx); err != nil && fault.CodeOf(err) != fault.StoreSchema {
			return fmt.Errorf("prune the copies of logs: %w", err)
		}
		if p.Age > 0 {
			if err := p.Store.PruneIncidents(ctx, p.Age); err != nil {
				return fmt.Errorf("prune incidents: %w", err)
			}
		}
	}
	swept, err := p.sweep(ctx, now)
	if gone+swept > 0 {
		p.Log.Info().Int("runs", gone).Int("logs_without_a_run", swept).Msg("old runs and logs are deleted")
	}
	return err
}

const executions = "executions"

// remove deletes a file or folder below the logs, and nothing else: a path may
// come from another machine.
func (p *Pruner) remove(path string) error {
	rel, err := filepath.Rel(p.Logs, path)
	if err != nil || rel == "." || rel == executions || !filepath.IsLocal(rel) {
		return nil
	}
	return os.RemoveAll(path)
}

// sweep deletes logs older than Age of which the store knows no run.
func (p *Pruner) sweep(ctx context.Context, now time.Time) (n int, err error) {
	if p.Age <= 0 {
		return 0, nil
	}
	names, err := os.ReadDir(p.Logs)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		folder := filepath.Join(p.Logs, name.Name())
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue // no folder
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || now.Sub(info.ModTime()) < p.Age {
				continue
			}
			if known, err := p.known(ctx, name.Name(), e.Name()); known || err != nil {
				if err != nil {
					return n, err
				}
				continue
			}
			if err := p.remove(filepath.Join(folder, e.Name())); err != nil {
				return n, err
			}
			n++
		}
		if name.Name() != executions {
			_ = os.Remove(folder) // only when nothing is left in it
		}
	}
	return n, nil
}

// known says whether the store has what a log belongs to.
func (p *Pruner) known(ctx context.Context, folder, entry string) (bool, error) {
	var err error
	if id, ok := strings.CutSuffix(entry, ".log"); folder == executions && ok {
		_, err = p.Store.Execution(ctx, id)
	} else {
		_, err = p.Store.Run(ctx, entry)
	}
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	return true, err
}
