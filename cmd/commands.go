package cmd

import (
	"github.com/spf13/cobra"

	"elt/cmd/config"
	"elt/cmd/environment"
	"elt/cmd/job"
	"elt/cmd/schedule"
	selectcmd "elt/cmd/select"
	versioncmd "elt/cmd/version"
	"elt/internal/cli"
)

// addCommands hangs the commands under root, one line each.
func addCommands(root *cobra.Command, a *cli.App) {
	root.AddCommand(
		versioncmd.NewCmd(a),
		config.NewCmd(a, config.Hooks{}),
		environment.NewCmd(a),
		job.NewCmd(a),
		schedule.NewCmd(a, schedule.Hooks{}),
		selectcmd.NewCmd(a, selectcmd.Hooks{}, nil),
	)
}
