package config

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

const mask = "*****"

// PrintOptions are the options of `config print`.
type PrintOptions struct {
	group  *group
	Plugin string
	Format string
	Extras bool
}

// NewCmdPrint is `config print`.
func NewCmdPrint(app *cli.App, g *group, runF func(context.Context, *PrintOptions) error) *cobra.Command {
	o := &PrintOptions{group: g}
	cmd := &cobra.Command{
		Use:     "print PLUGIN",
		Short:   "Print the configuration that a plugin receives",
		Example: "  elt config print tap-gitlab\n  elt config print --extras tap-gitlab\n  elt config print --format env target-postgres",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Plugin = args[0]
			if o.Format == "" {
				o.Format = "json"
			}
			if o.Format != "json" && o.Format != "env" {
				return fault.New(fault.Usage, "--format %s: it is json or env", o.Format)
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return printRun(cmd.Context(), app, o)
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "json", "json, or env for NAME='value' lines")
	cmd.Flags().BoolVar(&o.Extras, "extras", false, "print the extras (select, metadata, …) instead")
	return cmd
}

func printRun(ctx context.Context, app *cli.App, o *PrintOptions) error {
	t, err := o.group.target(ctx, app, o.Plugin)
	if err != nil {
		return err
	}
	s, err := t.settings(ctx)
	if err != nil {
		return err
	}
	if o.Format == "env" {
		return printEnv(app, t, s, o)
	}
	if !o.Extras {
		hidden := mask
		if o.group.unsafe || !o.group.safe {
			hidden = ""
		}
		return app.IO.PrintJSON(s.ConfigMap(hidden))
	}
	out := project.NewMap()
	for _, v := range s.Values {
		if v.Definition.Extra() {
			out.Set(v.Name, o.shown(v))
		}
	}
	return app.IO.PrintJSON(out)
}

func (o *PrintOptions) shown(v project.Value) any {
	if v.Value != nil && v.Value != "" && o.group.masked(v.Definition) {
		return mask
	}
	return v.Value
}

// printEnv prints the variables that the plugin's process gets, as .env has them.
func printEnv(app *cli.App, t target, s *project.Settings, o *PrintOptions) error {
	for _, v := range s.Values {
		if v.Value == nil || v.Definition.Extra() != o.Extras {
			continue
		}
		text := v.Text()
		if o.group.masked(v.Definition) && text != "" {
			text = mask
		}
		for _, name := range t.project.WrittenVariables(t.plugin, v.Definition) {
			if _, err := fmt.Fprintf(app.IO.Out, "%s=%s\n", name, project.QuoteDotenv(text)); err != nil {
				return err
			}
		}
	}
	return nil
}
