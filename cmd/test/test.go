// Package test is `elt test`: whether plugins work with their settings. A
// built-in connector checks its connection step by step; commands of plugins
// whose names start with "test" run as in Meltano.
package test

import (
	"time"

	"github.com/spf13/cobra"

	"elt/internal/check"
	"elt/internal/cli"
	"elt/internal/fault"
)

// NewCmd is the command.
func NewCmd(app *cli.App) *cobra.Command {
	var all bool
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "test [PLUGIN[:TEST]...]",
		Short: "Try the connections of plugins, and run their tests",
		Long: `Try whether plugins work with their settings, and say what stands in the way.

A built-in tap or target checks itself step by step: its settings, the way to
the server, the login, what the login may do. Of a tap, streams are discovered
and the first rows of each selected one are read. A target undoes what it
writes. A failure is named by its kind: settings, dns, connect, tls, auth,
permission, path, shape, limit, timeout, server or other.

Of a foreign tap a first record is wanted. Commands of a plugin whose names
start with "test" run as in Meltano; PLUGIN:TEST runs one of them alone.

The exit code is 1 when any check or test fails.`,
		Example: `  elt test tap-postgres target-snowflake
  elt test tap-edcast --json
  elt test tap-postgres --timeout 5s
  elt test dbt:test-sources
  elt test --all`,
		ValidArgsFunction: app.CompletePlugins(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !all && len(args) == 0 {
				return fault.New(fault.Usage, "no plugin is named").WithHint("name some, or pass --all")
			}
			if patience <= 0 {
				return fault.New(fault.Usage, "--timeout %s: it must be above zero", patience)
			}
			p, err := app.Project(cmd.Context())
			if err != nil {
				return err
			}
			list, err := collect(p, args, all)
			if err != nil {
				return err
			}
			return perform(cmd.Context(), app, p, list, patience)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all plugins")
	cmd.Flags().DurationVar(&patience, "timeout", check.Patience, "how long one check may take, for each stream that is read")
	cli.InstallFlags(cmd)
	return cmd
}
