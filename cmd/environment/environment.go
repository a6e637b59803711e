// Package environment is `elt environment`: listing, adding and removing
// environments of the project.
package environment

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "environment",
		Aliases: []string{"env"},
		Short:   "Manage the environments of the project",
		Example: "  elt environment list\n  elt environment add prod\n  elt environment remove staging",
	}
	cmd.AddCommand(NewCmdList(app, nil), newCmdAdd(app), newCmdRemove(app))
	return cmd
}

// NewCmdList is `environment list`.
func NewCmdList(app *cli.App, runF func(context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the environments",
		Example: "  elt environment list\n  elt environment list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context())
			}
			p, err := app.ProjectExplicit(cmd.Context())
			if err != nil {
				return err
			}
			return list(app, p)
		},
	}
}

// listed is an environment in JSON.
type listed struct {
	Name    string `json:"name"`
	Default bool   `json:"default"`
}

func list(app *cli.App, p *project.Project) error {
	if app.Global.JSON {
		all := []listed{}
		for _, name := range p.Environments() {
			all = append(all, listed{name, name == p.Setting("default_environment")})
		}
		return app.IO.PrintJSON(all)
	}
	for _, name := range p.Environments() {
		if _, err := fmt.Fprintln(app.IO.Out, name); err != nil {
			return err
		}
	}
	return nil
}

func newCmdAdd(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "add NAME",
		Short:   "Add an environment",
		Example: "  elt environment add prod",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := app.ProjectExplicit(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range p.Environments() {
				if name == args[0] {
					return fault.New(fault.Failed, "environment %q exists already", name)
				}
			}
			if strings.Contains(args[0], ":") {
				return fault.New(fault.Failed, "%q cannot be the name of an environment: it has a colon", args[0])
			}
			item := project.NewMap()
			item.Set("name", args[0])
			if err := p.Change(func(e *project.Editor) error { return e.Add("environments", item) }); err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.IO.Out, "Created new environment '%s'\n", args[0])
			return err
		},
	}
}

func newCmdRemove(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Remove an environment",
		Example:           "  elt environment remove staging",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteEnvironments(),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := app.ProjectExplicit(cmd.Context())
			if err != nil {
				return err
			}
			if err := p.Change(func(e *project.Editor) error { return e.Remove("environments", args[0]) }); err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.IO.Out, "Removed environment '%s'\n", args[0])
			return err
		},
	}
}
