package taps

import (
	"context"
	"io"

	"elt/internal/fault"
	"elt/internal/program"
	"elt/internal/spec"
)

// Authorizer is a Tap to which a person can give a lasting login in a
// browser (--authorize).
type Authorizer interface {
	// Authorize says on out where to log in, waits for it, and keeps the
	// login where Sync finds it. It returns a sentence of what was done.
	Authorize(ctx context.Context, cfg spec.Config, out io.Writer) (string, error)
}

func authorize(ctx context.Context, tap Tap, cfg spec.Config, out io.Writer) error {
	a, ok := tap.(Authorizer)
	if !ok {
		return fault.New(fault.Usage, "%s has no login by browser", tap.Spec().Name)
	}
	done, err := a.Authorize(ctx, cfg, out)
	if err != nil {
		return stopped(ctx, err)
	}
	return program.Say(out, done+"\n")
}
