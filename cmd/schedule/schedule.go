// Package schedule is `elt schedule`: when jobs and pairs run.
package schedule

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// Hooks are what schedule needs of others.
type Hooks struct {
	// Run runs elt itself with arguments and additional variables, and
	// returns its exit code.
	Run func(ctx context.Context, args []string, env map[string]string) (int, error)
}

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App, hooks Hooks) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Manage schedules: when jobs and pairs run",
		Example: `  elt schedule list
  elt schedule add nightly --job load --interval "0 3 * * *"
  elt schedule run nightly
  elt schedule pause nightly`,
	}
	cmd.AddCommand(NewCmdList(app, nil), newCmdAdd(app), newCmdSet(app), newCmdRemove(app), newCmdRun(app, hooks),
		newCmdPause(app), newCmdResume(app), newCmdSlots(app))
	return cmd
}

// flags are what a schedule is made of.
type flags struct{ interval, job, extractor, loader, transform string }

func (f *flags) register(cmd *cobra.Command, transform string) {
	cmd.Flags().StringVar(&f.interval, "interval", "", "five cron fields, or @hourly, @daily, @weekly, @monthly, @yearly, @once")
	cmd.Flags().StringVar(&f.job, "job", "", "job to run")
	cmd.Flags().StringVar(&f.extractor, "extractor", "", "extractor, for a schedule without a job")
	cmd.Flags().StringVar(&f.loader, "loader", "", "loader, for a schedule without a job")
	cmd.Flags().StringVar(&f.transform, "transform", transform, "skip, run or only")
}

func (f *flags) check() error {
	if f.interval != "" {
		if _, err := project.Cron(f.interval); err != nil {
			return fault.New(fault.Failed, "%v", err)
		}
	}
	switch f.transform {
	case "", "skip", "run", "only":
	default:
		return fault.New(fault.Usage, "--transform %s: it is skip, run or only", f.transform)
	}
	if f.job != "" && (f.extractor != "" || f.loader != "") {
		return fault.New(fault.Failed, "a schedule has either a job, or an extractor and a loader")
	}
	return nil
}

func newCmdAdd(app *cli.App) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "add NAME --interval INTERVAL",
		Short: "Add a schedule",
		Example: `  elt schedule add nightly --job load --interval @daily
  elt schedule add gitlab --extractor tap-gitlab --loader target-postgres --interval "*/15 * * * *"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if f.job == "" && (f.extractor == "" || f.loader == "") {
				return fault.New(fault.Usage, "a schedule needs --job, or --extractor and --loader")
			}
			p, err := app.ProjectExplicit(cmd.Context())
			if err != nil {
				return err
			}
			return add(app, p, args[0], f)
		},
	}
	f.register(cmd, "skip")
	_ = cmd.MarkFlagRequired("interval") // fails only for a flag that is not defined
	return cmd
}

func add(app *cli.App, p *project.Project, name string, f *flags) error {
	if _, err := p.Schedule(name); err == nil {
		_, err := fmt.Fprintf(app.IO.Out, "Schedule '%s' already exists.\n", name) // no failure for Meltano
		return err
	}
	item, what := project.NewMap(), "job"
	item.Set("name", name)
	item.Set("interval", f.interval)
	if f.job != "" {
		item.Set("job", f.job)
	} else {
		what = "elt"
		item.Set("extractor", f.extractor)
		item.Set("loader", f.loader)
		item.Set("transform", f.transform)
	}
	if err := p.Change(func(e *project.Editor) error { return e.Add("schedules", item) }); err != nil {
		return err
	}
	_, err := fmt.Fprintf(app.IO.Out, "Scheduled %s '%s' at %s\n", what, name, f.interval)
	return err
}

func newCmdSet(app *cli.App) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:               "set NAME",
		Short:             "Change a schedule",
		Example:           `  elt schedule set nightly --interval "0 4 * * *"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteSchedules(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			p, err := app.ProjectExplicit(cmd.Context())
			if err != nil {
				return err
			}
			s, err := p.Schedule(args[0])
			if err != nil {
				return err
			}
			if s.Job != "" && (f.extractor != "" || f.loader != "" || f.transform != "") || s.Job == "" && f.job != "" {
				return fault.New(fault.Failed, "a schedule has either a job, or an extractor and a loader").
					WithHint("remove %s and add it anew", s.Name)
			}
			return set(app, p, s.Name, f)
		},
	}
	f.register(cmd, "")
	return cmd
}

func set(app *cli.App, p *project.Project, name string, f *flags) error {
	values := project.NewMap()
	for _, v := range [][2]string{{"interval", f.interval}, {"job", f.job}, {"extractor", f.extractor},
		{"loader", f.loader}, {"transform", f.transform}} {
		if v[1] != "" {
			values.Set(v[0], v[1])
		}
	}
	if err := p.Change(func(e *project.Editor) error { return e.Set("schedules", name, values) }); err != nil {
		return err
	}
	_, err := fmt.Fprintf(app.IO.Out, "Updated schedule '%s'\n", name)
	return err
}

func newCmdRemove(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Remove a schedule",
		Example:           "  elt schedule remove nightly",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteSchedules(),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := app.ProjectExplicit(cmd.Context())
			if err != nil {
				return err
			}
			if err := p.Change(func(e *project.Editor) error { return e.Remove("schedules", args[0]) }); err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.IO.Err, "Removed schedule '%s'\n", args[0])
			return err
		},
	}
}
