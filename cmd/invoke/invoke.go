// Package invoke is `elt invoke`: one plugin in the foreground.
package invoke

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
)

// Options are the flags of `elt invoke`.
type Options struct {
	Plugin, Command string
	Args            []string
	Kind            string
	Dump            string
	ListCommands    bool
	PrintVariables  []string
	RefreshCatalog  bool
	Containers      bool
}

// Hooks are what other commands do for this one.
type Hooks struct {
	// Airflow is the daemon with Airflow's defaults.
	Airflow func(context.Context) error
}

// NewCmd is the command.
func NewCmd(app *cli.App, hooks Hooks, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "invoke PLUGIN[:COMMAND] [ARGUMENT...]",
		Short: "Start a plugin with its configuration and hand its output through",
		Long: `Start a plugin, or one of its commands, with its settings, its environment and
the arguments given. Its output is handed through; its exit code is elt's.
Flags of elt stand before the plugin's name.`,
		Example: `  elt invoke tap-github --discover
  elt invoke dbt:run --select my_model
  elt invoke --dump=config tap-github
  elt invoke --list-commands dbt`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: app.CompletePlugins(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Plugin, o.Command, _ = strings.Cut(args[0], ":")
			o.Args = args[1:]
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return invoke(cmd.Context(), app, hooks, o)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows the name is the plugin's
	f.StringVar(&o.Kind, "plugin-type", "", "type of the plugin, where a name is not enough")
	f.StringVar(&o.Dump, "dump", "", "print the plugin's catalog or config, and start nothing else")
	f.BoolVar(&o.ListCommands, "list-commands", false, "list the plugin's commands")
	f.StringArrayVar(&o.PrintVariables, "print-var", nil, "print this `VARIABLE` of the plugin's environment")
	f.BoolVar(&o.RefreshCatalog, "refresh-catalog", false, "discover anew")
	f.BoolVar(&o.Containers, "containers", false, "run the command in its container (not supported)")
	f.MarkHidden("containers")
	cli.InstallFlags(cmd)
	return cmd
}

func invoke(ctx context.Context, app *cli.App, hooks Hooks, o *Options) error {
	if o.Containers {
		return fault.New(fault.Usage, "--containers is not supported").WithHint("name the image in a command: docker run …")
	}
	p, err := app.Project(ctx)
	if err != nil {
		return err
	}
	kind, ok := project.ParseKind(o.Kind)
	if o.Kind != "" && !ok {
		return fault.New(fault.Usage, "--plugin-type is %q", o.Kind).WithHint("extractor, loader, mapper, utility, …")
	}
	if o.Plugin == airflow && o.Command == "" && hooks.Airflow != nil && standsInForAirflow(app, p) {
		return runAirflow(ctx, app, o.Args, hooks.Airflow)
	}
	plugin, err := p.Plugin(kind, o.Plugin)
	if err != nil {
		return err
	}
	r, err := app.Runner(ctx, p, runner.Options{RefreshCatalog: o.RefreshCatalog})
	if err != nil {
		return err
	}
	switch {
	case o.ListCommands:
		return listCommands(app, plugin)
	case o.Dump != "":
		return dump(ctx, app, r, plugin, o.Dump)
	}
	if len(o.PrintVariables) > 0 {
		if err := printVariables(ctx, app, p, plugin, o.PrintVariables); err != nil {
			return err
		}
	}
	code, err := r.Invoke(ctx, plugin, o.Command, o.Args, runner.Streams{In: app.IO.In, Out: app.IO.Out, Err: app.IO.Err})
	if err == nil && code != 0 {
		return cli.ExitCode(code)
	}
	return err
}

// listCommands prints the commands in two columns, in the order of the file.
func listCommands(app *cli.App, p *project.Plugin) error {
	width := 0
	for _, name := range p.CommandNames {
		width = max(width, len(p.Name)+1+len(name))
	}
	for _, name := range p.CommandNames {
		line := fmt.Sprintf("%-*s  %s", width, p.Name+":"+name, p.Commands[name].Description)
		if _, err := fmt.Fprintln(app.IO.Out, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

func dump(ctx context.Context, app *cli.App, r *runner.Runner, p *project.Plugin, what string) error {
	switch what {
	case "config":
		raw, err := r.Config(ctx, p)
		if err != nil {
			return err
		}
		return app.IO.PrintRaw(raw)
	case "catalog":
		catalog, err := r.Catalog(ctx, p)
		if err != nil {
			return err
		}
		if catalog == nil {
			return fault.New(fault.Failed, "%s has no catalog", p.Name)
		}
		raw, err := catalog.Print()
		if err != nil {
			return err
		}
		return app.IO.PrintRaw(raw)
	}
	return fault.New(fault.Usage, "--dump is %q", what).WithHint("one of catalog, config")
}

func printVariables(ctx context.Context, app *cli.App, p *project.Project, plugin *project.Plugin, names []string) error {
	settings, err := p.Settings(ctx, plugin, project.SettingsOptions{})
	if err != nil {
		return err
	}
	environ := settings.Environ()
	for _, name := range names {
		line := name + "=None" // as Meltano says that it is not set
		for _, kv := range environ {
			if strings.HasPrefix(kv, name+"=") {
				line = kv
			}
		}
		fmt.Fprintln(app.IO.Out, line)
	}
	return nil
}
