// Package backfill is `elt backfill`: windows that were loaded beside the
// regular runs, and what is left of them to do.
package backfill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	core "elt/internal/backfill"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/runner"
	"elt/state"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backfill",
		Short: "List, resume and cancel backfills",
		Long: `A backfill loads a window of time, cut in chunks, beside the regular runs:
elt run TAP TARGET --from DATE --to DATE starts one. It can be cut at any moment
and resumed: only chunks that are not done are run then.`,
		Example: `  elt run tap-rest target-postgres --from 2024-01-01 --to 2025-01-01 --chunk 1w
  elt backfill list
  elt backfill resume 20260301-5f0c1a`,
	}
	cmd.AddCommand(newCmdList(app), newCmdShow(app), newCmdResume(app), newCmdCancel(app))
	return cmd
}

func newCmdList(app *cli.App) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List backfills, newest first",
		Example: "  elt backfill list\n  elt backfill list --limit 5 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				return remoteList(cmd.Context(), app, server, limit)
			}
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			all, err := store.Backfills(cmd.Context(), limit)
			if err != nil {
				return err
			}
			reports := []cli.BackfillReport{}
			table := cli.Table{Header: []string{"backfill", "status", "from", "to", "chunks", "rows", "started", "state id"}}
			for _, b := range all {
				r := cli.NewBackfillReport(b)
				reports = append(reports, r)
				table.Add(b.ID, r.Status, core.Text(b.From), core.Text(b.To), fmt.Sprintf("%d/%d", r.Done, r.Total), r.Rows, b.Created.Format(time.RFC3339), b.StateID)
			}
			if app.Global.JSON {
				return app.IO.PrintJSON(reports)
			}
			return table.Print(app.IO.Out)
		},
	}
	app.ServerFlag(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "how many; 0 is all")
	return cmd
}

func newCmdShow(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show BACKFILL",
		Short:             "Show a backfill's plan, progress and result",
		Example:           "  elt backfill show 20260301-5f0c1a\n  elt backfill show 20260301-5f0c1a --json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteBackfills(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				return remoteShow(cmd.Context(), app, server, args[0])
			}
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			b, err := find(cmd.Context(), store, args[0])
			if err != nil {
				return err
			}
			if app.Global.JSON {
				return app.IO.PrintJSON(cli.NewBackfillReport(b))
			}
			cli.PrintBackfill(app.IO.Out, b)
			return nil
		},
	}
	app.ServerFlag(cmd)
	return cmd
}

func newCmdResume(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume BACKFILL",
		Short: "Go on with a backfill: run the chunks that are not done",
		Long: `Run the chunks of a backfill that are not done. One that was cut is run again:
from its beginning where all rows merge by key, else from its own position.`,
		Example:           "  elt backfill resume 20260301-5f0c1a",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteBackfills(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				return remoteResume(cmd.Context(), app, server, args[0])
			}
			ctx := cmd.Context()
			store, err := app.Store(ctx)
			if err != nil {
				return err
			}
			b, err := find(ctx, store, args[0])
			if err != nil {
				return err
			}
			p, err := app.Project(ctx)
			if err != nil {
				return err
			}
			r, err := app.Runner(ctx, p, runner.Options{})
			if err != nil {
				return err
			}
			return app.ResumeBackfill(ctx, r, b.ID)
		},
	}
	app.ServerFlag(cmd)
	return cmd
}

func newCmdCancel(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cancel BACKFILL",
		Short: "Give a backfill up for good",
		Long: `Give a backfill up for good. What it has loaded stays. A process that works on it
stops within seconds; it cannot be resumed.`,
		Example:           "  elt backfill cancel 20260301-5f0c1a",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteBackfills(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				return remoteCancel(cmd.Context(), app, server, args[0])
			}
			ctx := cmd.Context()
			store, err := app.Store(ctx)
			if err != nil {
				return err
			}
			b, err := find(ctx, store, args[0])
			if err != nil {
				return err
			}
			err = store.CancelBackfill(ctx, b.ID)
			if errors.Is(err, state.ErrEnded) {
				return fault.New(fault.Failed, "backfill %s is over: %s", b.ID, b.Status)
			}
			if err != nil {
				return err
			}
			if !b.Alive { // else the process that works on it does
				if err := core.Forget(ctx, &runner.Runner{Store: store}, b, core.TargetOf(b)); err != nil {
					return err
				}
			}
			fmt.Fprintf(app.IO.Err, "Backfill %s is cancelled; %d of %d chunks were done\n", b.ID, b.Done(), len(b.Chunks))
			return nil
		},
	}
	app.ServerFlag(cmd)
	return cmd
}

// find is the backfill with an id.
func find(ctx context.Context, store state.Store, id string) (state.Backfill, error) {
	b, err := store.Backfill(ctx, id)
	if !errors.Is(err, state.ErrNotFound) {
		return b, err
	}
	all, err := store.Backfills(ctx, 0)
	if err != nil {
		return b, err
	}
	var ids []string
	for _, b := range all {
		ids = append(ids, b.ID)
	}
	e := fault.New(fault.Failed, "there is no backfill %q", id)
	if near := fault.Nearest(id, ids); near != "" {
		return b, e.WithHint("did you mean %s?", near)
	}
	return b, e.WithHint("elt backfill list shows those there are")
}
