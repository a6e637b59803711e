package config

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
)

// UnsetOptions are the options of `config unset`.
type UnsetOptions struct {
	group   *group
	Plugin  string
	Setting []string
	Store   string
}

// NewCmdUnset is `config unset`.
func NewCmdUnset(app *cli.App, g *group, runF func(context.Context, *UnsetOptions) error) *cobra.Command {
	o := &UnsetOptions{group: g}
	cmd := &cobra.Command{
		Use:     "unset PLUGIN SETTING…",
		Short:   "Remove a setting from where it is written",
		Example: "  elt config unset tap-gitlab projects\n  elt config unset --store dotenv tap-gitlab private_token",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Plugin, o.Setting = args[0], settingPath(args[1:])
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return unsetRun(cmd.Context(), app, o)
		},
	}
	cmd.Flags().StringVar(&o.Store, "store", "auto", "from where: auto is everywhere; dotenv, meltano_yml, meltano_environment, db")
	return cmd
}

func unsetRun(ctx context.Context, app *cli.App, o *UnsetOptions) error {
	t, err := o.group.target(ctx, app, o.Plugin)
	if err != nil {
		return err
	}
	name := strings.Join(o.Setting, ".")
	w := writer{app, t, t.definition(name), o.Setting}
	from, err := w.from(o.Store)
	if err != nil {
		return err
	}
	if err := w.unset(ctx, from); err != nil {
		return err
	}
	_, err = fmt.Fprintf(app.IO.Out, "%s setting '%s' was unset\n", capital(t.label()), name)
	return err
}

// ResetOptions are the options of `config reset`.
type ResetOptions struct {
	group  *group
	Plugin string
	Store  string
	Yes    bool
}

// NewCmdReset is `config reset`.
func NewCmdReset(app *cli.App, g *group, runF func(context.Context, *ResetOptions) error) *cobra.Command {
	o := &ResetOptions{group: g}
	cmd := &cobra.Command{
		Use:   "reset PLUGIN",
		Short: "Remove all settings of a plugin",
		Long: `Remove all settings and extras of a plugin from the project file, .env and the
database. The block of an environment is touched only when --environment
names it; of .env only the plugin's own variables go.`,
		Example: "  elt config reset tap-gitlab\n  elt config reset --store db tap-gitlab --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Plugin = args[0]
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return resetRun(cmd.Context(), app, o)
		},
	}
	cmd.Flags().StringVar(&o.Store, "store", "auto", "from where: auto is everywhere; dotenv, meltano_yml, meltano_environment, db")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	return cmd
}

func resetRun(ctx context.Context, app *cli.App, o *ResetOptions) error {
	t, err := o.group.target(ctx, app, o.Plugin)
	if err != nil {
		return err
	}
	if t.plugin == nil {
		return fault.New(fault.Usage, "the project's own settings are removed one by one, with config unset")
	}
	if !o.Yes && !confirmed(app, "Remove all settings of "+t.label()+"?") {
		return fault.New(fault.Failed, "nothing was removed")
	}
	w := writer{app: app, target: t}
	from, err := w.from(o.Store)
	if err != nil {
		return err
	}
	if err := w.reset(ctx, from); err != nil {
		return err
	}
	_, err = fmt.Fprintf(app.IO.Out, "%s settings were reset\n", capital(t.label()))
	return err
}
