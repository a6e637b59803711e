// Package logs is `elt logs`: the runs that were, and what each of them said.
package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/state"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "logs",
		Short:   "List runs and show their logs",
		Example: "  elt logs list\n  elt logs show\n  elt logs show 0198f6c2 --tail 50",
	}
	cmd.AddCommand(newCmdList(app), newCmdShow(app))
	return cmd
}

func newCmdList(app *cli.App) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:               "list [STATE_ID]",
		Short:             "List runs, newest first",
		Example:           "  elt logs list\n  elt logs list dev:tap-csv-to-target-sqlite --limit 5 --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			runs, err := store.Runs(cmd.Context(), id, limit)
			if err != nil {
				return err
			}
			if app.Global.JSON {
				if runs == nil {
					runs = []state.Run{}
				}
				return app.IO.PrintJSON(runs)
			}
			table := cli.Table{Header: []string{"started", "status", "run", "state id", "rows", "seconds", "run id"}}
			for _, r := range runs {
				table.Add(r.Started.Format(time.RFC3339), status(r), r.Name, r.StateID, rows(r), seconds(r), r.ID)
			}
			return table.Print(app.IO.Out)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many; 0 is all")
	return cmd
}

func status(r state.Run) string {
	if r.Unconfirmed {
		return r.Status + ", unconfirmed"
	}
	return r.Status
}

func rows(r state.Run) (n int64) {
	for _, s := range r.Streams {
		n += s.Rows
	}
	return n
}

func seconds(r state.Run) string {
	if r.Ended == nil {
		return ""
	}
	return fmt.Sprintf("%.1f", r.Ended.Sub(r.Started).Seconds())
}

func newCmdShow(app *cli.App) *cobra.Command {
	var tail int
	var follow bool
	cmd := &cobra.Command{
		Use:   "show [RUN_ID]",
		Short: "Show the log of a run",
		Long: `Show the log of a run: of the newest one, or of the one whose id begins with
RUN_ID. With --json the record of the run instead. -f shows what comes, until
the run has ended. With --server it is a run of a daemon, by its whole id.`,
		Example:           "  elt logs show -f 0198f6c2\n  elt logs show\n  elt logs show 0198f6c2-7d1c --tail 50\n  elt logs show 0198f6c2-7d1c --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: app.CompleteRuns(),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			if server, err := app.Remote(cmd); err != nil || server != nil {
				return remote(cmd.Context(), app, server, id, tail, follow, err)
			}
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			r, err := find(cmd.Context(), store, id)
			if err != nil {
				return err
			}
			if app.Global.JSON {
				return app.IO.PrintJSON(r)
			}
			if follow {
				return following(cmd.Context(), app, store, r, tail)
			}
			return show(app.IO.Out, r, tail)
		},
	}
	cmd.Flags().IntVar(&tail, "tail", 0, "only the last lines; 0 is all")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show what comes, until the run has ended")
	app.ServerFlag(cmd)
	return cmd
}

// find is the run of an id, or of the beginning of one; "" is the newest.
func find(ctx context.Context, store state.Store, id string) (state.Run, error) {
	if id != "" {
		r, err := store.Run(ctx, id)
		if !errors.Is(err, state.ErrNotFound) {
			return r, err
		}
	}
	runs, err := store.Runs(ctx, "", 0)
	if err != nil {
		return state.Run{}, err
	}
	var found []state.Run
	for _, r := range runs {
		if strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	switch {
	case len(runs) == 0:
		return state.Run{}, fault.New(fault.Failed, "nothing has run yet")
	case len(found) == 0:
		return state.Run{}, fault.New(fault.Failed, "there is no run %q", id).WithHint("see: elt logs list")
	case len(found) > 1 && id != "":
		return state.Run{}, fault.New(fault.Failed, "%d runs begin with %q", len(found), id).WithHint("give more of the id")
	}
	return found[0], nil
}

// show prints a run's log, or its last lines.
func show(w io.Writer, r state.Run, tail int) error {
	if r.LogPath == "" {
		return fault.New(fault.Failed, "run %s has kept no log", r.ID)
	}
	f, err := os.Open(r.LogPath)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Failed, "the log of run %s is not here: %s", r.ID, r.LogPath).
			WithHint("it was removed, or lies on another machine")
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "the log of run %s", r.ID)
	}
	defer f.Close()
	if tail <= 0 {
		_, err = io.Copy(w, f)
		return err
	}
	lines, err := lastLines(f, tail)
	if err != nil {
		return fmt.Errorf("read the log %s: %w", r.LogPath, err)
	}
	for _, line := range lines {
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	return nil
}

// lastLines reads r to its end and keeps n lines.
func lastLines(r io.Reader, n int) ([]string, error) {
	var lines []string
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadString('\n')
		if line != "" {
			if len(lines) == n {
				lines = lines[1:]
			}
			lines = append(lines, line)
		}
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
