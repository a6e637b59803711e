package state

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
)

func newCmdEdit(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:               "edit STATE_ID",
		Short:             "Change a state in your editor ($VISUAL, $EDITOR)",
		Example:           "  EDITOR=nano elt state edit dev:tap-csv-to-target-sqlite",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteStates(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			store, err := app.Store(ctx)
			if err != nil {
				return err
			}
			b, err := find(ctx, store, args[0])
			if err != nil {
				return err
			}
			before, err := singer.Merge(b.Completed, b.Partial)
			if err != nil {
				return err
			}
			after, err := edit(ctx, app, singer.WrapState(before))
			if err != nil {
				return err
			}
			value, err := parse(after, true)
			if err != nil {
				return err
			}
			if singer.EqualJSON(singer.WrapState(value), singer.WrapState(before)) {
				fmt.Fprintln(app.IO.Err, "Nothing was changed")
				return nil
			}
			return changing(cmd, app, args[0], "The state of "+args[0]+" is changed", func(ctx context.Context, store state.Store) error {
				return store.EditBookmark(ctx, args[0], "set", value, nil)
			})
		},
	}
}

// edit lets the user's editor change text in a file of a folder that only
// they may read.
func edit(ctx context.Context, app *cli.App, text json.RawMessage) ([]byte, error) {
	dir, err := os.MkdirTemp("", "elt-state-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		return nil, err
	}
	pretty.WriteByte('\n')
	path := filepath.Join(dir, "state.json")
	if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
		return nil, err
	}
	words := strings.Fields(editor(app.Environ))
	c := exec.CommandContext(ctx, words[0], append(words[1:], path)...)
	c.Stdin, c.Stdout, c.Stderr = app.IO.In, app.IO.Out, app.IO.Err
	if app.IO.Terminal != nil {
		c.Stderr = app.IO.Terminal
	}
	if err := c.Run(); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "editor %s", words[0]).WithHint("set VISUAL or EDITOR to one that waits until you are done")
	}
	return os.ReadFile(path)
}

func editor(environ []string) string {
	for _, name := range []string{"VISUAL=", "EDITOR="} {
		for _, kv := range environ {
			if value, ok := strings.CutPrefix(kv, name); ok && strings.TrimSpace(value) != "" {
				return value
			}
		}
	}
	return "vi"
}
