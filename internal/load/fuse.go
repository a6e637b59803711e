package load

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

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
	// Discover asks for what the tap finds, on a CatalogLine; which of it to
	// read comes on standard input then, in the place of Catalog.
	Discover bool
}

// CatalogLine begins the first line on stdout of a pair that was asked for what
// its tap finds: the catalog in one line, or nothing when that has failed.
const CatalogLine = "ELT_CATALOG "

// ReadCatalog reads the catalog that the runner hands over, nil for none.
func ReadCatalog(in io.Reader) (*singer.Catalog, error) {
	raw, err := io.ReadAll(in)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the catalog: %w", err)
	case len(raw) == 0:
		return nil, fault.New(fault.Failed, "no catalog came: the run was given up")
	case string(bytes.TrimSpace(raw)) == "null":
		return nil, nil
	}
	return singer.ParseCatalog(raw)
}

// source opens the tap and settles what is read.
func (f *Fused) source(ctx context.Context, std IO) (opened taps.Opened, err error) {
	var found []byte
	if opened, err = taps.Open(ctx, f.Tap, f.TapConfig); err == nil && f.Discover {
		var catalog *singer.Catalog
		if catalog, err = opened.Discover(ctx); err == nil {
			found, err = json.Marshal(catalog)
		}
	}
	if f.Discover {
		if said := program.Say(std.Out, CatalogLine+string(found)+"\n"); err == nil {
			err = said
		}
		if err == nil {
			f.Catalog, err = ReadCatalog(std.In)
		}
	}
	if err != nil && opened != nil {
		opened.Close()
		opened = nil
	}
	return opened, err
}

// Fuse runs a tap whose Output is the target itself. To its runner it behaves
// like any target: the claim, then STATE lines on stdout.
//
// A stream that fails does not stop the others; they finish, are committed,
// and the error names the one that failed. When ctx ends, what a position
// covers is committed and nothing is published; the error is then Terminated.
func Fuse(ctx context.Context, f Fused, std IO, environ []string) (err error) {
	tap, target := f.Tap.Spec(), f.Target.Spec()
	talk := program.NewTalk(std, tap.Secrets(f.TapConfig, ""), target.Secrets(f.TargetConfig, ""))
	defer talk.Close()
	ctx = talk.Log.WithContext(ctx)

	env, err := parseEnviron(environ)
	if err != nil {
		return err
	}
	defer env.close()
	var source taps.Opened
	var failed error
	var opening sync.WaitGroup
	connecting, stop := context.WithCancel(ctx)
	defer stop()
	opening.Go(func() {
		if source, failed = f.source(ctx, std); failed != nil {
			stop()
		}
	})
	if _, ok := f.Target.(targets.Remote); !ok { // Open may make a file
		opening.Wait()
	}
	var s *Session
	if err = connecting.Err(); err == nil {
		s, err = openSession(connecting, f.Target, f.TargetConfig, env, std.Out, talk.Log)
	}
	opening.Wait()
	if s != nil {
		defer func() { err = errors.Join(err, s.Close()) }()
	}
	if source != nil {
		defer source.Close()
	}
	if err = cmp.Or(failed, err); err != nil {
		return stopped(ctx, err)
	}
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
	read := func(ctx context.Context, out taps.Output) error {
		return source.Sync(ctx, f.Catalog.BeginAt(bookmarks.Interrupted()), bookmarks, out)
	}
	if env.claim != nil && env.claim.Limits.Any() {
		return stopped(ctx, fuseLimited(ctx, env.claim.Limits, out, read))
	}
	err = read(ctx, out)
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
func fuseLimited(ctx context.Context, limits limit.Limits, out *Output, read func(context.Context, taps.Output) error) error {
	over, err := (&limitedOutput{out, limit.NewGauge(limits)}).sync(ctx, read)
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
