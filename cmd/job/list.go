package job

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// ListOptions are the options of `job list`.
type ListOptions struct {
	Name   string
	Format string
}

// listed is a job in JSON, as Meltano prints it.
type listed struct {
	Name  string         `json:"job_name"`
	Tasks []project.Task `json:"tasks"`
}

// NewCmdList is `job list`.
func NewCmdList(app *cli.App, runF func(context.Context, *ListOptions) error) *cobra.Command {
	o := &ListOptions{}
	cmd := &cobra.Command{
		Use:               "list [NAME]",
		Short:             "List jobs with their tasks",
		Example:           "  elt job list\n  elt job list nightly --format json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: app.CompleteJobs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Name = args[0]
			}
			if app.Global.JSON {
				o.Format = "json"
			}
			if o.Format != "json" && o.Format != "text" {
				return fault.New(fault.Usage, "--format %s: it is text or json", o.Format)
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return listRun(cmd.Context(), app, o)
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "text", "text or json")
	return cmd
}

func listRun(ctx context.Context, app *cli.App, o *ListOptions) error {
	p, err := app.ProjectExplicit(ctx)
	if err != nil {
		return err
	}
	jobs := p.Jobs()
	if o.Name != "" {
		job, there := p.Job(o.Name)
		if !there {
			_, err := fmt.Fprintf(app.IO.Out, "Job '%s' does not exist.\n", o.Name) // no failure for Meltano
			return err
		}
		if o.Format == "json" {
			return app.IO.PrintJSON(entry(job))
		}
		jobs = []project.Job{job}
	}
	if o.Format == "json" {
		all := []listed{}
		for _, j := range jobs {
			all = append(all, entry(j))
		}
		return app.IO.PrintJSON(map[string]any{"jobs": all})
	}
	for _, j := range jobs {
		if _, err := fmt.Fprintf(app.IO.Out, "%s: %s\n", j.Name, project.Repr(project.TaskValues(j.Tasks))); err != nil {
			return err
		}
	}
	return nil
}

func entry(j project.Job) listed {
	l := listed{j.Name, j.Tasks}
	if l.Tasks == nil {
		l.Tasks = []project.Task{}
	}
	return l
}
