// Package plugins is `elt plugins`: which connector would run in each
// plugin's place, and why.
package plugins

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/plugins"
)

// entry is one plugin in the listing.
type entry struct {
	Name      string `json:"name"`
	Kind      string `json:"type"`
	Variant   string `json:"variant,omitempty"`
	Runs      string `json:"runs"` // "built-in tap-csv", a path, "missing"
	Native    bool   `json:"native"`
	Connector string `json:"connector,omitempty"`
	Dialect   string `json:"dialect,omitempty"`
	Reason    string `json:"reason"`
	Error     string `json:"error,omitempty"`
	Hint      string `json:"hint,omitempty"`
}

// NewCmd is the command.
func NewCmd(app *cli.App) *cobra.Command {
	var builtin bool
	cmd := &cobra.Command{
		Use:   "plugins",
		Short: "Show which connector runs in each plugin's place, and why",
		Long: `Show which connector would run in each plugin's place, and why. A state id that
has run before keeps what its first run decided: elt run --dry-run shows that.`,
		Example: "  elt plugins\n  elt plugins --json\n  elt plugins --builtin",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if builtin {
				return listBuiltin(app)
			}
			return list(cmd.Context(), app)
		},
	}
	cmd.Flags().BoolVar(&builtin, "builtin", false, "list the built-in connectors instead")
	return cmd
}

func list(ctx context.Context, app *cli.App) error {
	p, err := app.Project(ctx)
	if err != nil {
		return err
	}
	resolver, err := app.Resolver(p)
	if err != nil {
		return err
	}
	entries := []entry{}
	for _, plugin := range p.Plugins("") {
		if plugin.Kind != project.Files && plugin.Kind != project.Transforms {
			entries = append(entries, describe(ctx, p, resolver, plugin))
		}
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(entries)
	}
	t := cli.Table{Header: []string{"name", "type", "runs", "because"}}
	for _, e := range entries {
		why := e.Reason
		if e.Error != "" {
			why = e.Error
		}
		t.Add(e.Name, e.Kind, e.Runs, why)
	}
	if err := t.Print(app.IO.Out); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Hint != "" {
			fmt.Fprintf(app.IO.Err, "hint for %s: %s\n", e.Name, e.Hint)
		}
	}
	return nil
}

func describe(ctx context.Context, p *project.Project, r *plugins.Resolver, plugin *project.Plugin) entry {
	e := entry{Name: plugin.Name, Kind: plugin.Kind.Singular(), Variant: plugin.Variant}
	fail := func(err error) entry {
		e.Runs, e.Error = "nothing", err.Error()
		if known, ok := err.(*fault.Error); ok {
			e.Hint = known.Hint
		}
		return e
	}
	usable, err := p.Plugin(plugin.Kind, plugin.Name)
	if err != nil {
		return fail(err)
	}
	settings, err := p.Settings(ctx, usable, project.SettingsOptions{NoSecrets: true})
	if err != nil {
		return fail(err)
	}
	choice, err := r.Choose(usable, plugins.Question{Settings: settings})
	e.Native, e.Connector, e.Dialect, e.Reason = choice.Native, choice.Connector, choice.Dialect, choice.Reason
	if err != nil {
		return fail(err)
	}
	e.Runs = choice.Command.Path
	if choice.Native {
		e.Runs = "built-in " + choice.Connector
	}
	return e
}

// connector is a built-in connector in the listing.
type connector struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
}

func listBuiltin(app *cli.App) error {
	all := []connector{}
	for _, name := range app.Taps.Names() {
		all = append(all, connector{name, app.Taps.Lookup(name).Spec().Summary})
	}
	for _, name := range app.Targets.Names() {
		all = append(all, connector{name, app.Targets.Lookup(name).Spec().Summary})
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(all)
	}
	t := cli.Table{Header: []string{"name", "summary"}}
	for _, c := range all {
		t.Add(c.Name, c.Summary)
	}
	return t.Print(app.IO.Out)
}
