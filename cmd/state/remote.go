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

// stateAt is a daemon's bookmark that must have state, and its ETag.
func stateAt(ctx context.Context, server *client.Client, id string) (json.RawMessage, string, error) {
	b, etag, err := server.Bookmark(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if string(b.State) == "null" {
		return nil, "", fault.New(fault.Failed, "state id %q has no state", id).WithHint("see: elt state list")
	}
	return b.State, etag, nil
}

func remoteList(ctx context.Context, app *cli.App, server *client.Client, pattern string, chunks bool) error {
	all, err := server.Bookmarks(ctx, pattern, chunks)
	if err != nil {
		return err
	}
	list := []listed{}
	for _, b := range all {
		list = append(list, listed{b.StateID, b.Epoch, b.Edit, b.UpdatedAt})
		if !app.Global.JSON {
			fmt.Fprintln(app.IO.Out, b.StateID)
		}
	}
	if !app.Global.JSON {
		return nil
	}
	return app.IO.PrintJSON(list)
}

// remoteDiff is by revisions as they are typed; none are the two newest.
func remoteDiff(ctx context.Context, app *cli.App, server *client.Client, id string, revisions []string) error {
	var pair [2]int64
	for i, text := range revisions {
		var err error
		if pair[i], err = strconv.ParseInt(text, 10, 64); err != nil || pair[i] < 1 {
			return fault.New(fault.Usage, "%q is no revision", text).WithHint("elt state history %s lists them", id)
		}
	}
	d, err := server.Diff(ctx, id, pair[0], pair[1])
	if err != nil {
		return err
	}
	var changes []singer.Difference
	for _, c := range d.Changes {
		changes = append(changes, singer.Difference(c))
	}
	return printDiff(app, d.From, d.To, changes)
}

// remoteMerge merges into what is there, if nobody changes it meanwhile.
func remoteMerge(ctx context.Context, app *cli.App, server *client.Client, id string, value json.RawMessage) error {
	was, etag := json.RawMessage(nil), `"0"`
	b, tag, err := server.Bookmark(ctx, id)
	switch {
	case err == nil:
		if etag = tag; string(b.State) != "null" {
			was = b.State
		}
	case !client.NotFound(err):
		return err
	}
	merged, err := singer.Merge(was, value)
	if err != nil {
		return err
	}
	b, err = server.SetBookmark(ctx, id, etag, merged)
	return told(app, b, "merged into", err)
}

func remoteClear(ctx context.Context, app *cli.App, server *client.Client, id string, force bool) error {
	_, etag, err := server.Bookmark(ctx, id)
	if err != nil {
		return err
	}
	if err := confirm(app, force, "This clears the state of %s at %s. Go on?", id, server.Server()); err != nil {
		return err
	}
	b, err := server.ClearBookmark(ctx, id, etag)
	return told(app, b, "cleared", err)
}

// remoteTransfer copies or moves: as here, both have the state in between.
func remoteTransfer(ctx context.Context, app *cli.App, server *client.Client, op, from, to string, force bool) error {
	value, fromTag, err := stateAt(ctx, server, from)
	if err != nil {
		return err
	}
	etag, err := etagOf(ctx, server, to, force)
	if err != nil {
		return err
	}
	if err := confirm(app, force, "This replaces the state of %s at %s. Go on?", to, server.Server()); err != nil {
		return err
	}
	b, err := server.SetBookmark(ctx, to, etag, value)
	if err := told(app, b, "that of "+from, err); err != nil || op == "copy" {
		return err
	}
	b, err = server.ClearBookmark(ctx, from, fromTag)
	return told(app, b, "cleared", err)
}
