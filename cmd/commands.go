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

// addCommands hangs the commands under root, one line each.
func addCommands(root *cobra.Command, a *cli.App) {
	root.AddCommand(
		initproject.NewCmd(a),
		run.NewCmd(a, nil),
		daemon.NewCmd(a, nil),
		runs.NewCmd(a),
		token.NewCmd(a),
		el.NewCmd(a, nil),
		el.NewLegacyCmd(a),
		invoke.NewCmd(a, invoke.Hooks{Airflow: func(ctx context.Context) error {
			return daemon.Run(ctx, a, daemon.Airflow())
		}}, nil),
		config.NewCmd(a, config.Hooks{Test: a.Probe}),
		statecmd.NewCmd(a),
		backfill.NewCmd(a),
		alerts.NewCmd(a),
		logs.NewCmd(a),
		store.NewCmd(a),
		plugins.NewCmd(a),
		test.NewCmd(a),
		doctor.NewCmd(a),
		secrets.NewCmd(a),
		deploy.NewCmd(a),
		versioncmd.NewCmd(a),
		builtin.NewTapCmd(a),
		builtin.NewTargetCmd(a),
		builtin.NewFuseCmd(a),
		environment.NewCmd(a),
		job.NewCmd(a),
		schedule.NewCmd(a, schedule.Hooks{Run: a.RunSelf}),
		selectcmd.NewCmd(a, selectcmd.Hooks{Catalog: a.Catalog}, nil),
		compile.NewCmd(a, nil),
		schema.NewCmd(a),
		validate.NewCmd(a, nil),
	)
}
