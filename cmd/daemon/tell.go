package daemon

import (
	"context"
	"path/filepath"
	"time"

	"elt/internal/cli"
	"elt/internal/notify"
	"elt/internal/project"
	"elt/internal/retention"
	"elt/internal/worker"
	"elt/state"
)

// teller is what watches pipelines and tells of what is wrong with them. The
// worker of the same process says when something has ended.
func teller(app *cli.App, s *source, store state.Store, w *worker.Worker) *notify.Watcher {
	wakes := make(chan struct{}, 1)
	w.Ended = append(w.Ended, func(state.Execution) {
		select {
		case wakes <- struct{}{}:
		default:
		}
	})
	return &notify.Watcher{Store: store, Log: app.Log(), Wakes: wakes,
		Load: func(ctx context.Context) (notify.Config, error) {
			p, err := s.loaded(ctx)
			if err != nil {
				return notify.Config{}, err
			}
			return notify.ConfigOf(p), nil
		},
		Open: func(ctx context.Context, name string) (notify.Channel, error) {
			p, err := s.loaded(ctx)
			if err != nil {
				return nil, err
			}
			return OpenChannel(ctx, app, p, name)
		},
	}
}

// OpenChannel makes a channel of the project ready; what it keeps secret is
// masked from now on (invariant 10).
func OpenChannel(ctx context.Context, app *cli.App, p *project.Project, name string) (notify.Channel, error) {
	ch, secrets, err := p.OpenChannel(ctx, name)
	if err != nil {
		return nil, err
	}
	app.Redactor.Add(secrets...)
	return notify.NewChannel(ch, notify.NewMeans(p.Root, app.Environ))
}

// pruner deletes what is old: the logs of this machine, and with rows what the
// store has.
func pruner(app *cli.App, s *source, store state.Store, rows bool) (*retention.Pruner, error) {
	settings, err := app.Settings()
	if err != nil {
		return nil, err
	}
	return &retention.Pruner{Store: store, Rows: rows, Keep: settings.Int("keep_runs"), Log: app.Log(),
		Age: time.Duration(settings.Int("keep_days")) * 24 * time.Hour, Logs: filepath.Join(s.project.SysDir(), "logs", "elt")}, nil
}
