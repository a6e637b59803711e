package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"elt/state"
)

// watch tells those who wait when runs have ended. However many wait, it asks
// the store once in a while, and only while somebody waits.
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
}

// look is how often the store is asked.
const look = 500 * time.Millisecond

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
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
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
