package state

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
)

func forceFlag(cmd *cobra.Command, force *bool) {
	cmd.Flags().BoolVar(force, "force", false, "do not ask")
}

// changing runs f with the open store and says what was done.
func changing(cmd *cobra.Command, app *cli.App, id, done string, f func(context.Context, state.Store) error) error {
	ctx := cmd.Context()
	store, err := app.Store(ctx)
	if err != nil {
		return err
	}
	if err := f(ctx, store); err != nil {
		return err
	}
	fmt.Fprintf(app.IO.Err, "%s\n", done)
	return warnOfRun(ctx, app, store, id)
}

func newCmdSet(app *cli.App) *cobra.Command {
	var file string
	var force, noValidate bool
	cmd := &cobra.Command{
		Use:               "set STATE_ID [STATE]",
		Short:             "Replace the state of a state id",
		Example:           "  elt state set dev:tap-csv-to-target-sqlite '{\"singer_state\": {\"bookmarks\": {}}}'\n  elt state set dev:tap-csv-to-target-sqlite --input-file state.json",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := input(app, second(args), file)
			if err != nil {
				return err
			}
			if value, err = parse(value, !noValidate); err != nil {
				return err
			}
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				return remoteSet(cmd.Context(), app, server, args[0], value, force)
			}
			if err := confirm(app, force, "This replaces the state of %s. Go on?", args[0]); err != nil {
				return err
			}
			return changing(cmd, app, args[0], "The state of "+args[0]+" is set", func(ctx context.Context, store state.Store) error {
				return store.EditBookmark(ctx, args[0], "set", value, nil)
			})
		},
	}
	forceFlag(cmd, &force)
	app.ServerFlag(cmd)
	cmd.Flags().StringVar(&file, "input-file", "", "file with the state; - is standard input")
	cmd.Flags().BoolVar(&noValidate, "no-validate", false, `take any JSON object, also one without "singer_state"`)
	return cmd
}

func second(args []string) string {
	if len(args) > 1 {
		return args[1]
	}
	return ""
}

func newCmdMerge(app *cli.App) *cobra.Command {
	var file, from string
	var noValidate bool
	cmd := &cobra.Command{
		Use:               "merge STATE_ID [STATE]",
		Short:             "Merge values into the state of a state id",
		Long:              "Merge values into the state of a state id: objects merge, everything else is replaced.",
		Example:           "  elt state merge dev:tap-csv-to-target-sqlite '{\"singer_state\": {\"bookmarks\": {\"users\": {\"last\": 5}}}}'\n  elt state merge prod:tap-x-to-target-y --from-state-id dev:tap-x-to-target-y",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if from != "" && (file != "" || len(args) > 1) {
				return fault.New(fault.Usage, "give the state by --from-state-id, by --input-file, or as an argument")
			}
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				value := json.RawMessage(nil)
				if from != "" {
					value, _, err = stateAt(cmd.Context(), server, from)
				} else if value, err = input(app, second(args), file); err == nil {
					value, err = parse(value, !noValidate)
				}
				if err != nil {
					return err
				}
				return remoteMerge(cmd.Context(), app, server, args[0], value)
			}
			return changing(cmd, app, args[0], "Merged into the state of "+args[0], func(ctx context.Context, store state.Store) error {
				value, err := mergeInput(ctx, app, store, second(args), file, from, !noValidate)
				if err != nil {
					return err
				}
				b, err := find(ctx, store, args[0])
				if err != nil {
					return err
				}
				partial, err := singer.Merge(b.Partial, value)
				if err != nil {
					return err
				}
				return store.EditBookmark(ctx, args[0], "merge", b.Completed, partial)
			})
		},
	}
	cmd.Flags().StringVar(&file, "input-file", "", "file with the state; - is standard input")
	app.ServerFlag(cmd)
	cmd.Flags().StringVar(&from, "from-state-id", "", "take the values from this state id")
	cmd.Flags().BoolVar(&noValidate, "no-validate", false, `take any JSON object, also one without "singer_state"`)
	return cmd
}

func mergeInput(ctx context.Context, app *cli.App, store state.Store, argument, file, from string, validate bool) ([]byte, error) {
	if from != "" {
		b, err := existing(ctx, store, from)
		if err != nil {
			return nil, err
		}
		return singer.Merge(b.Completed, b.Partial)
	}
	raw, err := input(app, argument, file)
	if err != nil {
		return nil, err
	}
	return parse(raw, validate)
}

func newCmdCopy(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:               "copy FROM_STATE_ID TO_STATE_ID",
		Short:             "Copy the state of one state id to another",
		Example:           "  elt state copy dev:tap-csv-to-target-sqlite prod:tap-csv-to-target-sqlite",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: app.CompleteStates(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return transfer(cmd, app, "copy", args[0], args[1], force)
		},
	}
	forceFlag(cmd, &force)
	app.ServerFlag(cmd)
	return cmd
}

func newCmdMove(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:               "move FROM_STATE_ID TO_STATE_ID",
		Short:             "Move the state of one state id to another",
		Example:           "  elt state move dev:tap-csv-to-target-sqlite dev:tap-csv-to-target-sqlite:v2",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: app.CompleteStates(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return transfer(cmd, app, "move", args[0], args[1], force)
		},
	}
	forceFlag(cmd, &force)
	app.ServerFlag(cmd)
	return cmd
}

// transfer copies or moves. The old entry of a move is cleared after the new
// one is stored: in between both have the state, never none.
func transfer(cmd *cobra.Command, app *cli.App, op, from, to string, force bool) error {
	if from == to {
		return fault.New(fault.Usage, "both state ids are %q", from)
	}
	if server, err := app.Remote(cmd); err != nil {
		return err
	} else if server != nil {
		return remoteTransfer(cmd.Context(), app, server, op, from, to, force)
	}
	store, err := app.Store(cmd.Context())
	if err != nil {
		return err
	}
	b, err := existing(cmd.Context(), store, from)
	if err != nil {
		return err
	}
	if err := confirm(app, force, "This replaces the state of %s. Go on?", to); err != nil {
		return err
	}
	past := map[string]string{"copy": "copied", "move": "moved"}[op]
	return changing(cmd, app, to, fmt.Sprintf("The state of %s is %s to %s", from, past, to), func(ctx context.Context, store state.Store) error {
		if err := store.EditBookmark(ctx, to, op, b.Completed, b.Partial); err != nil || op == "copy" {
			return err
		}
		return store.EditBookmark(ctx, from, op, nil, nil)
	})
}

func newCmdClear(app *cli.App) *cobra.Command {
	var force, all bool
	cmd := &cobra.Command{
		Use:               "clear STATE_ID",
		Short:             "Clear the state of a state id: its next run loads everything again",
		Long:              "Clear the state of a state id: its next run loads everything again. The\nhistory stays, and elt state rollback brings the state back.",
		Example:           "  elt state clear dev:tap-csv-to-target-sqlite\n  elt state clear --all",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return fault.New(fault.Usage, "give one state id, or --all")
			}
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				if all {
					return fault.New(fault.Usage, "--all does not go with --server").WithHint("name one state id; elt state list --server … lists them")
				}
				return remoteClear(cmd.Context(), app, server, args[0], force)
			}
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			what := "all state ids"
			if !all {
				what = args[0]
			} else if args, err = store.BookmarkIDs(cmd.Context(), ""); err != nil {
				return err
			}
			if err := confirm(app, force, "This clears the state of %s. Go on?", what); err != nil {
				return err
			}
			for _, id := range args {
				err := changing(cmd, app, id, "The state of "+id+" is cleared", func(ctx context.Context, store state.Store) error {
					return store.EditBookmark(ctx, id, "clear", nil, nil)
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	forceFlag(cmd, &force)
	app.ServerFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "clear every state id")
	return cmd
}

func newCmdRollback(app *cli.App) *cobra.Command {
	var force bool
	var to string
	cmd := &cobra.Command{
		Use:   "rollback STATE_ID",
		Short: "Go back to an earlier revision of a state",
		Long: `Go back to an earlier revision of a state: to the one before the newest, or to
the one that --to names. The next run loads again what came after it.`,
		Example:           "  elt state rollback dev:tap-csv-to-target-sqlite\n  elt state rollback dev:tap-csv-to-target-sqlite --to 12",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server, err := app.Remote(cmd); err != nil {
				return err
			} else if server != nil {
				return remoteRollback(cmd.Context(), app, server, args[0], to, force)
			}
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			target, err := rollbackTarget(cmd.Context(), store, args[0], to)
			if err != nil {
				return err
			}
			if err := confirm(app, force, "This sets the state of %s back to revision %d. Go on?", args[0], target.ID); err != nil {
				return err
			}
			done := fmt.Sprintf("The state of %s is that of revision %d", args[0], target.ID)
			return changing(cmd, app, args[0], done, func(ctx context.Context, store state.Store) error {
				return store.EditBookmark(ctx, args[0], "rollback", target.Completed, target.Partial)
			})
		},
	}
	forceFlag(cmd, &force)
	app.ServerFlag(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the revision (elt state history lists them)")
	return cmd
}

func rollbackTarget(ctx context.Context, store state.Store, id, to string) (state.Revision, error) {
	if to != "" {
		return revision(ctx, store, id, to)
	}
	newest, err := store.History(ctx, id, 2)
	if err != nil {
		return state.Revision{}, err
	}
	if len(newest) < 2 {
		return state.Revision{}, fault.New(fault.Failed, "state id %q has no earlier revision", id).
			WithHint("elt state clear %s makes its next run load everything", id)
	}
	return newest[1], nil
}
