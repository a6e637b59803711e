package jdbc

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// tap is tap-jdbc.
type tap struct{}

// New makes the tap.
func New() taps.Tap { return tap{} }

// Discover lists tables, views, and the streams of the settings.
func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	w := &worker{set: s}
	defer w.close()
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	streams, err := w.discover()
	if err != nil {
		return nil, err
	}
	return catalog(streams)
}

// Sync reads the selected streams, each worker over a connection of its own.
func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	s, err := decode(cfg)
	if err != nil {
		return err
	}
	first := &worker{set: s, out: out, pool: row.NewPool(batchBytes + batchBytes/8), warned: map[string]bool{}}
	defer first.close()
	if err := first.connect(ctx); err != nil {
		return err
	}
	selected, err := first.selected(catalog)
	if err != nil {
		return err
	}
	var plans []*plan
	for _, sel := range selected {
		p, err := newPlan(sel, s, bookmarks)
		if err != nil {
			return fmt.Errorf("stream %q: %w", sel.id, err)
		}
		plans = append(plans, p)
	}
	return errors.Join(run(ctx, first, plans, s.OnError == "stop")...)
}

// selected are the streams to read; without a catalog, all that discovery finds.
func (w *worker) selected(catalog *singer.Catalog) ([]selection, error) {
	var out []selection
	if catalog == nil {
		streams, err := w.discover()
		for _, f := range streams {
			out = append(out, f.selection)
		}
		return out, err
	}
	for _, cs := range catalog.Selected() {
		out = append(out, selectionOf(cs, w.set))
	}
	return out, nil
}

// run shares plans among workers and returns the errors of those that failed.
func run(ctx context.Context, first *worker, plans []*plan, stopAtFirst bool) []error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan *plan, len(plans))
	for _, p := range plans {
		todo <- p
	}
	close(todo)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	for i := range max(1, min(first.out.Parallel(), first.set.Parallelism, len(plans))) {
		w := first
		if i > 0 {
			w = &worker{set: first.set, out: first.out, pool: first.pool, warned: map[string]bool{}}
		}
		wg.Go(func() {
			defer w.close()
			for p := range todo {
				if ctx.Err() != nil {
					return
				}
				err := w.sync(ctx, p)
				if err == nil {
					continue
				}
				if ctx.Err() != nil {
					err = context.Cause(ctx)
				}
				mu.Lock()
				failed = append(failed, fmt.Errorf("stream %q: %w", p.id, err))
				mu.Unlock()
				if stopAtFirst {
					cancel(errStopped)
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && len(failed) == 0 {
		failed = append(failed, err)
	}
	return failed
}

var errStopped = errors.New("stopped because another stream failed")
