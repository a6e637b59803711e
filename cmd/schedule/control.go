package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/state"
)

// local is the store and which schedules in it are this project's.
type local struct {
	store                state.Store
	project, environment string
}

// here opens the store for a schedule that must exist.
func here(ctx context.Context, app *cli.App, name string) (local, error) {
	p, err := app.Project(ctx) // with the environment that a daemon would have
	if err != nil {
		return local{}, err
	}
	if _, err := p.Schedule(name); err != nil {
		return local{}, err
	}
	store, err := app.Store(ctx)
	environment, _ := p.Environment()
	return local{store, p.ID(), environment}, err
}

func newCmdPause(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause NAME",
		Short: "Let a schedule fire only by hand",
		Long: `Let a schedule fire only by hand, until elt schedule resume. It is kept in the state
store: all daemons see it, and the project file stays as it is.`,
		Example:           "  elt schedule pause nightly\n  ELT_TOKEN=… elt schedule pause nightly --server https://elt.example",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteSchedules(),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			server, err := app.Remote(cmd)
			if err == nil && server != nil {
				err = server.Pause(ctx, args[0])
			} else if err == nil {
				var l local
				if l, err = here(ctx, app, args[0]); err == nil {
					err = l.store.PauseSchedule(ctx, l.project, l.environment, args[0], cli.Who())
				}
			}
			if err == nil {
				fmt.Fprintf(app.IO.Err, "Schedule %s is paused\n", args[0])
			}
			return err
		},
	}
	app.ServerFlag(cmd)
	return cmd
}

func newCmdResume(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "resume NAME",
		Short:             "Let a paused schedule fire again",
		Long:              "Let a paused schedule fire again. One with paused: true in the project file stays paused.",
		Example:           "  elt schedule resume nightly",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteSchedules(),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			server, err := app.Remote(cmd)
			if err == nil && server != nil {
				err = server.Resume(ctx, args[0])
			} else if err == nil {
				var l local
				if l, err = here(ctx, app, args[0]); err == nil {
					err = l.store.ResumeSchedule(ctx, l.project, l.environment, args[0])
				}
			}
			if err == nil {
				fmt.Fprintf(app.IO.Err, "Schedule %s fires again\n", args[0])
			}
			return err
		},
	}
	app.ServerFlag(cmd)
	return cmd
}

func newCmdSlots(app *cli.App) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:               "slots NAME",
		Short:             "Show what became of a schedule's times, newest first",
		Long:              "Show what became of a schedule's times, newest first: fired, missed (no daemon was\nthere), or skipped (paused, or the run before was still going on).",
		Example:           "  elt schedule slots nightly\n  elt schedule slots nightly --limit 100 --json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteSchedules(),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			server, err := app.Remote(cmd)
			if err != nil {
				return err
			}
			var slots []api.Slot
			if server != nil {
				slots, err = server.Slots(ctx, args[0], limit)
			} else {
				slots, err = localSlots(ctx, app, args[0], limit)
			}
			if err != nil {
				return err
			}
			if app.Global.JSON {
				return app.IO.PrintJSON(append([]api.Slot{}, slots...))
			}
			table := cli.Table{Header: []string{"slot", "outcome", "why", "run id"}}
			for _, s := range slots {
				table.Add(s.Slot.Format(time.RFC3339), s.Outcome, s.Why, s.RunID)
			}
			return table.Print(app.IO.Out)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many")
	app.ServerFlag(cmd)
	return cmd
}

func localSlots(ctx context.Context, app *cli.App, name string, limit int) ([]api.Slot, error) {
	l, err := here(ctx, app, name)
	if err != nil {
		return nil, err
	}
	list, err := l.store.Slots(ctx, l.project, l.environment, name, limit)
	var slots []api.Slot
	for _, s := range list {
		slots = append(slots, api.SlotOf(s))
	}
	return slots, err
}
