package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"elt/internal/api"
)

// Start starts a run; one that is asked for twice by a lost connection runs once.
func (c *Client) Start(ctx context.Context, r api.RunRequest) (api.RunDetail, error) {
	return repeated[api.RunDetail](ctx, c, "/runs", r)
}

// StartBackfill starts a backfill.
func (c *Client) StartBackfill(ctx context.Context, r api.BackfillRequest) (api.RunDetail, error) {
	return repeated[api.RunDetail](ctx, c, "/backfills", r)
}

// repeated asks again where nobody answered, under one key.
func repeated[T any](ctx context.Context, c *Client, path string, in any) (out T, err error) {
	key := uuid.NewString()
	for attempt := range 3 {
		if attempt > 0 {
			time.Sleep(time.Duration(attempt) * time.Second)
		}
		if out, _, err = call[T](ctx, c, "POST", path, in, "Idempotency-Key", key); err == nil || !isAway(err) || ctx.Err() != nil {
			return out, err
		}
	}
	return out, err
}

// Run is a run.
func (c *Client) Run(ctx context.Context, id string) (api.RunDetail, error) {
	d, _, err := call[api.RunDetail](ctx, c, "GET", "/runs/"+url.PathEscape(id), nil)
	return d, err
}

// Runs lists runs, newest first.
func (c *Client) Runs(ctx context.Context, f api.RunFilter) ([]api.Run, error) {
	q := url.Values{"limit": {strconv.Itoa(f.Limit)}}
	for name, values := range map[string][]string{"status": f.Statuses, "pipeline": f.Names, "schedule": {f.Schedule}} {
		if text := strings.Join(values, ","); text != "" {
			q.Set(name, text)
		}
	}
	l, _, err := call[api.List[api.Run]](ctx, c, "GET", "/runs?"+q.Encode(), nil)
	return l.Items, err
}

// Cancel ends a run.
func (c *Client) Cancel(ctx context.Context, id string) (api.RunDetail, error) {
	d, _, err := call[api.RunDetail](ctx, c, "POST", "/runs/"+url.PathEscape(id)+"/cancel", nil)
	return d, err
}

// Retry runs again what a run was.
func (c *Client) Retry(ctx context.Context, id string, fromState bool) (api.RunDetail, error) {
	return repeated[api.RunDetail](ctx, c, "/runs/"+url.PathEscape(id)+"/retry?from_state="+strconv.FormatBool(fromState), nil)
}

// Follow hands over the lines of a run's log as they come, and returns how it
// ended. A connection that is cut is made again, and goes on where it was.
func (c *Client) Follow(ctx context.Context, id string, each func(api.LogLine) error) (api.RunDetail, error) {
	last, failures := "", 0
	for {
		ended, more, err := c.followOnce(ctx, id, &last, each)
		switch {
		case ended:
			return c.Run(ctx, id)
		case ctx.Err() != nil:
			return api.RunDetail{}, context.Cause(ctx)
		case err != nil && !isAway(err):
			return api.RunDetail{}, err
		}
		if failures++; more {
			failures = 0
		}
		if failures > 30 {
			return api.RunDetail{}, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// followOnce follows until the connection ends; last is the id of the last line.
func (c *Client) followOnce(ctx context.Context, id string, last *string, each func(api.LogLine) error) (ended, more bool, err error) {
	headers := map[string]string{"Accept": "text/event-stream"}
	if *last != "" {
		headers["Last-Event-ID"] = *last
	}
	res, err := c.request(ctx, "GET", "/runs/"+url.PathEscape(id)+"/logs", nil, headers)
	if err != nil {
		return false, false, err
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	event, at := "", ""
	for {
		text, err := lines.ReadString('\n')
		if err != nil {
			return false, more, nil // cut
		}
		name, value, _ := strings.Cut(strings.TrimRight(text, "\n"), ": ")
		switch name {
		case "id":
			at = value
		case "event":
			event = value
		case "data":
			if event == "end" {
				return true, true, nil
			}
			var l api.LogLine
			if event != "log" {
				continue
			}
			if json.Unmarshal([]byte(value), &l) != nil {
				continue
			}
			if err := each(l); err != nil {
				return false, more, err
			}
			*last, more = at, true
		}
	}
}

// Log hands over the last lines of a run's log; tail 0 is all.
func (c *Client) Log(ctx context.Context, id string, tail int, each func(api.LogLine) error) error {
	cursor := int64(0)
	for {
		q := url.Values{"limit": {"5000"}}
		if cursor > 0 {
			q.Set("cursor", strconv.FormatInt(cursor, 10))
		} else if tail > 0 {
			q.Set("tail", strconv.Itoa(tail))
		}
		page, _, err := call[api.LogPage](ctx, c, "GET", "/runs/"+url.PathEscape(id)+"/logs?"+q.Encode(), nil)
		if err != nil {
			return err
		}
		for _, l := range page.Items {
			if err := each(l); err != nil {
				return err
			}
		}
		if page.NextCursor <= cursor || page.NextCursor >= page.Size {
			return nil
		}
		cursor = page.NextCursor
	}
}
