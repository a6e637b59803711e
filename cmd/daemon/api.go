package daemon

import (
	"context"
	"errors"
	"net"
	"syscall"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/fault"
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
	server := api.New(api.Config{
		Store: store, Now: s.now, LogPath: s.logPath, Enqueued: w.Wake, Mask: app.Redactor.String, Secret: app.Redactor.Add,
		Version: app.Version, Log: app.Log(), NoAuthOnLoopback: o.NoAuth, UI: ui.Handler(),
	})
	log := app.Log()
	log.Info().Str("address", "http://"+l.Addr().String()).Bool("no_auth_on_loopback", o.NoAuth).Msg("the API listens")
	return func(ctx context.Context) error { return server.Serve(ctx, main.Done(), l) }, nil
}
