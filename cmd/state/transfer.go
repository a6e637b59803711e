package state

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/singer"
)

// exported is one state as Meltano's `state export` prints it: both parts,
// each {"singer_state": …}, or {} where there is none.
type exported struct {
	Completed json.RawMessage `json:"completed"`
	Partial   json.RawMessage `json:"partial"`
}

func newCmdExport(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "export",
		Short:   "Print the states of all state ids as JSON, for import",
		Long:    "Print the states of all state ids as one JSON object, in the form that import reads,\nhere and in Meltano. Epochs and the history stay where they are.",
		Example: "  elt state export > states.json\n  ELT_DATABASE_URI=sqlite:///old.db elt state export | elt state import",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			store, err := app.Store(ctx)
			if err != nil {
				return err
			}
			ids, err := store.BookmarkIDs(ctx, "")
			if err != nil {
				return err
			}
			all := map[string]exported{}
			for _, id := range ids {
				b, err := find(ctx, store, id)
				if err != nil {
					return err
				}
				all[id] = exported{wrapped(b.Completed), wrapped(b.Partial)}
			}
			return app.IO.PrintJSON(all)
		},
	}
}

func newCmdImport(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "import [FILE]",
		Short:   "Replace states by those that export printed",
		Long:    "Replace the state of each state id that FILE (or standard input) names by what\nexport printed. All of it is checked before any is written; other state ids stay.\nEach is an edit, as by elt state set.",
		Example: "  elt state import states.json\n  meltano state export | elt state import",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			states, err := readExported(app, args)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			store, err := app.Store(ctx)
			if err != nil {
				return err
			}
			for _, id := range slices.Sorted(maps.Keys(states)) {
				s := states[id]
				if err := store.EditBookmark(ctx, id, "import", s.Completed, s.Partial); err != nil {
					return fmt.Errorf("import the state of %s (those before it in the alphabet are imported): %w", id, err)
				}
				if err := warnOfRun(ctx, app, store, id); err != nil {
					return err
				}
			}
			fmt.Fprintf(app.IO.Err, "%d states are imported\n", len(states))
			return nil
		},
	}
}

// readExported reads what export printed and takes the values out of their wrapping.
func readExported(app *cli.App, args []string) (map[string]exported, error) {
	raw, err := []byte(nil), error(nil)
	if len(args) == 0 || args[0] == "-" {
		raw, err = io.ReadAll(app.IO.In)
	} else {
		raw, err = os.ReadFile(args[0])
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the states")
	}
	const hint = `it looks like {"STATE_ID": {"completed": {"singer_state": {…}}, "partial": {}}}, as elt state export prints it`
	var states map[string]exported
	if err := json.Unmarshal(raw, &states); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "this is no export of states").WithHint(hint)
	}
	for id, s := range states {
		var problem [2]error
		s.Completed, problem[0] = unwrapped(s.Completed)
		s.Partial, problem[1] = unwrapped(s.Partial)
		for _, err := range problem {
			if err != nil {
				return nil, fault.Wrap(fault.Failed, err, "state id %q: this is no state", id).WithHint(hint)
			}
		}
		states[id] = s
	}
	return states, nil
}

func wrapped(value json.RawMessage) json.RawMessage {
	if singer.NewBookmarks(value).IsZero() {
		return json.RawMessage("{}")
	}
	return singer.WrapState(value)
}

func unwrapped(value json.RawMessage) (json.RawMessage, error) {
	if singer.NewBookmarks(value).IsZero() {
		return nil, nil
	}
	return singer.UnwrapState(value)
}
