package runs

import (
	"context"
	"errors"
	"path/filepath"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/schedule"
)

// local is the runs in the state store, seen as the API sees them.
type local struct {
	*api.Server
	plan schedule.Plan
}

func newLocal(ctx context.Context, app *cli.App) (*local, error) {
	p, err := app.Project(ctx) // with the environment that a daemon would have
	if err != nil {
		return nil, err
	}
	store, err := app.Store(ctx)
	if err != nil {
		return nil, err
	}
	environment, _ := p.Environment()
	plan := schedule.Plan{Project: p.ID(), Environment: environment, Digest: p.Digest(), Schedules: p.Schedules(), Defaults: schedule.Ours}
	server := api.New(api.Config{Store: store, Mask: app.Redactor.String, Secret: app.Redactor.Add, Version: app.Version, Log: app.Log(),
		Now: func(context.Context) (*project.Project, schedule.Plan, error) { return p, plan, nil },
		LogPath: func(id string) string {
			return filepath.Join(p.SysDir(), "logs", "elt", "executions", filepath.Base(id)+".log")
		},
	})
	return &local{server, plan}, nil
}

func (l *local) Runs(ctx context.Context, f api.RunFilter) ([]api.Run, error) {
	for _, s := range l.plan.Schedules { // a pipeline's runs have its name, or that of its schedules
		if len(f.Names) == 1 && api.PipelineOf(s) == f.Names[0] {
			f.Names = append(f.Names, s.Name)
		}
	}
	runs, _, err := l.Server.Runs(ctx, l.plan, f)
	return runs, explain(err)
}

func (l *local) Run(ctx context.Context, id string) (api.RunDetail, error) { return l.Detail(ctx, id) }

func (l *local) Cancel(ctx context.Context, id string) (api.RunDetail, error) {
	if err := api.Cancel(ctx, l.Store, id, cli.Who()); err != nil {
		return api.RunDetail{}, err
	}
	return l.Detail(ctx, id)
}

func (l *local) Retry(ctx context.Context, id string, fromState bool) (api.RunDetail, error) {
	e, err := api.Again(ctx, l.Store, id, fromState)
	if err != nil {
		return api.RunDetail{}, err
	}
	if e, _, err = l.Store.Enqueue(ctx, e); err != nil {
		return api.RunDetail{}, err
	}
	return l.Detail(ctx, e.ID)
}

// explain turns the API's words into an error of a command.
func explain(err error) error {
	var p *api.Problem
	if errors.As(err, &p) {
		e := fault.New(fault.Failed, "%s", p.Detail)
		if p.Code == "not_found" {
			return e.WithHint("elt runs list shows those there are")
		}
		return e.WithHint("%s", p.Hint)
	}
	return err
}
