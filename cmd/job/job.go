// Package job is `elt job`: named lists of tasks for `elt run`.
package job

import (
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "job",
		Short:   "Manage jobs: named lists of tasks",
		Example: "  elt job list\n  elt job add nightly --tasks '[\"tap-gitlab target-postgres\", \"dbt:run\"]'\n  elt run nightly",
	}
	cmd.AddCommand(NewCmdList(app, nil), newCmdAdd(app), newCmdSet(app), newCmdRemove(app))
	return cmd
}

func newCmdAdd(app *cli.App) *cobra.Command {
	var tasks string
	cmd := &cobra.Command{
		Use:   "add NAME --tasks TASKS",
		Short: "Add a job",
		Example: `  elt job add nightly --tasks 'tap-gitlab target-postgres dbt:run'
  elt job add nightly --tasks '["tap-gitlab target-postgres", ["dbt:run", "dbt:test"]]'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, list, err := read(cmd, app, args[0], tasks)
			if err != nil {
				return err
			}
			if _, there := p.Job(args[0]); there {
				return fault.New(fault.Failed, "job %q exists already", args[0]).WithHint("elt job set changes it")
			}
			item := project.NewMap()
			item.Set("name", args[0])
			item.Set("tasks", list)
			if err := p.Change(func(e *project.Editor) error { return e.Add("jobs", item) }); err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.IO.Out, "Added job %s: %s\n", args[0], project.Repr(list))
			return err
		},
	}
	tasksFlag(cmd, &tasks)
	return cmd
}

func newCmdSet(app *cli.App) *cobra.Command {
	var tasks string
	cmd := &cobra.Command{
		Use:               "set NAME --tasks TASKS",
		Short:             "Replace the tasks of a job",
		Example:           "  elt job set nightly --tasks 'tap-gitlab target-postgres'",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteJobs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, list, err := read(cmd, app, args[0], tasks)
			if err != nil {
				return err
			}
			if _, there := p.Job(args[0]); !there {
				_, err = fmt.Fprintf(app.IO.Out, "Job '%s' does not exist.\n", args[0]) // no failure for Meltano
				return err
			}
			values := project.NewMap()
			values.Set("tasks", list)
			if err := p.Change(func(e *project.Editor) error { return e.Set("jobs", args[0], values) }); err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.IO.Out, "Updated job %s: %s\n", args[0], project.Repr(list))
			return err
		},
	}
	tasksFlag(cmd, &tasks)
	return cmd
}

func newCmdRemove(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Remove a job",
		Example:           "  elt job remove nightly",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteJobs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := app.ProjectExplicit(cmd.Context())
			if err != nil {
				return err
			}
			if err := p.Change(func(e *project.Editor) error { return e.Remove("jobs", args[0]) }); err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.IO.Out, "Removed job '%s'.\n", args[0])
			return err
		},
	}
}

func tasksFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "tasks", "", "a line of blocks, or a YAML list of lines and lists")
	_ = cmd.MarkFlagRequired("tasks") // fails only for a flag that is not defined
}

// read checks the tasks against the plugins of the project.
func read(cmd *cobra.Command, app *cli.App, name, text string) (*project.Project, []any, error) {
	p, err := app.ProjectExplicit(cmd.Context())
	if err != nil {
		return nil, nil, err
	}
	tasks, err := project.ParseTasks(text)
	if err != nil {
		return nil, nil, err
	}
	if err := p.CheckTasks(name, tasks); err != nil {
		return nil, nil, err
	}
	return p, project.TaskValues(tasks), nil
}
