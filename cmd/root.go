// Package cmd builds the App and the command tree, and turns errors into text
// and exit codes. It is the only importer of taps/all and targets/all.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/logging"
	"elt/internal/proc"
	"elt/internal/secret"
)

// Main runs the program and returns its exit code.
func Main() (code int) {
	if len(os.Args) > 1 && os.Args[1] == "guard" { // it stands behind a run and needs nothing of all this
		return proc.GuardMain(os.Args[2:])
	}
	redactor := &secret.Redactor{}
	io := cli.System(os.Environ(), redactor)
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(io.Err, "elt: this is a bug: %v\n%s", p, debug.Stack())
			code = int(fault.Failed)
		}
		if w, ok := io.Err.(*secret.Writer); ok {
			w.Flush()
		}
	}()
	ctx, stop := withSignals(context.Background())
	defer stop()
	a := newApp(io, redactor)
	defer a.close()
	return execute(ctx, a, connector(os.Args))
}

// connector is the command line as it is meant: a link called tap-csv or
// target-postgres is that plugin, whatever else the program is called is elt
// itself (also "meltano").
func connector(argv []string) []string {
	name := strings.TrimSuffix(filepath.Base(argv[0]), ".exe")
	for _, kind := range []string{"tap", "target"} {
		if strings.HasPrefix(name, kind+"-") {
			return append([]string{kind, name}, argv[1:]...)
		}
	}
	return argv[1:]
}

// execute runs one command line and tells its error once.
func execute(ctx context.Context, a *app, args []string) int {
	started := false
	root := newRoot(a.App)
	root.InitDefaultCompletionCmd() // here rather than by cobra itself, so that it is treated as the others
	eachCommand(root, func(c *cobra.Command) {
		if c.HasSubCommands() && !c.Runnable() {
			c.RunE = onlySubcommands
		}
		if inner := c.RunE; inner != nil {
			c.RunE = func(c *cobra.Command, args []string) error {
				started = true
				// A flag that was given is right or refused; a setting that is wrong must not stop a run.
				o := logging.Options{Level: a.Global.LogLevel, Format: a.Global.LogFormat}
				if _, err := logging.NewSink(io.Discard, o); err != nil {
					return err
				}
				if file := a.Global.LogConfig; file != "" {
					log := a.Log()
					log.Warn().Msg("--log-config " + file + " is not read: --log-level and --log-format say how elt logs, and plugins get logging files of their own")
				}
				return inner(c, args)
			}
		}
	})
	root.SetArgs(today(root, args))
	ran, err := root.ExecuteContextC(ctx)
	if err == nil {
		return int(fault.OK)
	}
	var told cli.ExitCode
	if errors.As(err, &told) {
		return int(told)
	}
	if errors.Is(err, syscall.EPIPE) { // whoever read the output, such as head, has seen enough
		return int(fault.Failed)
	}
	var explained *fault.Error
	if !started && !errors.As(err, &explained) { // cobra's own errors: wrong arguments
		err = fault.New(fault.Usage, "%s: %v", ran.CommandPath(), err).WithHint("usage: %s", ran.UseLine())
	}
	fmt.Fprintln(a.IO.Err, "Error: "+fault.Render(err))
	if sig := signalOf(ctx); sig != 0 {
		return 128 + int(sig)
	}
	return int(a.fold(fault.CodeOf(err)))
}

// newRoot is the command tree.
func newRoot(a *cli.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "elt",
		Short: "Run ELT pipelines: taps into targets, with bookmarks that survive",
		Example: `  elt init my-project            # a new project with an example that runs
  elt run tap-csv target-jsonl   # run a tap into a target
  elt config list tap-csv        # its settings, and where their values come from
  elt doctor                     # what could keep a run from working`,
		Args:          cobra.ArbitraryArgs, // onlySubcommands refuses them
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       a.Version,
	}
	root.SetVersionTemplate("elt, version {{.Version}}\n")
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	g, f := a.Global, root.PersistentFlags()
	f.StringVar(&g.Cwd, "cwd", "", "run as if started in this `directory`")
	f.StringVar(&g.Environment, "environment", "", "`name` of the environment")
	f.BoolVar(&g.NoEnvironment, "no-environment", false, "use no environment, not even the default one")
	f.StringVar(&g.EnvFile, "env-file", "", "read variables from this `file` instead of .env")
	f.StringVar(&g.LogLevel, "log-level", "", "debug, info, warning, error, critical or disabled")
	f.StringVar(&g.LogFormat, "log-format", "", "colored, uncolored, json, key_value or plain")
	f.StringVar(&g.LogConfig, "log-config", "", "accepted for Meltano's sake: a Python logging `file` is not read")
	f.MarkHidden("log-config")
	f.BoolVar(&g.JSON, "json", false, "print results as JSON")
	f.BoolVar(&g.NoColor, "no-color", false, "no colours")
	root.SetFlagErrorFunc(wrongFlag)
	root.RegisterFlagCompletionFunc("environment", a.CompleteEnvironments())
	root.SetIn(a.IO.In)
	root.SetOut(a.IO.Out)
	root.SetErr(a.IO.Err)
	addCommands(root, a)
	return root
}

// onlySubcommands is a command that only groups others.
func onlySubcommands(c *cobra.Command, args []string) error {
	if len(args) == 0 && !c.HasParent() {
		return c.Help()
	}
	if len(args) == 0 { // as Meltano: the help, and that something was missing
		c.SetOut(c.ErrOrStderr())
		if err := c.Help(); err != nil {
			return err
		}
		return cli.ExitCode(fault.Usage)
	}
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	err := fault.New(fault.Usage, "unknown command %q for %q", args[0], c.CommandPath())
	if near := fault.Nearest(args[0], names); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err.WithHint("one of %s", strings.Join(names, ", "))
}

// wrongFlag explains a flag that a command does not take as it was typed.
func wrongFlag(c *cobra.Command, err error) error {
	wrong := fault.New(fault.Usage, "%v", err)
	typed, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return wrong.WithHint("try %s --help", c.CommandPath())
	}
	var names, begun []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		names = append(names, f.Name)
		if strings.HasPrefix(f.Name, typed) {
			begun = append(begun, f.Name)
		}
	})
	if len(begun) == 1 {
		return wrong.WithHint("did you mean --%s?", begun[0])
	}
	if near := fault.Nearest(typed, names); near != "" {
		return wrong.WithHint("did you mean --%s?", near)
	}
	return wrong.WithHint("try %s --help", c.CommandPath())
}

func eachCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, do)
	}
}

// signalled is the cause of a context that a signal ended.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string { return "stopped by " + s.Signal.String() }

func signalOf(ctx context.Context) syscall.Signal {
	var s signalled
	if errors.As(context.Cause(ctx), &s) {
		return s.Signal
	}
	return 0
}

// withSignals ends the context at SIGINT or SIGTERM; a second SIGINT ends the
// process at once, as a person at a terminal expects (the guard then ends
// what the run had started, invariant 8).
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range signals {
			if ctx.Err() != nil && s == syscall.SIGINT {
				os.Exit(int(fault.Interrupted))
			}
			cancel(signalled{s.(syscall.Signal)})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		cancel(nil)
	}
}
