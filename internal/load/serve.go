package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/program"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/targets"
)

// IO are the streams of a target's process.
type IO = program.IO

// Serve runs a target with the command line that every Singer target has. It
// is here, not in package targets, because the contract must not know the
// machinery. The error says by its fault.Code how to exit. When ctx ends
// (SIGTERM), what a STATE covers is committed and nothing is published.
func Serve(ctx context.Context, target targets.Target, args []string, io IO, environ []string) error {
	s := target.Spec()
	var input string
	var checking program.Checking
	p, err := program.Program{Spec: s, Usage: usage(s), Flags: []program.Flag{
		program.Text(func(v string) { input = v }, "--input"), checking.Flag(s.Name),
	}}.Start(args, io, environ)
	if p == nil {
		return checking.Refused(err, io.Out)
	}
	defer p.Close()
	if checking.On {
		return stopped(ctx, examine(p.Log.WithContext(ctx), target, p, checking.Patience, io.Out))
	}
	if input != "" {
		f, err := os.Open(input)
		if err != nil {
			return fault.Wrap(fault.Usage, err, "%s: the input cannot be read", s.Name)
		}
		defer f.Close()
		io.In = f
	}
	ctx = p.Log.WithContext(ctx)
	return stopped(ctx, serve(ctx, target, p.Config, io, environ, p.Log))
}

// messages is the side of a session that takes Singer messages: of a foreign
// tap or of one of ours.
type messages interface {
	singer.Handler
	Reject(ctx context.Context, stream string, record json.RawMessage, cause error) error
	End() error
	Suspend() error
	Stop() error
	Discard() error
}

func (s *Session) messages(ctx context.Context, peer bool) messages {
	if peer {
		return s.peerInput(ctx)
	}
	return s.Input(ctx)
}

// serve loads one Singer stream.
func serve(ctx context.Context, target targets.Target, cfg spec.Config, io IO, environ []string, log zerolog.Logger) (err error) {
	env, err := parseEnviron(environ)
	if err != nil {
		return err
	}
	defer env.close()
	reading, err := ReaderOptions(cfg)
	if err != nil {
		return err
	}
	s, err := openSession(ctx, target, cfg, env, io.Out, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if env.claim != nil {
		if _, err := s.Claim(ctx, *env.claim); err != nil {
			return err
		}
	}
	in := s.messages(ctx, env.peer)
	reading.Warn = func(text string) { log.Warn().Msg(text) }
	reading.OnBad = func(b singer.BadRecord) error { return in.Reject(ctx, b.Stream, b.Raw, b.Err) }
	end, err := singer.NewReader(io.In, reading).Run(ctx, in)
	switch {
	case err == nil && end.Stopped:
		return in.Suspend()
	case err == nil && (end.Said || !env.needsEnd):
		return in.End()
	case err == nil:
		return errors.Join(fault.New(fault.Failed, "the input ended without its end line, so the tap did not finish").
			WithHint("what was committed stays; the rest is discarded, and the next run goes on from the bookmark"), in.Discard())
	case ctx.Err() != nil:
		if failed := in.Stop(); failed != nil {
			return failed
		}
		return err
	}
	if failed := in.Discard(); failed != nil && failed.Error() != err.Error() { // not what the reader was told already
		return errors.Join(err, failed)
	}
	return err
}

func stopped(ctx context.Context, err error) error {
	return fenced(program.Stopped(ctx, err, "the target was stopped"))
}

// fenced gives the loss of the state id to another run its exit code.
func fenced(err error) error {
	if err != nil && errors.Is(err, targets.ErrFenced) {
		return fault.Wrap(fault.Fenced, err, "nothing more was written")
	}
	return err
}

func usage(s spec.Spec) string {
	return fmt.Sprintf(`%[2]s

Usage: %[1]s [--config FILE]... [--input FILE]

  -c, --config FILE      settings as JSON; may be repeated, later files win;
                         the word ENV reads %[3]s and the like
      --input FILE       read messages from a file instead of standard input
      --check[=PATIENCE] try the connection and print JSON lines of results
      --about            what it is and can; --format json or markdown
      --version
      --help

Reads Singer messages from standard input. STATE goes to standard output once
the rows before it are committed, logs go to standard error.
`, s.Name, s.Summary, spec.EnvName(s.Name, "setting"))
}
