package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/client"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/state"
)

// ListOptions are the options of `schedule list`.
type ListOptions struct{ Format string }

// NewCmdList is `schedule list`.
func NewCmdList(app *cli.App, runF func(context.Context, *ListOptions) error) *cobra.Command {
	o := &ListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List schedules",
		Long:    "List schedules. The JSON form is Meltano's, which Airflow's and Dagster's adapters read.",
		Example: "  elt schedule list\n  elt schedule list --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if app.Global.JSON {
				o.Format = "json"
			}
			if o.Format != "json" && o.Format != "text" {
				return fault.New(fault.Usage, "--format %s: it is text or json", o.Format)
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			if server, err := app.Remote(cmd); err != nil || server != nil {
				return listRemote(cmd.Context(), app, server, o, err)
			}
			return listRun(cmd.Context(), app, o)
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "text", "text or json")
	app.ServerFlag(cmd)
	return cmd
}

// listRemote lists a daemon's schedules and when they fire next.
func listRemote(ctx context.Context, app *cli.App, server *client.Client, o *ListOptions, err error) error {
	if err != nil {
		return err
	}
	all, err := server.Schedules(ctx)
	if err != nil {
		return err
	}
	if o.Format == "json" {
		return app.IO.PrintJSON(all)
	}
	table := cli.Table{Header: []string{"schedule", "runs", "interval", "zone", "next", "paused"}}
	for _, s := range all {
		next, paused := "", ""
		if len(s.NextFires) > 0 {
			next = s.NextFires[0].Format(time.RFC3339)
		}
		if s.Paused != nil {
			paused = "by " + s.Paused.By
		}
		table.Add(s.Name, s.Pipeline, s.Interval, s.Timezone, next, paused)
	}
	return table.Print(app.IO.Out)
}

// listedJob and listedPair are schedules in JSON, as Meltano prints them.
type listedJob struct {
	Name     string            `json:"name"`
	Interval string            `json:"interval"`
	Cron     *string           `json:"cron_interval"`
	Env      map[string]string `json:"env"`
	Job      jobOf             `json:"job"`
}

type jobOf struct {
	Name  string         `json:"name"`
	Tasks []project.Task `json:"tasks"`
}

type listedPair struct {
	Name      string            `json:"name"`
	Extractor string            `json:"extractor"`
	Loader    string            `json:"loader"`
	Transform string            `json:"transform"`
	Interval  string            `json:"interval"`
	Env       map[string]string `json:"env"`
	Cron      *string           `json:"cron_interval"`
	Ended     *time.Time        `json:"last_successful_run_ended_at"`
	Args      []string          `json:"elt_args"`
}

func listRun(ctx context.Context, app *cli.App, o *ListOptions) error {
	p, err := app.ProjectExplicit(ctx)
	if err != nil {
		return err
	}
	if o.Format == "text" {
		return printText(app, p)
	}
	jobs, pairs := []listedJob{}, []listedPair{}
	for _, s := range p.Schedules() {
		if s.Job == "" {
			ended, err := lastSuccess(ctx, app, s.StateID())
			if err != nil {
				return err
			}
			pairs = append(pairs, listedPair{s.Name, s.Extractor, s.Loader, s.Transform, s.Interval, s.Env, cron(s), ended, pairArgs(s)})
			continue
		}
		job, err := jobFor(p, s)
		if err != nil {
			return err
		}
		jobs = append(jobs, listedJob{s.Name, s.Interval, cron(s), s.Env, jobOf{job.Name, job.Tasks}})
	}
	return app.IO.PrintJSON(map[string]any{"schedules": map[string]any{"job": jobs, "elt": pairs}})
}

// cron is null for schedules that never fire by themselves.
func cron(s project.Schedule) *string {
	if s.Cron == "" {
		return nil
	}
	return &s.Cron
}

func pairArgs(s project.Schedule) []string {
	return []string{s.Extractor, s.Loader, "--transform=" + s.Transform, "--state-id=" + s.StateID()}
}

func jobFor(p *project.Project, s project.Schedule) (project.Job, error) {
	job, ok := p.Job(s.Job)
	if !ok {
		var names []string
		for _, j := range p.Jobs() {
			names = append(names, j.Name)
		}
		e := fault.New(fault.Failed, "schedule %q runs job %q, which does not exist", s.Name, s.Job)
		if near := fault.Nearest(s.Job, names); near != "" {
			e = e.WithHint("did you mean %q?", near)
		}
		return job, e
	}
	return job, nil
}

func lastSuccess(ctx context.Context, app *cli.App, stateID string) (*time.Time, error) {
	store, err := app.StoreIfAny(ctx)
	if store == nil || err != nil {
		return nil, err
	}
	runs, err := store.Runs(ctx, stateID, 50)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if r.Status == state.Succeeded {
			return r.Ended, nil
		}
	}
	return nil, nil
}

func printText(app *cli.App, p *project.Project) error {
	for _, s := range p.Schedules() {
		line := pairLine(s)
		if s.Job != "" {
			job, err := jobFor(p, s)
			if err != nil {
				return err
			}
			line = fmt.Sprintf("[%s] job %s: %s → %s", s.Interval, s.Name, s.Job, project.Repr(project.TaskValues(job.Tasks)))
		}
		if _, err := fmt.Fprintln(app.IO.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// pairLine shows which parts of a pair's schedule run, in Meltano's signs.
func pairLine(s project.Schedule) string {
	load, transform := "→", "x"
	switch s.Transform {
	case "run":
		transform = "→"
	case "only":
		load, transform = "×", "→"
	}
	return fmt.Sprintf("[%s] elt %s: %s %s %s %s transforms", s.Interval, s.Name, s.Extractor, load, s.Loader, transform)
}
