package load

import (
	"context"
	"errors"

	"elt/internal/fault"
	"elt/internal/limit"
	"elt/internal/program"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/targets"
)

// Fused is a tap and a target that run in one process.
type Fused struct {
	Tap          taps.Tap
	TapConfig    spec.Config
	Catalog      *singer.Catalog  // nil: all the tap finds
	Bookmarks    singer.Bookmarks // where to start, unless a claim decides
	Target       targets.Target
	TargetConfig spec.Config
}

// Fuse runs a tap whose Output is the target itself. To its runner it behaves
// like any target: the claim, then STATE lines on stdout.
//
// A stream that fails does not stop the others; they finish, are committed,
// and the error names the one that failed. When ctx ends, what a position
// covers is committed and nothing is published; the error is then Terminated.
func Fuse(ctx context.Context, f Fused, io IO, environ []string) (err error) {
	tap, target := f.Tap.Spec(), f.Target.Spec()
	talk := program.NewTalk(io, tap.Secrets(f.TapConfig, ""), target.Secrets(f.TargetConfig, ""))
	defer talk.Close()
	ctx = talk.Log.WithContext(ctx)

	env, err := parseEnviron(environ)
	if err != nil {
		return err
	}
	defer env.close()
	s, err := openSession(ctx, f.Target, f.TargetConfig, env, io.Out, talk.Log)
	if err != nil {
		return stopped(ctx, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	bookmarks := f.Bookmarks
	if s.overwrites() {
		bookmarks = singer.Bookmarks{}
	}
	if env.claim != nil {
		d, err := s.Claim(ctx, *env.claim)
		if err != nil {
			return stopped(ctx, err)
		}
		bookmarks = d.Bookmarks
	}
	reading, err := ReaderOptions(f.TargetConfig)
	if err != nil {
		return err
	}
	out := s.Output(bookmarks)
	_, free := f.Tap.(taps.NULFree)
	out.clean = cleaner{policy: reading.NUL, textFree: free, warn: s.warn}
	sync := func(ctx context.Context, out taps.Output) error {
		return f.Tap.Sync(ctx, f.TapConfig, f.Catalog, bookmarks, out)
	}
	if env.claim != nil && env.claim.Limits.Any() {
		return stopped(ctx, fuseLimited(ctx, env.claim.Limits, out, sync))
	}
	err = sync(ctx, out)
	complete := err == nil && ctx.Err() == nil
	if closed := out.Close(ctx, complete); closed != nil && err == nil {
		err = closed // otherwise the tap has met it
	}
	if err == nil && !complete {
		err = ctx.Err()
	}
	return stopped(ctx, err)
}

// fuseLimited is the work of a pair within limits.
func fuseLimited(ctx context.Context, limits limit.Limits, out *Output, sync func(context.Context, taps.Output) error) error {
	over, err := (&limitedOutput{out, limit.NewGauge(limits)}).sync(ctx, sync)
	if over != nil && err == nil && ctx.Err() == nil {
		if err := out.suspended(ctx); err != nil || limits.PerStream > 0 {
			return err
		}
		return fault.New(fault.LimitReached, "%v", over)
	}
	if closed := out.Close(ctx, err == nil && ctx.Err() == nil); closed != nil && err == nil {
		err = closed
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}
