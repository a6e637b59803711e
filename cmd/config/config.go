// Package config is `elt config`: showing, writing and testing the settings
// of plugins and of the project itself.
package config

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// Hooks are what config needs of others: `config test` runs the plugin.
type Hooks struct {
	Test func(ctx context.Context, p *project.Project, plugin *project.Plugin) error
}

// group are the flags of all subcommands.
type group struct {
	unsafe, safe bool
	kind         string
}

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App, hooks Hooks) *cobra.Command {
	g := &group{}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show and change the settings of plugins and of the project",
		Long: `Show and change the settings of a plugin, or of the project itself (plugin name "meltano" or "elt").

A setting takes its value from the highest layer that has one: environment
variable, .env, active environment, plugin, database, parent plugin, default.
An environment counts here only when it is named by --environment or
$MELTANO_ENVIRONMENT; default_environment is ignored.`,
		Example: `  elt config print tap-gitlab
  elt config list tap-gitlab
  elt config set tap-gitlab projects "group/project"
  elt --environment=prod config set target-postgres schema analytics
  elt config test tap-gitlab`,
		Args: cobra.ArbitraryArgs, // for the message about a wrong subcommand
	}
	cmd.PersistentFlags().BoolVar(&g.safe, "safe", true, "mask the values of sensitive settings")
	cmd.PersistentFlags().BoolVar(&g.unsafe, "unsafe", false, "show the values of sensitive settings")
	cmd.PersistentFlags().StringVar(&g.kind, "plugin-type", "", "type of the plugin, where names are not unique")
	cmd.AddCommand(NewCmdPrint(app, g, nil), NewCmdList(app, g, nil), NewCmdSet(app, g, nil),
		NewCmdUnset(app, g, nil), NewCmdReset(app, g, nil), newCmdTest(app, g, hooks))
	for _, sub := range cmd.Commands() {
		sub.ValidArgsFunction = app.CompletePlugins()
	}
	return cmd
}

// target is what a subcommand works on: a plugin, or the project (plugin nil).
type target struct {
	project *project.Project
	plugin  *project.Plugin
}

func (g *group) target(ctx context.Context, app *cli.App, name string) (target, error) {
	p, err := app.ProjectExplicit(ctx)
	if err != nil {
		return target{}, err
	}
	var kind project.Kind
	if g.kind != "" {
		var ok bool
		if kind, ok = project.ParseKind(g.kind); !ok {
			return target{}, fault.New(fault.Usage, "%q is no type of plugin", g.kind)
		}
	}
	if (name == "meltano" || name == "elt") && kind == "" {
		return target{project: p}, nil
	}
	plugin, err := p.Plugin(kind, name)
	return target{p, plugin}, err
}

// label names the target in messages.
func (t target) label() string {
	if t.plugin == nil {
		return "meltano"
	}
	return t.plugin.Kind.Singular() + " '" + t.plugin.Name + "'"
}

func (t target) settings(ctx context.Context) (*project.Settings, error) {
	if t.plugin == nil {
		return t.project.OwnSettings()
	}
	return t.project.Settings(ctx, t.plugin, project.SettingsOptions{NoSecrets: true})
}

// definition is the definition of a setting, nil when it is unknown.
func (t target) definition(name string) *project.Definition {
	defs := project.OwnDefinitions()
	if t.plugin != nil {
		defs = t.plugin.Definitions()
	}
	for _, d := range defs {
		if d.Name == name {
			return d
		}
		for _, a := range d.Aliases {
			if a == name {
				return d
			}
		}
	}
	return nil
}

// variables are those that set a setting.
func (t target) variables(d *project.Definition) []string { return t.project.Variables(t.plugin, d) }

// masked says that a value must not be shown.
func (g *group) masked(d *project.Definition) bool {
	return d != nil && d.Sensitive && !g.unsafe && g.safe
}

// settingPath splits the words that name a setting: "a.b" and "a b" are one.
func settingPath(words []string) []string {
	if len(words) == 1 {
		return strings.Split(words[0], ".")
	}
	return words
}
