package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/proc"
	"elt/state"
)

// Queue is what a worker needs of the store: state.Queue has it.
type Queue interface {
	Take(ctx context.Context, worker, project, environment string, queues []string) (state.Execution, error)
	Keep(ctx context.Context, id, worker string) (state.Execution, error)
	End(ctx context.Context, e state.Execution, next ...state.Execution) error
	HandBack(ctx context.Context, id, worker string) error
	Lose(ctx context.Context, project, environment string, silent time.Duration, next func(state.Execution) []state.Execution) ([]state.Execution, error)
}

// Worker runs executions of one project and environment.
type Worker struct {
	Queue       Queue
	Name        string // unique on the store, also over restarts
	Project     string
	Environment string
	Queues      []string // that it takes from; none: only the nameless one
	Slots       int      // runs at the same time
	Host        proc.Host
	// Command is the process of an execution, without its output.
	Command func(state.Execution) (proc.Command, error)
	// Log is the path of an execution's log.
	LogPath func(id string) string
	// After says what follows an execution that has ended.
	After func(e state.Execution, now time.Time) []state.Execution
	// Ended is told of each end, when the store knows of it; may be nil.
	Ended func(state.Execution)
	Log   zerolog.Logger

	// Grace is how long a run may take to stop; it keeps its bookmark then.
	Grace time.Duration
	// Beat is the time between two signs of life, Silent how long without one
	// a worker counts as dead.
	Beat, Silent time.Duration

	wake chan struct{}
}

const (
	// idle is how long a worker that was not woken waits to look again.
	idle = 2 * time.Second
	// again is how long it waits for a store that is away.
	again = 2 * time.Second
)

// New fills in what is usual.
func New(w Worker) *Worker {
	if w.Slots < 1 {
		w.Slots = 1
	}
	if w.Grace == 0 {
		w.Grace = 20 * time.Second
	}
	if w.Beat == 0 {
		w.Beat = 3 * time.Second
	}
	if w.Silent == 0 {
		w.Silent = 12 * time.Second
	}
	w.wake = make(chan struct{}, 1)
	return &w
}

// Wake says that there may be something to take.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run takes and runs until the context ends; then it stops what runs, hands
// it back to the queue and returns.
func (w *Worker) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { w.reap(ctx) })
	free := make(chan struct{}, w.Slots)
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		e, ok := w.take(ctx)
		if !ok {
			return nil
		}
		running.Go(func() {
			defer func() { <-free; w.Wake() }()
			w.run(ctx, e)
		})
	}
}

// take waits for an execution; false when the context ended.
func (w *Worker) take(ctx context.Context) (state.Execution, bool) {
	away := false
	for {
		e, err := w.Queue.Take(ctx, w.Name, w.Project, w.Environment, w.Queues)
		wait := idle
		switch {
		case err == nil:
			return e, true
		case ctx.Err() != nil:
			return e, false
		case !errors.Is(err, state.ErrNotFound):
			if !away {
				w.Log.Error().Err(err).Msg("the queue cannot be read; trying on")
			}
			away, wait = true, again
		default:
			away = false
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return e, false
		}
	}
}

// reap declares executions lost whose workers are silent. It must itself have
// seen the store for as long: while the store was away nobody could give a
// sign of life (invariant 6).
func (w *Worker) reap(ctx context.Context) {
	ticker := time.NewTicker(w.Beat)
	defer ticker.Stop()
	seen := time.Time{}
	for {
		var lost []state.Execution
		var err error
		if !seen.IsZero() && time.Since(seen) > w.Silent {
			lost, err = w.Queue.Lose(ctx, w.Project, w.Environment, w.Silent, func(e state.Execution) []state.Execution {
				return w.After(e, time.Now())
			})
		} else {
			// Asks the store for nothing, to see that it is there.
			_, err = w.Queue.Lose(ctx, w.Project, w.Environment, 365*24*time.Hour, nil)
		}
		switch {
		case err != nil:
			seen = time.Time{}
		case seen.IsZero():
			seen = time.Now()
		}
		for _, e := range lost {
			w.Log.Warn().Str("run", e.ID).Str("name", e.Name).Str("worker", e.Worker).Msg("its worker vanished; the run is lost")
			if w.Ended != nil {
				w.Ended(e)
			}
			w.Wake()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
