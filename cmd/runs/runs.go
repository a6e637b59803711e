// Package runs is `elt runs`: the runs of the daemons, and those that were
// typed, in one list; here over the state store, or over a daemon's API.
package runs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/state"
)

// book is where runs are: client.Client, or the store.
type book interface {
	Runs(ctx context.Context, f api.RunFilter) ([]api.Run, error)
	Run(ctx context.Context, id string) (api.RunDetail, error)
	Cancel(ctx context.Context, id string) (api.RunDetail, error)
	Retry(ctx context.Context, id string, fromState bool) (api.RunDetail, error)
}

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, show, cancel and repeat runs of the daemons",
		Long: `List, show, cancel and repeat runs: those of the queue, which daemons run, and those
that were typed (elt run). Without --server it works on the state store itself.`,
		Example: `  elt runs list --status failed
  elt runs show 0198f6c2-7d1c-7a52-9c1f-0e2a6d1b4c3d
  elt runs cancel 0198f6c2-7d1c-7a52-9c1f-0e2a6d1b4c3d
  ELT_TOKEN=… elt runs list --server https://elt.example`,
	}
	cmd.AddCommand(newCmdList(app), newCmdShow(app), newCmdCancel(app), newCmdRetry(app))
	return cmd
}

func open(cmd *cobra.Command, app *cli.App) (book, error) {
	server, err := app.Remote(cmd)
	if err != nil {
		return nil, err
	}
	if server != nil {
		return server, nil
	}
	return newLocal(cmd.Context(), app)
}

func newCmdList(app *cli.App) *cobra.Command {
	var f api.RunFilter
	var pipeline string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List runs, newest first",
		Example: "  elt runs list\n  elt runs list --status failed --status lost --limit 5\n  elt runs list --pipeline nightly --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.Limit < 1 || f.Limit > 500 {
				return fault.New(fault.Usage, "--limit is %d", f.Limit).WithHint("from 1 to 500")
			}
			if pipeline != "" {
				f.Names = []string{pipeline}
			}
			b, err := open(cmd, app)
			if err != nil {
				return err
			}
			runs, err := b.Runs(cmd.Context(), f)
			if err != nil {
				return err
			}
			return app.PrintRuns(runs)
		},
	}
	statuses := []string{state.Queued, state.Running, state.Succeeded, state.Failed, state.Cancelled, state.Lost}
	cmd.Flags().StringSliceVar(&f.Statuses, "status", nil, "only those that are "+strings.Join(statuses, ", "))
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "only those of a job, or of a tap and a target")
	cmd.Flags().StringVar(&f.Schedule, "schedule", "", "only those of a schedule")
	cmd.Flags().IntVar(&f.Limit, "limit", 20, "how many")
	cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(statuses, cobra.ShellCompDirectiveNoFileComp))
	app.ServerFlag(cmd)
	return cmd
}

// withRun is a command on one run.
func withRun(app *cli.App, cmd *cobra.Command, do func(context.Context, book, string) error) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.ValidArgsFunction = app.CompleteExecutions()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		b, err := open(cmd, app)
		if err != nil {
			return err
		}
		return explain(do(cmd.Context(), b, args[0]))
	}
	app.ServerFlag(cmd)
	return cmd
}

func newCmdShow(app *cli.App) *cobra.Command {
	return withRun(app, &cobra.Command{
		Use:     "show RUN_ID",
		Short:   "Show a run: exit code, cause, last lines, steps and attempts",
		Example: "  elt runs show 0198f6c2-7d1c-7a52-9c1f-0e2a6d1b4c3d\n  elt runs show 0198f6c2-7d1c-7a52-9c1f-0e2a6d1b4c3d --json",
	}, func(ctx context.Context, b book, id string) error {
		d, err := b.Run(ctx, id)
		if err != nil {
			return err
		}
		return show(app, d)
	})
}

func show(app *cli.App, d api.RunDetail) error {
	if app.Global.JSON {
		return app.IO.PrintJSON(d)
	}
	out := app.IO.Out
	fmt.Fprintf(out, "run %s of %s: %s", d.ID, d.Name, d.Status)
	if d.ExitCode != nil {
		fmt.Fprintf(out, ", exit code %d", *d.ExitCode)
	}
	fmt.Fprintf(out, "\n  asked by %s at %s, attempt %d\n", d.Trigger, d.CreatedAt.Format(time.RFC3339), d.Attempt)
	if d.Cause != "" {
		fmt.Fprintf(out, "  %s\n", d.Cause)
	}
	table := cli.Table{Header: []string{"  step", "status", "stream", "rows", "bytes", "seconds"}}
	for _, s := range d.Steps {
		for _, one := range s.Streams {
			table.Add("  "+s.Name, s.Status, one.Stream, one.Rows, one.Bytes, fmt.Sprintf("%.1f", one.Seconds))
		}
		if len(s.Streams) == 0 {
			table.Add("  "+s.Name, s.Status, "", "", "", fmt.Sprintf("%.1f", s.Seconds))
		}
	}
	if err := table.Print(out); err != nil {
		return err
	}
	for _, line := range d.LastLines {
		fmt.Fprintf(out, "  | %s\n", line)
	}
	return nil
}

func newCmdCancel(app *cli.App) *cobra.Command {
	return withRun(app, &cobra.Command{
		Use:     "cancel RUN_ID",
		Short:   "Cancel a run of the queue",
		Long:    "Cancel a run of the queue: one that waits ends at once; the processes of one that goes on,\nand all they started, end within seconds. Its bookmark is kept.",
		Example: "  elt runs cancel 0198f6c2-7d1c-7a52-9c1f-0e2a6d1b4c3d",
	}, func(ctx context.Context, b book, id string) error {
		d, err := b.Cancel(ctx, id)
		if err == nil {
			fmt.Fprintf(app.IO.Err, "Run %s is %s\n", d.ID, map[bool]string{true: "cancelled", false: "asked to end"}[d.EndedAt != nil])
		}
		return err
	})
}

func newCmdRetry(app *cli.App) *cobra.Command {
	var fromState bool
	cmd := &cobra.Command{
		Use:   "retry RUN_ID",
		Short: "Run again what a run was",
		Long: `Put a new run into the queue, with the blocks and options of one that has ended. It
goes on from the bookmarks as they are now, or with --from-state from where that run
began: what it and later runs loaded is loaded again.`,
		Example: `  elt runs retry 0198f6c2-7d1c-7a52-9c1f-0e2a6d1b4c3d
  elt runs retry 0198f6c2-7d1c-7a52-9c1f-0e2a6d1b4c3d --from-state`,
	}
	cmd.Flags().BoolVar(&fromState, "from-state", false, "start from the bookmarks as they were before that run")
	return withRun(app, cmd, func(ctx context.Context, b book, id string) error {
		d, err := b.Retry(ctx, id, fromState)
		if err != nil {
			return err
		}
		if app.Global.JSON {
			return app.IO.PrintJSON(d)
		}
		_, err = fmt.Fprintln(app.IO.Out, d.ID)
		return err
	})
}
