package logs

import (
	"context"
	"io"
	"os"
	"time"

	"elt/internal/cli"
	"elt/internal/client"
	"elt/internal/fault"
	"elt/state"
)

// remote shows the log of a daemon's run.
func remote(ctx context.Context, app *cli.App, server *client.Client, id string, tail int, follow bool, err error) error {
	switch {
	case err != nil:
		return err
	case id == "":
		return fault.New(fault.Usage, "with --server, say which run").WithHint("elt runs list --server %s lists them", server.Server())
	case app.Global.JSON:
		d, err := server.Run(ctx, id)
		if err != nil {
			return err
		}
		return app.IO.PrintJSON(d)
	case follow:
		_, err := server.Follow(ctx, id, cli.PrintLine(app.IO.Out))
		return err
	}
	return server.Log(ctx, id, tail, cli.PrintLine(app.IO.Out))
}

// following shows a log and what is added to it until the run has ended.
func following(ctx context.Context, app *cli.App, store state.Store, r state.Run, tail int) error {
	if err := show(app.IO.Out, r, tail); err != nil {
		return err
	}
	f, err := os.Open(r.LogPath)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for over := r.Ended != nil; ; {
		if _, err := io.Copy(app.IO.Out, f); err != nil || over {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		now, err := store.Run(ctx, r.ID)
		if err != nil {
			return err
		}
		over = now.Ended != nil
	}
}
