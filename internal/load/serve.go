package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/logging"
	"elt/internal/secret"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/targets"
)

// IO are the streams of a target's process: STATE goes to Out, talk to Err.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// Serve runs a target with the command line that every Singer target has. It
// is here, not in package targets, because the contract must not know the
// machinery. The error says by its fault.Code how to exit. When ctx ends
// (SIGTERM), what a STATE covers is committed and nothing is published.
func Serve(ctx context.Context, target targets.Target, args []string, io IO, environ []string) error {
	s := target.Spec()
	a, err := parseArgs(s.Name, args)
	if err != nil {
		return err
	}
	switch {
	case a.help:
		return say(io.Out, usage(s))
	case a.version:
		return say(io.Out, fmt.Sprintf("%s, version %s\n", s.Name, version()))
	case a.about:
		text, err := s.About(a.format, version())
		if err != nil {
			return err
		}
		return say(io.Out, text)
	}
	raw, err := s.ReadConfig(a.configs, environ)
	if err != nil {
		return err
	}
	cfg, unknown, err := s.Resolve(raw)
	if err != nil {
		return err
	}
	redactor := &secret.Redactor{} // invariant 10
	redactor.Add(s.Secrets(cfg)...)
	stderr := redactor.Writer(io.Err)
	defer stderr.Flush()
	log := logging.Plugin(stderr)
	ctx = log.WithContext(ctx)
	if len(unknown) > 0 {
		log.Warn().Msgf("%s does not know these settings and ignores them: %s", s.Name, strings.Join(unknown, ", "))
	}
	if a.input != "" {
		f, err := os.Open(a.input)
		if err != nil {
			return fault.Wrap(fault.Usage, err, "%s: the input cannot be read", s.Name)
		}
		defer f.Close()
		io.In = f
	}
	return stopped(ctx, serve(ctx, target, cfg, io, environ, log))
}

// messages is the side of a session that takes Singer messages: of a foreign
// tap or of one of ours.
type messages interface {
	singer.Handler
	Reject(ctx context.Context, stream string, record json.RawMessage, cause error) error
	End() error
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

// stopped makes an error that is only the end of ctx say so.
func stopped(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || !errors.Is(err, context.Canceled) && !errors.Is(err, cause) {
		return fenced(err)
	}
	if fault.CodeOf(cause) != fault.Failed {
		return cause
	}
	return fault.Wrap(fault.Terminated, cause, "the target was stopped")
}

// fenced gives the loss of the state id to another run its exit code.
func fenced(err error) error {
	if err != nil && errors.Is(err, targets.ErrFenced) {
		return fault.Wrap(fault.Fenced, err, "nothing more was written")
	}
	return err
}

func say(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
