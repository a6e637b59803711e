package daemon

import (
	"context"
	"os"
	"time"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/state"
)

// alive says every few seconds that this daemon is there, for GET /workers. It
// stops last: a daemon that drains its runs is there.
func alive(app *cli.App, store state.Daemons, d state.Daemon) func(context.Context) error {
	d.PID, d.Version = os.Getpid(), app.Version
	d.Host, _ = os.Hostname()
	log := app.Log()
	say := func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, api.Heartbeat)
		defer cancel()
		if err := store.KeepDaemon(ctx, d, api.ForgetDaemon); err != nil && ctx.Err() == nil {
			log.Debug().Err(err).Msg("the store does not hear that this daemon is there")
		}
	}
	return func(ctx context.Context) error {
		ticker := time.NewTicker(api.Heartbeat)
		defer ticker.Stop()
		for {
			say(ctx)
			select {
			case <-ctx.Done():
				last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
				defer cancel()
				_ = store.LeaveDaemon(last, d.Name) // else it counts as one that vanished
				return nil
			case <-ticker.C:
			}
		}
	}
}
