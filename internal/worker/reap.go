package worker

import (
	"context"
	"time"

	"elt/state"
)

// reap declares executions lost whose workers are silent. It must itself have
// seen the store for as long: while the store was away nobody could give a
// sign of life (invariant 6).
func (w *Worker) reap(ctx context.Context) {
	ticker := time.NewTicker(w.Beat / 3)
	defer ticker.Stop()
	seen := time.Time{}
	var unheard map[string]bool
	for {
		sure := !seen.IsZero() && time.Since(seen) > w.Silent
		w.book.beSure(sure)
		list, err := w.silent(ctx, sure)
		if err == nil && !w.Executor.Outlives() { // those are taken over when they are silent
			unheard, err = w.unheard(ctx, unheard)
		}
		switch {
		case err != nil:
			seen = time.Time{}
		case seen.IsZero():
			seen = time.Now()
		}
		for _, e := range list {
			w.Log.Warn().Str("run", e.ID).Str("name", e.Name).Str("worker", e.Worker).Msg("its worker vanished; the run is lost")
			for _, told := range w.Ended {
				told(e)
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

// silent declares lost what has been silent for too long. If not sure it asks
// the store for nothing, to see that it is there.
func (w *Worker) silent(ctx context.Context, sure bool) ([]state.Execution, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !sure {
		return w.Queue.Lose(ctx, w.Project, w.Environment, 365*24*time.Hour, nil)
	}
	return w.Queue.Lose(ctx, w.Project, w.Environment, w.Silent, func(e state.Execution) []state.Execution {
		if w.After == nil {
			return nil
		}
		return w.After(e, time.Now())
	})
}

// unheard hands back executions that the store gave to this worker in answers
// that got lost with their connection. One is believed to be such when it was
// seen twice while no answer was under way.
func (w *Worker) unheard(ctx context.Context, before map[string]bool) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if w.book.isTaking() {
		return nil, nil
	}
	mine, err := w.Queue.Executions(ctx, state.Which{Project: w.Project, Environment: w.Environment, Worker: w.Name, Status: state.Running})
	if err != nil || w.book.isTaking() {
		return nil, err
	}
	now := map[string]bool{}
	for _, e := range mine {
		switch {
		case w.book.runs(e.ID):
		case !before[e.ID]:
			now[e.ID] = true
		default:
			w.Log.Warn().Str("run", e.ID).Msg("the store's answer that gave us this run got lost; handing it back")
			if err := w.Queue.HandBack(ctx, e.ID, w.Name); err != nil {
				return now, err
			}
		}
	}
	return now, nil
}
