package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"elt/cmd/alerts"
	"elt/cmd/backfill"
	"elt/cmd/builtin"
	"elt/cmd/compile"
	"elt/cmd/config"
	"elt/cmd/daemon"
	"elt/cmd/deploy"
	"elt/cmd/doctor"
	"elt/cmd/el"
	"elt/cmd/environment"
	"elt/cmd/initproject"
	"elt/cmd/invoke"
	"elt/cmd/job"
	"elt/cmd/logs"
	"elt/cmd/plugins"
	"elt/cmd/run"
	"elt/cmd/runs"
	"elt/cmd/schedule"
	"elt/cmd/schema"
	"elt/cmd/secrets"
	selectcmd "elt/cmd/select"
	statecmd "elt/cmd/state"
	"elt/cmd/store"
	"elt/cmd/test"
	"elt/cmd/token"
	"elt/cmd/validate"
	versioncmd "elt/cmd/version"
	"elt/internal/cli"
)

// addCommands hangs the commands under root, one line each, in the groups
// that `elt --help` shows.
func addCommands(root *cobra.Command, a *cli.App) {
	group := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, c := range commands {
			c.GroupID = id
		}
		root.AddCommand(commands...)
	}
	group("run", "Move data:",
		initproject.NewCmd(a),
		run.NewCmd(a, nil),
		el.NewCmd(a, nil),
		el.NewLegacyCmd(a),
		invoke.NewCmd(a, invoke.Hooks{Airflow: func(ctx context.Context) error {
			address, _ := a.Variable("ELT_LISTEN")
			return daemon.Run(ctx, a, daemon.Airflow(address))
		}}, nil),
		backfill.NewCmd(a),
	)
	group("project", "Look at the project and change it:",
		config.NewCmd(a, config.Hooks{Test: a.Probe}),
		selectcmd.NewCmd(a, selectcmd.Hooks{Catalog: a.Catalog}, nil),
		plugins.NewCmd(a),
		environment.NewCmd(a),
		job.NewCmd(a),
		schedule.NewCmd(a, schedule.Hooks{Run: a.RunSelf}),
		secrets.NewCmd(a),
		compile.NewCmd(a, nil),
		schema.NewCmd(a),
	)
	group("trouble", "Find what is wrong:",
		validate.NewCmd(a, nil),
		doctor.NewCmd(a),
		test.NewCmd(a),
		logs.NewCmd(a),
		alerts.NewCmd(a),
	)
	group("state", "Bookmarks and runs:",
		statecmd.NewCmd(a),
		runs.NewCmd(a),
		store.NewCmd(a),
	)
	group("daemon", "In the background, and elsewhere:",
		daemon.NewCmd(a, nil),
		token.NewCmd(a),
		deploy.NewCmd(a),
	)
	root.AddCommand(
		versioncmd.NewCmd(a),
		builtin.NewTapCmd(a),
		builtin.NewTargetCmd(a),
		builtin.NewFuseCmd(a),
	)
}
