package daemon

import (
	"context"
	"errors"
	"net"
	"syscall"

	"elt/internal/api"
	"elt/internal/backfill"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/internal/singer"
	"elt/internal/ui"
	"elt/internal/worker"
	"elt/state"
)

// newAPI listens, and gives what serves until its context ends. main is the
// daemon's own context: when that has ended, the daemon stops.
func newAPI(main context.Context, app *cli.App, o *Options, s *source, store state.Store, w *worker.Worker) (func(context.Context) error, error) {
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		e := fault.Wrap(fault.Usage, err, "the API cannot listen at %s", o.Listen)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, e.WithHint("another program does, perhaps another elt daemon: --listen 127.0.0.1:8081, or --listen \"\" for no API")
		}
		return nil, e.WithHint("as --listen 127.0.0.1:8080; --listen \"\" is no API")
	}
	settings, err := app.Settings()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	logins, err := loginsOf(settings)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if logins != nil {
		app.Redactor.Add(logins.ClientSecret) // invariant 10
	}
	metrics := api.NewMetrics(store, s.load, app.Version)
	server := api.New(api.Config{
		Store: store, Now: s.now, LogPath: s.logPath, Enqueued: w.Wake, PlanBackfill: planner(app, s, store),
		PlanRun: dryRun(app, s, store), Discover: func(ctx context.Context, p *project.Project, tap *project.Plugin) (*singer.Catalog, error) {
			return app.Catalog(ctx, p, tap, false)
		},
		Mask: app.Redactor.String, Secret: app.Redactor.Add, Version: app.Version, Log: app.Log(), NoAuthOnLoopback: o.NoAuth, Metrics: metrics, OIDC: logins,
		UI: ui.Handler(),
	})
	w.Ended = append(w.Ended, metrics.Ended, func(state.Execution) { server.Look() })
	log := app.Log()
	log.Info().Str("address", "http://"+l.Addr().String()).Bool("no_auth_on_loopback", o.NoAuth).Msg("the API listens")
	return func(ctx context.Context) error { return server.Serve(ctx, main.Done(), l) }, nil
}

// planner says what a backfill would do, as elt run --dry-run does.
func planner(app *cli.App, s *source, store state.Store) func(context.Context, api.BackfillRequest) (*backfill.Plan, error) {
	return func(ctx context.Context, q api.BackfillRequest) (*backfill.Plan, error) {
		p, _, err := s.now(ctx)
		if err != nil {
			return nil, err
		}
		plan, err := p.Plan(q.Blocks, project.PlanOptions{})
		if err != nil {
			return nil, err
		}
		set, err := backfill.Set(plan)
		if err != nil {
			return nil, err
		}
		window, err := backfill.ParseWindow(q.From, q.To)
		if err != nil {
			return nil, err
		}
		r, err := app.Runner(ctx, p, runner.Options{})
		if err != nil {
			return nil, err
		}
		r.Store = store
		o := backfill.Options{Tap: set.Extractor.Name, Chunk: q.Chunk, Parallel: q.Parallel, Select: q.Select, Exclude: q.Exclude, AllowDuplicates: q.AllowDuplicates}
		o.Apply(r)
		return backfill.Make(ctx, r, set, window, o, app.Spec)
	}
}
