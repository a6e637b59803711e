package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"elt/state"
)

// watch tells those who wait when runs have ended, and those who look on how
// far they are. However many wait, it asks the store once in a while, and only
// while somebody waits.
type watch struct {
	store Store
	log   zerolog.Logger
	wake  chan struct{}

	mu      sync.Mutex
	waiting map[string]*ending
}

// ending is a run that somebody waits for.
type ending struct {
	done chan struct{} // closed when it has ended, or is gone
	who  int
	// onlookers are told of the steps of the run, the newest news only.
	onlookers map[chan []state.Run]bool
}

const (
	// look is how often the store is asked for ends.
	look = 500 * time.Millisecond
	// lookOn is how often it is asked for progress.
	lookOn = 2 * time.Second
)

func newWatch(store Store, log zerolog.Logger) *watch {
	return &watch{store: store, log: log, wake: make(chan struct{}, 1), waiting: map[string]*ending{}}
}

// ended gives a channel that is closed when a run has ended; release says that
// nobody waits any more.
func (w *watch) ended(id string) (done <-chan struct{}, release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.waiting[id]
	if e == nil {
		e = &ending{done: make(chan struct{})}
		w.waiting[id] = e
	}
	e.who++
	w.Look()
	return e.done, sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if e.who--; e.who == 0 && w.waiting[id] == e {
			delete(w.waiting, id)
		}
	})
}

// progress gives a channel for the steps of a run that somebody waits for, as
// they are every few seconds; release ends that.
func (w *watch) progress(id string) (steps <-chan []state.Run, release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan []state.Run, 1)
	e := w.waiting[id]
	if e == nil { // it has ended meanwhile
		return c, func() {}
	}
	if e.onlookers == nil {
		e.onlookers = map[chan []state.Run]bool{}
	}
	e.onlookers[c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(e.onlookers, c)
	}
}

// Look makes it ask the store now.
func (w *watch) Look() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// wait waits for the end of a run, a time, or a stop.
func (w *watch) wait(ctx context.Context, id string, limit time.Duration, stop <-chan struct{}) {
	done, release := w.ended(id)
	defer release()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-stop:
	case <-ctx.Done():
	}
}

func (w *watch) run(ctx context.Context) {
	tick, slow := time.NewTicker(look), time.NewTicker(lookOn)
	defer tick.Stop()
	defer slow.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-slow.C:
			w.onlook(ctx)
			continue
		case <-tick.C:
		case <-w.wake:
		}
		w.once(ctx)
	}
}

// once asks for all that are waited for.
func (w *watch) once(ctx context.Context) {
	w.mu.Lock()
	ids := make([]string, 0, len(w.waiting))
	for id := range w.waiting {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	active, err := w.store.Executions(ctx, state.Which{Statuses: []string{state.Queued, state.Running}})
	if err != nil {
		if ctx.Err() == nil {
			w.log.Debug().Err(err).Msg("the store cannot be asked about runs")
		}
		return
	}
	going := map[string]bool{}
	for _, e := range active {
		going[e.ID] = true
	}
	for _, id := range ids {
		if !going[id] && w.over(ctx, id) {
			w.tell(id)
		}
	}
}

// over asks for one run: a local one is not in the queue.
func (w *watch) over(ctx context.Context, id string) bool {
	if e, err := w.store.Execution(ctx, id); !errors.Is(err, state.ErrNotFound) {
		return err == nil && e.Over()
	}
	r, err := w.store.Run(ctx, id)
	return errors.Is(err, state.ErrNotFound) || err == nil && r.Ended != nil
}

func (w *watch) tell(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.waiting[id]; e != nil {
		close(e.done)
		delete(w.waiting, id)
	}
}

// onlook tells all onlookers how far their runs are.
func (w *watch) onlook(ctx context.Context) {
	w.mu.Lock()
	var ids []string
	for id, e := range w.waiting {
		if len(e.onlookers) > 0 {
			ids = append(ids, id)
		}
	}
	w.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	steps, err := w.steps(ctx, ids)
	if err != nil {
		if ctx.Err() == nil {
			w.log.Debug().Err(err).Msg("the store cannot be asked how far runs are")
		}
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, runs := range steps {
		if e := w.waiting[id]; e != nil {
			for c := range e.onlookers {
				select {
				case <-c: // older news, not heard yet
				default:
				}
				c <- runs
			}
		}
	}
}

// steps are the block runs of executions; a local run is its own.
func (w *watch) steps(ctx context.Context, ids []string) (map[string][]state.Run, error) {
	steps := map[string][]state.Run{}
	runs, err := w.store.RunsOf(ctx, ids...)
	for _, r := range runs {
		steps[r.Execution] = append(steps[r.Execution], r)
	}
	for _, id := range ids {
		if steps[id] != nil || err != nil {
			continue
		}
		r, one := w.store.Run(ctx, id)
		switch {
		case one == nil:
			steps[id] = []state.Run{r}
		case !errors.Is(one, state.ErrNotFound): // an execution without a step yet is not found
			err = one
		}
	}
	return steps, err
}
