package daemon

import (
	"context"

	"elt/internal/cli"
	"elt/internal/notify"
	"elt/internal/project"
	"elt/state"
)

// teller is what watches pipelines and tells of what is wrong with them.
func teller(app *cli.App, s *source, store state.Store) *notify.Watcher {
	return &notify.Watcher{Store: store, Log: app.Log(),
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
