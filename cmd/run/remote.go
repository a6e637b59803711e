package run

import (
	"github.com/spf13/cobra"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/client"
	"elt/internal/fault"
)

// here are flags that mean something to a run on this machine only.
var here = []string{"dry-run", "refresh-catalog", "no-state-update", "force", "state-id-suffix", "state-strategy", "merge-state", "run-id", "no-fuse",
	"trust-state", "catalog", "state", "state-of", "max-rows", "max-bytes", "max-duration", "max-rate", "limit"}

// remote lets a daemon run the blocks, shows its log and ends as the run did.
func remote(cmd *cobra.Command, app *cli.App, server *client.Client, o *Options, err error) error {
	if err == nil {
		err = cli.LocalOnly(cmd, here...)
	}
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if app.Global.Environment != "" {
		project, err := server.Project(ctx)
		if err != nil {
			return err
		}
		if project.Environment != app.Global.Environment {
			return fault.New(fault.Usage, "the daemon at %s serves environment %q, not %q", server.Server(), project.Environment, app.Global.Environment)
		}
	}
	var d api.RunDetail
	if o.Backfill {
		d, err = server.StartBackfill(ctx, api.BackfillRequest{Blocks: o.Blocks, From: o.Window.From, To: o.Window.To, Chunk: o.Window.Chunk,
			Parallel: o.Window.Parallel, AllowDuplicates: o.Window.AllowDuplicates, Select: o.Select, Exclude: o.Exclude})
	} else {
		d, err = server.Start(ctx, api.RunRequest{Blocks: o.Blocks, FullRefresh: o.Run.FullRefresh, Select: o.Select, Exclude: o.Exclude, Timeout: float64(o.Timeout)})
	}
	if err != nil {
		return err
	}
	return app.FollowRun(ctx, server, d)
}
