package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"elt/internal/api"
)

// Project is what the daemon serves.
func (c *Client) Project(ctx context.Context) (api.Project, error) {
	l, _, err := call[api.List[api.Project]](ctx, c, "GET", "/projects", nil)
	if err != nil || len(l.Items) == 0 {
		return api.Project{}, err
	}
	return l.Items[0], nil
}

// Schedules lists schedules.
func (c *Client) Schedules(ctx context.Context) ([]api.Schedule, error) {
	l, _, err := call[api.List[api.Schedule]](ctx, c, "GET", "/schedules?fires=1", nil)
	return l.Items, err
}

// Pause lets a schedule fire only by hand; Resume lets it fire again.
func (c *Client) Pause(ctx context.Context, name string) error {
	_, _, err := call[api.Schedule](ctx, c, "POST", "/schedules/"+url.PathEscape(name)+"/pause", nil)
	return err
}

// Resume lets a schedule fire again.
func (c *Client) Resume(ctx context.Context, name string) error {
	_, _, err := call[api.Schedule](ctx, c, "POST", "/schedules/"+url.PathEscape(name)+"/resume", nil)
	return err
}

// Slots lists what became of a schedule's times, newest first.
func (c *Client) Slots(ctx context.Context, name string, limit int) ([]api.Slot, error) {
	l, _, err := call[api.List[api.Slot]](ctx, c, "GET", "/schedules/"+url.PathEscape(name)+"/slots?limit="+strconv.Itoa(limit), nil)
	return l.Items, err
}

func bookmark(id string) string { return "/bookmarks/" + url.PathEscape(id) }

// Bookmark is the bookmark of a state id with its ETag.
func (c *Client) Bookmark(ctx context.Context, id string) (api.Bookmark, string, error) {
	b, h, err := call[api.Bookmark](ctx, c, "GET", bookmark(id), nil)
	return b, h.Get("ETag"), err
}

// SetBookmark replaces a bookmark that is still as etag says; "*" is any.
func (c *Client) SetBookmark(ctx context.Context, id, etag string, value json.RawMessage) (api.Bookmark, error) {
	b, _, err := call[api.Bookmark](ctx, c, "PUT", bookmark(id), map[string]json.RawMessage{"state": value}, "If-Match", etag)
	return b, err
}

// Rollback goes back to a revision; 0: to the one before the newest.
func (c *Client) Rollback(ctx context.Context, id, etag string, to int64) (api.Bookmark, error) {
	b, _, err := call[api.Bookmark](ctx, c, "POST", bookmark(id)+"/rollback", map[string]int64{"to": to}, "If-Match", etag)
	return b, err
}

// History lists the changes of a bookmark, newest first.
func (c *Client) History(ctx context.Context, id string, limit int) ([]api.Revision, error) {
	if limit <= 0 || limit > 500 {
		limit = 500
	}
	l, _, err := call[api.List[api.Revision]](ctx, c, "GET", bookmark(id)+"/history?limit="+strconv.Itoa(limit), nil)
	return l.Items, err
}

// ClearBookmark lets the next run load everything.
func (c *Client) ClearBookmark(ctx context.Context, id, etag string) (api.Bookmark, error) {
	b, _, err := call[api.Bookmark](ctx, c, "POST", bookmark(id)+"/clear", nil, "If-Match", etag)
	return b, err
}

// Bookmarks lists bookmarks by state id; chunks: also those of backfills' chunks.
func (c *Client) Bookmarks(ctx context.Context, pattern string, chunks bool) (all []api.BookmarkEntry, err error) {
	q := url.Values{"limit": {"500"}, "pattern": {pattern}, "chunks": {strconv.FormatBool(chunks)}}
	for {
		l, _, err := call[api.List[api.BookmarkEntry]](ctx, c, "GET", "/bookmarks?"+q.Encode(), nil)
		if all = append(all, l.Items...); err != nil || l.NextCursor == "" {
			return all, err
		}
		q.Set("cursor", l.NextCursor)
	}
}

// Diff is what changed between two revisions; 0 are the two newest.
func (c *Client) Diff(ctx context.Context, id string, from, to int64) (api.Diff, error) {
	q := url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}
	d, _, err := call[api.Diff](ctx, c, "GET", bookmark(id)+"/diff?"+q.Encode(), nil)
	return d, err
}

// Backfills lists backfills, newest first.
func (c *Client) Backfills(ctx context.Context, limit int) ([]api.Backfill, error) {
	if limit <= 0 || limit > 500 {
		limit = 500
	}
	l, _, err := call[api.List[api.Backfill]](ctx, c, "GET", "/backfills?limit="+strconv.Itoa(limit), nil)
	return l.Items, err
}

// Backfill is a backfill with its chunks.
func (c *Client) Backfill(ctx context.Context, id string) (api.Backfill, error) {
	b, _, err := call[api.Backfill](ctx, c, "GET", "/backfills/"+url.PathEscape(id), nil)
	return b, err
}

// ResumeBackfill puts the run of the chunks that are not done into the queue.
func (c *Client) ResumeBackfill(ctx context.Context, id string) (api.RunDetail, error) {
	d, _, err := call[api.RunDetail](ctx, c, "POST", "/backfills/"+url.PathEscape(id)+"/resume", nil)
	return d, err
}

// CancelBackfill gives a backfill up for good.
func (c *Client) CancelBackfill(ctx context.Context, id string) (api.Backfill, error) {
	b, _, err := call[api.Backfill](ctx, c, "POST", "/backfills/"+url.PathEscape(id)+"/cancel", nil)
	return b, err
}
