package config

import (
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
)

// newCmdTest is `config test`: it runs a tap until it emits something, or a
// target on a small stream.
func newCmdTest(app *cli.App, g *group, hooks Hooks) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test PLUGIN",
		Short:   "Try a plugin with its settings",
		Long:    "Start a tap until its first record, or give a target a small stream. Exit code 1 when that fails.",
		Example: "  elt config test tap-gitlab\n  elt --environment=prod config test target-postgres",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := g.target(cmd.Context(), app, args[0])
			if err != nil {
				return err
			}
			if t.plugin == nil {
				return fault.New(fault.Failed, "the project's own settings cannot be tested")
			}
			if hooks.Test == nil {
				return fault.New(fault.Failed, "this build cannot run plugins")
			}
			if err := hooks.Test(cmd.Context(), t.project, t.plugin); err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.IO.Out, "Plugin configuration is valid")
			return err
		},
	}
	cli.InstallFlags(cmd)
	return cmd
}
