package taps

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

var errStopped = errors.New("stopped because another stream failed")

// Each syncs streams, at most limit of them at the same time. One that fails
// ends itself and the others go on, or, if stop, end too. The error has all
// that failed, by name.
func Each[S any](ctx context.Context, limit int, stop bool, streams []S, name func(S) string, sync func(context.Context, S) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	failed := make([]error, len(streams))
	var group errgroup.Group // no shared context: a stream that fails stops no other
	group.SetLimit(max(1, limit))
	for n, s := range streams {
		group.Go(func() error {
			err := context.Cause(ctx)
			if err == nil {
				err = sync(ctx, s)
			}
			if err == nil {
				return nil
			}
			failed[n] = fmt.Errorf("stream %q: %w", name(s), err)
			if stop {
				cancel(errStopped)
			}
			return nil
		})
	}
	_ = group.Wait() // failed has the errors
	return errors.Join(failed...)
}
