package cmd

import (
	"github.com/spf13/cobra"

	"elt/cmd/config"
	versioncmd "elt/cmd/version"
	"elt/internal/cli"
)

// addCommands hangs the commands under root, one line each.
func addCommands(root *cobra.Command, a *cli.App) {
	root.AddCommand(
		versioncmd.NewCmd(a),
		config.NewCmd(a, config.Hooks{}),
	)
}
