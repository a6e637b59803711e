package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
)

// listed is a bookmark in JSON.
type listed struct {
	StateID string    `json:"state_id"`
	Epoch   int64     `json:"epoch"`
	Edit    int64     `json:"edit"`
	Updated time.Time `json:"updated_at"`
}

func newCmdList(app *cli.App) *cobra.Command {
	var pattern string
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the state ids that have state",
		Example: "  elt state list\n  elt state list --pattern 'dev:*'\n  elt state list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				return remoteList(ctx, app, server, pattern, all || pattern != "")
			}
			store, err := app.Store(ctx)
			if err != nil {
				return err
			}
			ids, err := store.BookmarkIDs(ctx, pattern)
			if err != nil {
				return err
			}
			if pattern == "" && !all {
				ids = slices.DeleteFunc(ids, state.IsChunk)
			}
			if !app.Global.JSON {
				for _, id := range ids {
					fmt.Fprintln(app.IO.Out, id)
				}
				return nil
			}
			list := []listed{}
			for _, id := range ids {
				b, err := find(ctx, store, id)
				if err != nil {
					return err
				}
				list = append(list, listed{id, b.Epoch, b.Edit, b.Updated})
			}
			return app.IO.PrintJSON(list)
		},
	}
	app.ServerFlag(cmd)
	cmd.Flags().StringVar(&pattern, "pattern", "", "only ids like this; * is any text, ? any character")
	cmd.Flags().BoolVar(&all, "all", false, "also those of the chunks of backfills that are not finished")
	return cmd
}

func newCmdGet(app *cli.App) *cobra.Command {
	format := "json"
	cmd := &cobra.Command{
		Use:               "get STATE_ID",
		Short:             "Show the state that the next run begins with",
		Example:           "  elt state get dev:tap-csv-to-target-sqlite\n  elt state get --format pretty dev:tap-csv-to-target-sqlite",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "json" && format != "pretty" {
				return fault.New(fault.Usage, "--format %s: it is json or pretty", format)
			}
			merged, err := whole(cmd, app, args[0])
			if err != nil {
				return err
			}
			if format == "pretty" {
				return app.IO.PrintRaw(singer.WrapState(merged))
			}
			var line bytes.Buffer
			if err := json.Compact(&line, singer.WrapState(merged)); err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.IO.Out, line.String())
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "json", "json (one line) or pretty")
	app.ServerFlag(cmd)
	return cmd
}

// whole is the state that the next run begins with, here or at a daemon's.
func whole(cmd *cobra.Command, app *cli.App, id string) (json.RawMessage, error) {
	ctx := cmd.Context()
	server, err := app.Remote(cmd)
	if err != nil {
		return nil, err
	}
	if server != nil {
		b, _, err := server.Bookmark(ctx, id)
		if string(b.State) == "null" {
			b.State = nil
		}
		return b.State, err
	}
	store, err := app.Store(ctx)
	if err != nil {
		return nil, err
	}
	b, err := find(ctx, store, id)
	if err != nil {
		return nil, err
	}
	return singer.Merge(b.Completed, b.Partial)
}

func newCmdHistory(app *cli.App) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:               "history STATE_ID",
		Short:             "List the changes of a state, newest first",
		Long:              "List the changes of a state, newest first. A run is one change, however many\nstates it confirmed on its way.",
		Example:           "  elt state history dev:tap-csv-to-target-sqlite\n  elt state history --limit 3 --json dev:tap-csv-to-target-sqlite",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server, err := app.Remote(cmd); err != nil || server != nil {
				return remoteHistory(cmd.Context(), app, server, args[0], limit, err)
			}
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			revisions, err := store.History(cmd.Context(), args[0], limit)
			if err != nil {
				return err
			}
			if app.Global.JSON {
				if revisions == nil {
					revisions = []state.Revision{}
				}
				return app.IO.PrintJSON(revisions)
			}
			table := cli.Table{Header: []string{"revision", "at", "by", "run", "changed"}}
			for i, r := range revisions {
				changes := "everything"
				if i+1 < len(revisions) {
					changes = summary(singer.Differences(merged(revisions[i+1]), merged(r)))
				}
				table.Add(r.ID, r.At.Format(time.RFC3339), r.Op, r.RunID, changes)
			}
			return table.Print(app.IO.Out)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "how many (all that are kept)")
	app.ServerFlag(cmd)
	return cmd
}

func newCmdDiff(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff STATE_ID [FROM [TO]]",
		Short: "Show what changed between two revisions of a state",
		Long: `Show what changed between two revisions of a state: the newest and the one
before it; FROM and the newest; or FROM and TO.`,
		Example:           "  elt state diff dev:tap-csv-to-target-sqlite\n  elt state diff dev:tap-csv-to-target-sqlite 12 17",
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				return remoteDiff(cmd.Context(), app, server, args[0], args[1:])
			}
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			from, to, err := revisionPair(cmd.Context(), store, args[0], args[1:])
			if err != nil {
				return err
			}
			return printDiff(app, from.ID, to.ID, singer.Differences(merged(from), merged(to)))
		},
	}
	app.ServerFlag(cmd)
	return cmd
}

func printDiff(app *cli.App, from, to int64, changes []singer.Difference) error {
	if app.Global.JSON {
		return app.IO.PrintJSON(struct {
			From    int64               `json:"from"`
			To      int64               `json:"to"`
			Changes []singer.Difference `json:"changes"`
		}{from, to, append([]singer.Difference{}, changes...)})
	}
	for _, c := range changes {
		if c.From != nil {
			fmt.Fprintf(app.IO.Out, "- %s: %s\n", c.Path, c.From)
		}
		if c.To != nil {
			fmt.Fprintf(app.IO.Out, "+ %s: %s\n", c.Path, c.To)
		}
	}
	return nil
}
