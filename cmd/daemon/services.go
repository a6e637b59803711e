package daemon

import (
	"context"
	"errors"
	"fmt"
)

// service is a part of the daemon that works until its context ends.
type service struct {
	name string
	run  func(context.Context) error
}

// runServices runs all of them until the context ends or one fails; then it
// stops them one by one, the last first.
func runServices(ctx context.Context, services []service) error {
	type running struct {
		stop context.CancelFunc
		done chan error
	}
	var all []running
	failed := make(chan error, len(services))
	for _, s := range services {
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := running{stop, make(chan error, 1)}
		all = append(all, r)
		go func() {
			err := s.run(own)
			if err != nil {
				err = fmt.Errorf("%s: %w", s.name, err)
				failed <- err
			}
			r.done <- err
		}()
	}
	select {
	case <-ctx.Done():
	case <-failed:
	}
	var errs []error
	for i := len(all) - 1; i >= 0; i-- {
		all[i].stop()
		errs = append(errs, <-all[i].done)
	}
	return errors.Join(errs...)
}
