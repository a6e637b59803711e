package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/logging"
	"elt/internal/secret"
	"elt/internal/spec"
)

// IO are the streams of a connector's process: messages (of a target STATE)
// go to Out, talk to Err.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	// Hide, where set, is told every secret of the settings, for whoever
	// prints the connector's error (invariant 10).
	Hide func(secrets ...string)
}

// Program is a connector before its start.
type Program struct {
	Spec  spec.Spec
	Usage string // what --help prints
	Flags []Flag // beside those that all have
}

// Started is a connector whose settings are read. Close it.
type Started struct {
	Config spec.Config
	*Talk
}

// Start reads the command line and the settings. A line that only asks
// (--help, --version, --about) is answered, and nil returned.
func (p Program) Start(args []string, io IO, environ []string) (*Started, error) {
	var configs []string
	var format string
	var help, version, about bool
	flags := append([]Flag{
		Text(func(v string) { configs = append(configs, v) }, "-c", "--config"),
		Text(func(v string) { format = v }, "--format"),
		Switch(&about, "--about"), Switch(&version, "--version"), Switch(&help, "-h", "--help"),
	}, p.Flags...)
	if err := parse(p.Spec.Name, args, flags); err != nil {
		return nil, err
	}
	switch {
	case help:
		return nil, Say(io.Out, p.Usage)
	case version:
		return nil, Say(io.Out, fmt.Sprintf("%s, version %s\n", p.Spec.Name, release()))
	case about:
		text, err := p.Spec.About(format, release())
		if err != nil {
			return nil, err
		}
		return nil, Say(io.Out, text)
	}
	raw, err := p.Spec.ReadConfig(configs, environ)
	if err != nil {
		return nil, err
	}
	cfg, unknown, err := p.Spec.Resolve(raw)
	if err != nil {
		return nil, err
	}
	s := &Started{cfg, NewTalk(io, p.Spec.Secrets(cfg, ""))}
	if len(unknown) > 0 {
		s.Log.Warn().Msgf("%s does not know these settings and ignores them: %s", p.Spec.Name, strings.Join(unknown, ", "))
	}
	return s, nil
}

// Talk is what a process says on standard error, secrets masked (invariant 10).
type Talk struct {
	Log zerolog.Logger
	r   *secret.Redactor
	w   *secret.Writer
}

// NewTalk masks secrets in everything that is logged to io.Err. Close it.
func NewTalk(io IO, secrets ...[]string) *Talk {
	redactor := &secret.Redactor{}
	for _, s := range secrets {
		redactor.Add(s...)
		if io.Hide != nil {
			io.Hide(s...)
		}
	}
	masked := redactor.Writer(io.Err)
	return &Talk{logging.Plugin(masked), redactor, masked}
}

// Hide is text with the secrets masked.
func (t *Talk) Hide(text string) string { return t.r.String(text) }

// Close writes what is held back.
func (t *Talk) Close() { t.w.Flush() }

// Say prints a text.
func Say(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// Stopped makes an error that is only the end of ctx say so, with the words of what.
func Stopped(ctx context.Context, err error, what string) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || !errors.Is(err, context.Canceled) && !errors.Is(err, cause) {
		return err
	}
	if fault.CodeOf(cause) != fault.Failed {
		return cause
	}
	return fault.Wrap(fault.Terminated, cause, "%s", what)
}

func release() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
