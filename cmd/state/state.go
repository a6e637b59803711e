// Package state is `elt state`: looking at bookmarks and changing them. What
// a user changes here counts for more than what a destination keeps.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at bookmarks, change them, go back to earlier ones",
		Long: `A bookmark says up to where the runs of one state id have loaded. The state id
of "elt run tap-x target-y" is ENVIRONMENT:tap-x-to-target-y, with :SUFFIX
where one is set.`,
		Example: `  elt state list
  elt state get dev:tap-csv-to-target-sqlite
  elt state history dev:tap-csv-to-target-sqlite
  elt state rollback dev:tap-csv-to-target-sqlite`,
	}
	cmd.AddCommand(
		newCmdList(app), newCmdGet(app), newCmdSet(app), newCmdMerge(app), newCmdCopy(app), newCmdMove(app),
		newCmdClear(app), newCmdEdit(app), newCmdExport(app), newCmdImport(app), newCmdHistory(app), newCmdDiff(app), newCmdRollback(app),
	)
	return cmd
}

// find is the entry of a state id; an empty one when there is none.
func find(ctx context.Context, store state.Store, id string) (state.Bookmark, error) {
	b, err := store.Bookmark(ctx, id)
	if errors.Is(err, state.ErrNotFound) {
		return state.Bookmark{StateID: id}, nil
	}
	return b, err
}

// existing is the entry of a state id that must have state.
func existing(ctx context.Context, store state.Store, id string) (state.Bookmark, error) {
	b, err := find(ctx, store, id)
	if err != nil || !empty(b) {
		return b, err
	}
	ids, err := store.BookmarkIDs(ctx, "")
	if err != nil {
		return b, err
	}
	e := fault.New(fault.Failed, "state id %q has no state", id)
	if near := fault.Nearest(id, ids); near != "" {
		return b, e.WithHint("did you mean %q?", near)
	}
	return b, e.WithHint("see: elt state list")
}

func empty(b state.Bookmark) bool {
	return singer.NewBookmarks(b.Completed).IsZero() && singer.NewBookmarks(b.Partial).IsZero()
}

// confirm asks before something is overwritten, unless forced.
func confirm(app *cli.App, force bool, question string, args ...any) error {
	if force {
		return nil
	}
	return app.IO.Confirm(fmt.Sprintf(question, args...))
}

// warnOfRun says that a run under way will overwrite what is changed now.
func warnOfRun(ctx context.Context, app *cli.App, store state.Store, id string) error {
	runs, err := store.Runs(ctx, id, 1)
	if err != nil || len(runs) == 0 || runs[0].Status != state.Running || time.Since(runs[0].Heartbeat) > time.Minute {
		return err
	}
	fmt.Fprintf(app.IO.Err, "warning: run %s of %s is under way and will replace this with its next bookmark\n", runs[0].ID, id)
	return nil
}

// input is the text of a new state: an argument, or a file ("-" is standard input).
func input(app *cli.App, argument, file string) (json.RawMessage, error) {
	if (argument == "") == (file == "") {
		return nil, fault.New(fault.Usage, "give the state either as an argument or by --input-file")
	}
	if file == "" {
		return json.RawMessage(argument), nil
	}
	if file == "-" {
		return io.ReadAll(app.IO.In)
	}
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) { // wrong usage, as in Meltano
		return nil, fault.New(fault.Usage, "there is no file %s for --input-file", file)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the state")
	}
	return raw, nil
}

// parse takes what Meltano keeps, {"singer_state": {…}}; not validated, also
// a bare STATE value. A bare {} or null is refused unless that is asked for:
// it would clear the bookmarks without saying so.
func parse(raw json.RawMessage, validate bool) (json.RawMessage, error) {
	value, err := singer.UnwrapState(raw)
	var object map[string]json.RawMessage
	broken := json.Unmarshal(raw, &object)
	if _, ok := object["singer_state"]; err == nil && validate && !ok {
		err = errors.New(`the key "singer_state" is missing`)
	}
	if err == nil {
		return value, nil
	}
	if !validate && broken == nil {
		return singer.NewBookmarks(raw).Raw(), nil
	}
	return nil, fault.Wrap(fault.Failed, err, "this is no state").WithHint(`a state looks like {"singer_state": {"bookmarks": {…}}}`)
}
