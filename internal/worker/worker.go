package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"elt/state"
)

// Queue is what a worker needs of the store: state.Queue has it.
type Queue interface {
	Take(ctx context.Context, f state.From) (state.Execution, error)
	TakeOver(ctx context.Context, worker, project, environment string, silent time.Duration) (state.Execution, error)
	Executions(ctx context.Context, w state.Which) ([]state.Execution, error)
	Keep(ctx context.Context, id, worker string) (state.Execution, error)
	End(ctx context.Context, e state.Execution, next ...state.Execution) error
	HandBack(ctx context.Context, id, worker string) error
	Lose(ctx context.Context, project, environment string, silent time.Duration, next func(state.Execution) []state.Execution) ([]state.Execution, error)
}

// Worker runs executions of one project and environment.
type Worker struct {
	Queue       Queue
	Name        string // unique on the store, also over restarts; begins with state.Elsewhere where the executor's runs outlive it
	Project     string
	Environment string
	Queues      []string              // that it takes from; none: all
	Limits      func() map[string]int // of queues, over all workers; may be nil
	Slots       int                   // runs at the same time
	Executor    Executor
	// LogPath is the path of an execution's log.
	LogPath func(id string) string
	// Copies of logs go to the store.
	Copies Copies
	// After says what follows an execution that has ended.
	After func(e state.Execution, now time.Time) []state.Execution
	// Ended are told of each end, when the store knows of it.
	Ended []func(state.Execution)
	Log   zerolog.Logger

	// Grace is how long a run may take to stop; it keeps its bookmark then.
	Grace time.Duration
	// Beat is the time between two signs of life, Silent how long without one
	// a worker counts as dead.
	Beat, Silent time.Duration

	wake chan struct{}
	book *book
}

// book is what a worker knows of its executions.
type book struct {
	mu      sync.Mutex
	taking  bool // an answer of the queue is awaited
	running map[string]bool
	ships   sync.WaitGroup // copies of logs under way
	sure    bool           // the store was there for long enough to call others silent
}

const (
	// idle is how long a worker that was not woken waits to look again.
	idle = time.Second
	// again is how long it waits for a store that is away.
	again = 2 * time.Second
	// patience is how long one answer of the store is waited for.
	patience = 10 * time.Second
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
	w.wake, w.book = make(chan struct{}, 1), &book{running: map[string]bool{}}
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
	defer w.book.ships.Wait()
	var running sync.WaitGroup
	defer running.Wait()
	free := make(chan struct{}, w.Slots)
	begin := func(e state.Execution) {
		running.Go(func() {
			defer func() {
				w.book.forget(e.ID)
				<-free
				w.Wake()
			}()
			w.run(ctx, e)
		})
	}
	running.Go(func() { w.reap(ctx) })
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
		begin(e)
	}
}

// take waits for an execution; false when the context ended.
func (w *Worker) take(ctx context.Context) (state.Execution, bool) {
	away := false
	for {
		e, err := w.next(ctx)
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

// next is one that another worker left behind, or the queue's next.
func (w *Worker) next(ctx context.Context) (e state.Execution, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sure := w.book.ask()
	defer func() {
		if !w.book.answer(e.ID, err) {
			err = state.ErrNotFound
		}
	}()
	if w.Executor.Outlives() && sure {
		e, err = w.Queue.TakeOver(ctx, w.Name, w.Project, w.Environment, w.Silent)
		if !errors.Is(err, state.ErrNotFound) {
			return e, err
		}
	}
	from := state.From{Worker: w.Name, Project: w.Project, Environment: w.Environment, Queues: w.Queues}
	if w.Limits != nil {
		from.Limits = w.Limits()
	}
	return w.Queue.Take(ctx, from)
}

// ask notes that an answer is awaited.
func (b *book) ask() (sure bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taking = true
	return b.sure
}

// answer notes what came; false when the execution runs here already (while
// the store was away it became silent, and was taken over from ourselves).
func (b *book) answer(id string, err error) (new bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taking = false
	if err != nil {
		return true
	}
	new = !b.running[id]
	b.running[id] = true
	return new
}

func (b *book) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, id)
}

func (b *book) isTaking() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taking
}

func (b *book) runs(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running[id]
}

func (b *book) beSure(sure bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sure = sure
}
