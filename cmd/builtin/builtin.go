// Package builtin is the processes that elt starts of itself: built-in taps
// and targets, and fused pairs. They are hidden: a runner's business, of
// ours or (tap, target) of any Singer runner.
package builtin

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/check"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/load"
	"elt/internal/program"
	"elt/internal/singer"
	"elt/taps"
)

// NewTapCmd is `elt tap NAME`: a Singer tap.
func NewTapCmd(app *cli.App) *cobra.Command {
	cmd := connector("tap", "Run a built-in tap, as any Singer runner would")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		program.SaveMemory(app.Environ)
		name, rest, err := nameOf("tap", args, app.Taps.Names())
		if err != nil {
			return err
		}
		return told(taps.Serve(cmd.Context(), app.Taps.Lookup(name), rest, streams(app), app.Environ))
	}
	return cmd
}

// NewTargetCmd is `elt target NAME`: a Singer target.
func NewTargetCmd(app *cli.App) *cobra.Command {
	cmd := connector("target", "Run a built-in target, as any Singer runner would")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		program.SaveMemory(app.Environ)
		name, rest, err := nameOf("target", args, app.Targets.Names())
		if err != nil {
			return err
		}
		return told(load.Serve(cmd.Context(), app.Targets.Lookup(name), rest, streams(app), app.Environ))
	}
	return cmd
}

// told is an exit without words where there is nothing left to say.
func told(err error) error {
	if errors.Is(err, singer.ErrReaderGone) || errors.Is(err, check.ErrFailed) {
		return cli.ExitCode(fault.Failed)
	}
	return err
}

// streams are the process's own; what a connector knows to be secret is masked
// in its last error too.
func streams(app *cli.App) program.IO {
	return program.IO{In: app.IO.In, Out: app.IO.Out, Err: app.IO.Err, Hide: app.Redactor.Add}
}

// connector is a command all of whose flags belong to the connector.
func connector(kind, short string) *cobra.Command {
	return &cobra.Command{Use: kind + " NAME [FLAG...]", Short: short, Hidden: true, DisableFlagParsing: true}
}

func nameOf(kind string, args, known []string) (string, []string, error) {
	list := fault.New(fault.Usage, "which %s?", kind).WithHint("built in are %s", strings.Join(known, ", "))
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return "", nil, list
	}
	for _, name := range []string{args[0], kind + "-" + args[0]} {
		for _, k := range known {
			if k == name {
				return name, args[1:], nil
			}
		}
	}
	e := fault.New(fault.Usage, "there is no built-in %s called %q", kind, args[0])
	if near := fault.Nearest(args[0], known); near != "" {
		return "", nil, e.WithHint("did you mean %q?", near)
	}
	return "", nil, e.WithHint("built in are %s", strings.Join(known, ", "))
}

// NewFuseCmd is `elt fuse TAP TARGET`: both in one process.
func NewFuseCmd(app *cli.App) *cobra.Command {
	var tapConfig, targetConfig, catalog string
	var discover bool
	cmd := &cobra.Command{
		Use: "fuse TAP TARGET", Short: "Run a built-in tap into a built-in target in one process", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			program.SaveMemory(app.Environ)
			f, err := fused(app, args[0], args[1], tapConfig, targetConfig, catalog)
			if err != nil {
				return err
			}
			f.Discover = discover
			return load.Fuse(cmd.Context(), f, streams(app), app.Environ)
		},
	}
	cmd.Flags().StringVar(&tapConfig, "tap-config", "", "configuration `FILE` of the tap")
	cmd.Flags().StringVar(&targetConfig, "target-config", "", "configuration `FILE` of the target")
	cmd.Flags().StringVar(&catalog, "catalog", "", "catalog `FILE`, - for standard input")
	cmd.Flags().BoolVar(&discover, "discover", false, "print what the tap finds, and read the catalog then from standard input")
	cmd.MarkFlagsMutuallyExclusive("catalog", "discover")
	return cmd
}

func fused(app *cli.App, tap, target, tapConfig, targetConfig, catalog string) (load.Fused, error) {
	f := load.Fused{Tap: app.Taps.Lookup(tap), Target: app.Targets.Lookup(target)}
	if f.Tap == nil || f.Target == nil {
		return f, fault.New(fault.Usage, "there is no built-in pair %s, %s", tap, target)
	}
	raw, err := os.ReadFile(tapConfig)
	if err != nil {
		return f, err
	}
	if f.TapConfig, _, err = f.Tap.Spec().Resolve(raw); err != nil {
		return f, err
	}
	if raw, err = os.ReadFile(targetConfig); err != nil {
		return f, err
	}
	if f.TargetConfig, _, err = f.Target.Spec().Resolve(raw); err != nil {
		return f, err
	}
	switch catalog {
	case "":
		return f, nil
	case "-":
		f.Catalog, err = load.ReadCatalog(app.IO.In)
	default:
		if raw, err = os.ReadFile(catalog); err == nil {
			f.Catalog, err = singer.ParseCatalog(raw)
		}
	}
	return f, err
}
