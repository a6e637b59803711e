// Package doctor is `elt doctor`: what could keep a run from working, looked
// for before it does.
package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/plugins"
)

// check is one thing that was looked at.
type check struct {
	Name   string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// NewCmd is the command.
func NewCmd(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look for what could keep a run from working",
		Long: `Look at the project file, the folder for run files, the state store and every
tap, target and mapper: is it there, are its settings complete? Nothing is
started but the store. Exit code 1 when something is wrong.`,
		Example: "  elt doctor\n  elt doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks := examine(cmd.Context(), app)
			bad := 0
			for _, c := range checks {
				if !c.OK {
					bad++
				}
			}
			if err := show(app, checks); err != nil {
				return err
			}
			if bad > 0 {
				return fault.New(fault.Failed, "%d of %d checks failed", bad, len(checks))
			}
			return nil
		},
	}
}

func show(app *cli.App, checks []check) error {
	if app.Global.JSON {
		return app.IO.PrintJSON(checks)
	}
	for _, c := range checks {
		mark := "ok   "
		if !c.OK {
			mark = "WRONG"
		}
		fmt.Fprintf(app.IO.Out, "%s  %s: %s\n", mark, c.Name, c.Detail)
		if c.Hint != "" {
			fmt.Fprintf(app.IO.Out, "       hint: %s\n", c.Hint)
		}
	}
	return nil
}

func examine(ctx context.Context, app *cli.App) []check {
	p, err := app.Project(ctx)
	if err != nil {
		return []check{failed("project", err)}
	}
	checks := []check{{Name: "project", OK: true, Detail: p.File}}
	for _, w := range p.Warnings {
		checks = append(checks, check{Name: "project file", OK: true, Detail: w})
	}
	if name, _ := p.Environment(); name != "" {
		checks = append(checks, check{Name: "environment", OK: true, Detail: name})
	} else {
		checks = append(checks, check{Name: "environment", OK: true, Detail: "none is active; elt run needs one"})
	}
	checks = append(checks, writable(p.SysDir()))
	if store, err := app.Store(ctx); err != nil {
		checks = append(checks, failed("state store", err))
	} else {
		checks = append(checks, check{Name: "state store", OK: true, Detail: store.URI()})
	}
	resolver, err := app.Resolver(p)
	if err != nil {
		return append(checks, failed("elt", err))
	}
	for _, kind := range []project.Kind{project.Extractors, project.Loaders, project.Mappers, project.Utilities} {
		for _, plugin := range p.Plugins(kind) {
			checks = append(checks, examinePlugin(ctx, app, p, resolver, plugin))
		}
	}
	return checks
}

// writable tries whether run files can be made.
func writable(dir string) check {
	name := "run files"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return failed(name, err)
	}
	probe, err := os.MkdirTemp(dir, "doctor-")
	if err != nil {
		c := failed(name, err)
		c.Hint = "MELTANO_SYS_DIR_ROOT names another folder"
		return c
	}
	os.Remove(probe)
	return check{Name: name, OK: true, Detail: filepath.Clean(dir)}
}

func examinePlugin(ctx context.Context, app *cli.App, p *project.Project, r *plugins.Resolver, plugin *project.Plugin) check {
	name := plugin.Kind.Singular() + " " + plugin.Name
	usable, err := p.Plugin(plugin.Kind, plugin.Name)
	if err != nil {
		return failed(name, err)
	}
	settings, err := p.Settings(ctx, usable, project.SettingsOptions{NoSecrets: true})
	if err != nil {
		return failed(name, err)
	}
	choice, err := r.Choose(usable, plugins.Question{Settings: settings})
	if err != nil {
		return failed(name, err)
	}
	if !choice.Native {
		return check{Name: name, OK: true, Detail: choice.Command.Path}
	}
	raw, err := settings.Config()
	if err != nil {
		return failed(name, err)
	}
	s := app.Spec(plugin.Kind, choice.Connector)
	if _, unknown, err := s.Resolve(raw); err != nil {
		return failed(name, err)
	} else if len(unknown) > 0 {
		return check{Name: name, OK: true, Detail: fmt.Sprintf("built-in %s; it ignores %v", choice.Connector, unknown)}
	}
	return check{Name: name, OK: true, Detail: "built-in " + choice.Connector}
}

func failed(name string, err error) check {
	c := check{Name: name, Detail: err.Error()}
	if known, ok := err.(*fault.Error); ok {
		c.Hint = known.Hint
	}
	return c
}
