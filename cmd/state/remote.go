package state

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/client"
	"elt/internal/fault"
	"elt/internal/singer"
)

func remoteHistory(ctx context.Context, app *cli.App, server *client.Client, id string, limit int, err error) error {
	if err != nil {
		return err
	}
	revisions, err := server.History(ctx, id, limit)
	if err != nil {
		return err
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(append([]api.Revision{}, revisions...))
	}
	table := cli.Table{Header: []string{"revision", "at", "by", "run", "changed"}}
	for _, r := range revisions {
		var changes []singer.Difference
		for _, c := range r.Changes {
			changes = append(changes, singer.Difference(c))
		}
		table.Add(r.Revision, r.At.Format(time.RFC3339), r.Op, r.RunID, summary(changes))
	}
	return table.Print(app.IO.Out)
}

// remoteSet replaces a daemon's bookmark, if nobody does so while it is asked for.
func remoteSet(ctx context.Context, app *cli.App, server *client.Client, id string, value json.RawMessage, force bool) error {
	etag, err := etagOf(ctx, server, id, force)
	if err != nil {
		return err
	}
	if err := confirm(app, force, "This replaces the state of %s at %s. Go on?", id, server.Server()); err != nil {
		return err
	}
	b, err := server.SetBookmark(ctx, id, etag, value)
	return told(app, b, "set", err)
}

func remoteRollback(ctx context.Context, app *cli.App, server *client.Client, id, to string, force bool) error {
	revision := int64(0)
	if to != "" {
		var err error
		if revision, err = strconv.ParseInt(to, 10, 64); err != nil || revision < 1 {
			return fault.New(fault.Usage, "%q is no revision", to).WithHint("elt state history %s lists them", id)
		}
	}
	etag, err := etagOf(ctx, server, id, force)
	if err != nil {
		return err
	}
	if err := confirm(app, force, "This sets the state of %s at %s back. Go on?", id, server.Server()); err != nil {
		return err
	}
	b, err := server.Rollback(ctx, id, etag, revision)
	return told(app, b, "set back", err)
}

// etagOf is what a change is based on; forced, it is based on nothing.
func etagOf(ctx context.Context, server *client.Client, id string, force bool) (string, error) {
	if force {
		return "*", nil
	}
	_, etag, err := server.Bookmark(ctx, id)
	if client.NotFound(err) {
		return `"0"`, nil
	}
	return etag, err
}

func told(app *cli.App, b api.Bookmark, done string, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintf(app.IO.Err, "The state of %s is %s\n", b.StateID, done)
	if b.Warning != "" {
		fmt.Fprintf(app.IO.Err, "warning: %s\n", b.Warning)
	}
	return nil
}
