package backfill

import (
	"context"
	"fmt"
	"time"

	"elt/internal/api"
	core "elt/internal/backfill"
	"elt/internal/cli"
	"elt/internal/client"
	"elt/state"
)

func remoteList(ctx context.Context, app *cli.App, server *client.Client, limit int) error {
	all, err := server.Backfills(ctx, limit)
	if err != nil {
		return err
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(append([]api.Backfill{}, all...))
	}
	table := cli.Table{Header: []string{"backfill", "status", "from", "to", "chunks", "rows", "started", "state id"}}
	for _, b := range all {
		table.Add(b.ID, b.Status, core.Text(b.From), core.Text(b.To), fmt.Sprintf("%d/%d", b.ChunksDone, b.ChunksTotal), b.Rows, b.CreatedAt.Format(time.RFC3339), b.StateID)
	}
	return table.Print(app.IO.Out)
}

func remoteShow(ctx context.Context, app *cli.App, server *client.Client, id string) error {
	b, err := server.Backfill(ctx, id)
	if err != nil {
		return err
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(b)
	}
	fmt.Fprintf(app.IO.Out, "%s  %s  %s  (state id %s)\n", b.ID, b.Status, b.Name, b.StateID)
	if b.Cause != "" {
		fmt.Fprintf(app.IO.Out, "%s\n", b.Cause)
	}
	table := cli.Table{Header: []string{"chunk", "status", "from", "to", "rows", "attempts", "cause"}}
	for _, c := range b.Chunks {
		table.Add(c.N, c.Status, core.Text(c.From), core.Text(c.To), c.Rows, c.Attempts, c.Cause)
	}
	return table.Print(app.IO.Out)
}

// remoteResume lets the daemon run what is left, shows its log, and ends as it does.
func remoteResume(ctx context.Context, app *cli.App, server *client.Client, id string) error {
	d, err := server.ResumeBackfill(ctx, id)
	if err != nil {
		return err
	}
	return app.FollowRun(ctx, server, d)
}

func remoteCancel(ctx context.Context, app *cli.App, server *client.Client, id string) error {
	b, err := server.CancelBackfill(ctx, id)
	if err != nil {
		return err
	}
	done := 0
	for _, c := range b.Chunks {
		if c.Status == state.Succeeded {
			done++
		}
	}
	fmt.Fprintf(app.IO.Err, "Backfill %s is cancelled; %d of %d chunks were done\n", b.ID, done, len(b.Chunks))
	return nil
}
