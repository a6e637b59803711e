// Package selectcmd is `elt select`: which streams and properties of an
// extractor are read.
package selectcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/singer"
)

// Hooks are what select needs of others.
type Hooks struct {
	// Catalog is the extractor's catalog with its rules applied, as a run
	// would hand it over.
	Catalog func(ctx context.Context, p *project.Project, tap *project.Plugin, refresh bool) (*singer.Catalog, error)
}

// Options are the options of `select`.
type Options struct {
	Tap, Stream, Property             string
	List, All, Exclude, Remove, Clear bool
	Refresh                           bool
}

// NewCmd is the command.
func NewCmd(app *cli.App, hooks Hooks, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{Stream: "*", Property: "*"}
	cmd := &cobra.Command{
		Use:   "select EXTRACTOR [STREAM] [PROPERTY]",
		Short: "Choose which streams and properties are read",
		Long: `Add a selection rule to an extractor, or list what its rules select.

Stream and property are globs; a nested property is written with dots. All
excluding rules apply after all others. The rule is written into the block of
an environment when --environment names one.`,
		Example: `  elt select tap-gitlab users name
  elt select tap-gitlab --exclude users email
  elt select tap-gitlab --rm users '*'
  elt select tap-gitlab --list --all
  elt select tap-gitlab --list --json`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Tap = args[0]
			if len(args) > 1 {
				o.Stream = args[1]
			}
			if len(args) > 2 {
				o.Property = args[2]
			}
			o.List = o.List || app.Global.JSON
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return run(cmd.Context(), app, hooks, o)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return app.CompletePlugins(project.Extractors)(cmd, args, typed)
			case 1:
				return app.CompleteStreams()(cmd, args, typed)
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.List, "list", false, "list the selected properties")
	f.BoolVar(&o.All, "all", false, "list all properties, with what holds for them")
	f.BoolVar(&o.Exclude, "exclude", false, "write a rule that excludes")
	f.BoolVar(&o.Remove, "rm", false, "remove a rule")
	f.BoolVar(&o.Remove, "remove", false, "remove a rule")
	f.BoolVar(&o.Clear, "clear", false, "remove all rules")
	f.BoolVar(&o.Refresh, "refresh-catalog", false, "discover again instead of using the cached catalog")
	f.MarkHidden("remove")
	cli.InstallFlags(cmd)
	return cmd
}

func run(ctx context.Context, app *cli.App, hooks Hooks, o *Options) error {
	p, err := app.ProjectExplicit(ctx)
	if err != nil {
		return err
	}
	tap, err := p.Plugin(project.Extractors, o.Tap)
	if err != nil {
		return err
	}
	if o.List || o.All {
		return list(ctx, app, hooks, p, tap, o)
	}
	environment, named := p.Environment()
	if !named {
		environment = ""
	}
	pattern := o.Stream + "." + o.Property
	if o.Exclude {
		pattern = "!" + pattern
	}
	return p.Change(func(e *project.Editor) error {
		if o.Clear {
			return e.ClearSelect(tap, environment)
		}
		return e.Select(tap, environment, pattern, o.Remove)
	})
}

// listed is the JSON of --list, as Meltano prints it.
type listed struct {
	Patterns []string        `json:"enabled_patterns"`
	Streams  []singer.Choice `json:"streams"`
}

func list(ctx context.Context, app *cli.App, hooks Hooks, p *project.Project, tap *project.Plugin, o *Options) error {
	s, err := p.Settings(ctx, tap, project.SettingsOptions{NoSecrets: true})
	if err != nil {
		return err
	}
	rules, err := s.Rules()
	if err != nil {
		return err
	}
	if hooks.Catalog == nil {
		return fault.New(fault.Failed, "this build cannot run plugins")
	}
	catalog, err := hooks.Catalog(ctx, p, tap, o.Refresh)
	if err != nil {
		return err
	}
	out := listed{rules.Select, []singer.Choice{}}
	for _, c := range singer.Selection(catalog) {
		if o.All || c.Taken() {
			out.Streams = append(out.Streams, c)
		}
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(out)
	}
	return print(app, out)
}

func print(app *cli.App, l listed) error {
	if _, err := fmt.Fprint(app.IO.Out, "Legend:\n\tselected\n\texcluded\n\tautomatic\n\tunsupported\n\nEnabled patterns:\n"); err != nil {
		return err
	}
	for _, p := range l.Patterns {
		if _, err := fmt.Fprintf(app.IO.Out, "\t%s\n", p); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprint(app.IO.Out, "\nSelected properties:\n"); err != nil {
		return err
	}
	for _, c := range l.Streams {
		if _, err := fmt.Fprintf(app.IO.Out, "\t[%-11s] %s.%s\n", c.Selection, c.Stream, c.Property); err != nil {
			return err
		}
	}
	return nil
}
