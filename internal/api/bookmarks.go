package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
)

// Bookmark is where the runs of one state id stand.
type Bookmark struct {
	StateID   string     `json:"state_id"`
	Edit      int64      `json:"edit" doc:"Changes by users; its ETag."`
	Epoch     int64      `json:"epoch" doc:"Runs that claimed it."`
	UpdatedAt *time.Time `json:"updated_at,omitempty"`
	// State is what the next run begins with.
	State     json.RawMessage `json:"state" doc:"What the next run begins with; null: nothing, it loads everything."`
	Completed json.RawMessage `json:"completed,omitempty" doc:"Of the last complete run, where there is a partial one after it."`
	Partial   json.RawMessage `json:"partial,omitempty" doc:"Of runs since that were not complete."`
	Warning   string          `json:"warning,omitempty"`
}

// BookmarkEntry is a bookmark in lists.
type BookmarkEntry struct {
	StateID   string    `json:"state_id"`
	Edit      int64     `json:"edit"`
	Epoch     int64     `json:"epoch"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Revision is one change of a bookmark.
type Revision struct {
	Revision int64           `json:"revision"`
	Op       string          `json:"op" doc:"run, set, merge, clear, rollback, copy, move, full-refresh, adopt."`
	RunID    string          `json:"run_id,omitempty"`
	At       time.Time       `json:"at"`
	State    json.RawMessage `json:"state"`
	Changes  []Change        `json:"changes" doc:"Since the revision before."`
}

// Change is one value that differs.
type Change struct {
	Path string          `json:"path"`
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}

// Diff is what changed between two revisions.
type Diff struct {
	From    int64    `json:"from"`
	To      int64    `json:"to"`
	Changes []Change `json:"changes"`
}

type bookmarksInput struct {
	Page
	Pattern string `query:"pattern" maxLength:"500" doc:"Only ids like this: * is any text, ? any character."`
	Chunks  bool   `query:"chunks" doc:"Also those of the chunks of backfills."`
}

// BookmarkPath names a bookmark.
type BookmarkPath struct {
	ID string `path:"state_id" maxLength:"500"`
}

type bookmarkOutput struct {
	ETag string `header:"ETag"`
	Body Bookmark
}

type historyInput struct {
	BookmarkPath
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type diffInput struct {
	BookmarkPath
	From int64 `query:"from" doc:"A revision; absent: the one before the newest."`
	To   int64 `query:"to" doc:"A revision; absent: the newest."`
}

// EditPath names a bookmark as somebody saw it.
type EditPath struct {
	BookmarkPath
	Match string `header:"If-Match" maxLength:"100" doc:"The ETag of the bookmark that the change is based on; * is any. Required."`
}

type setInput struct {
	EditPath
	Body struct {
		State json.RawMessage `json:"state" doc:"The new state, as a tap gives it: {\"bookmarks\": {…}}."`
	}
}

type rollbackInput struct {
	EditPath
	Body *struct {
		To int64 `json:"to,omitempty" doc:"A revision; absent: the one before the newest."`
	}
}

func (s *Server) bookmarkRoutes() {
	const tag, edits = "bookmarks", "Needs If-Match with the ETag of what it is based on: 428 without, 412 when somebody has changed the bookmark since. " +
		"It can be undone by rollback. What a user sets counts for more than what a destination keeps."
	route(s, ScopeRead, operation(http.MethodGet, "/bookmarks", "bookmark.list", tag, "List bookmarks", ""), s.listBookmarks)
	route(s, ScopeRead, operation(http.MethodGet, "/bookmarks/{state_id}", "bookmark.show", tag, "Show a bookmark", ""), s.showBookmark)
	route(s, ScopeRead, operation(http.MethodGet, "/bookmarks/{state_id}/history", "bookmark.history", tag, "List the changes of a bookmark, newest first", ""), s.history)
	route(s, ScopeRead, operation(http.MethodGet, "/bookmarks/{state_id}/diff", "bookmark.diff", tag, "What changed between two revisions", ""), s.diff)
	route(s, ScopeRun, operation(http.MethodPut, "/bookmarks/{state_id}", "bookmark.set", tag, "Replace a bookmark", edits), s.setBookmark)
	route(s, ScopeRun, operation(http.MethodPost, "/bookmarks/{state_id}/clear", "bookmark.clear", tag, "Let the next run load everything", edits), s.clearBookmark)
	route(s, ScopeRun, operation(http.MethodPost, "/bookmarks/{state_id}/rollback", "bookmark.rollback", tag, "Go back to an earlier revision", edits), s.rollback)
}

func (s *Server) listBookmarks(ctx context.Context, in *bookmarksInput) (*body[List[BookmarkEntry]], error) {
	ids, err := s.Store.BookmarkIDs(ctx, in.Pattern)
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id <= in.Cursor || !in.Chunks && state.IsChunk(id) })
	next := ""
	if len(ids) > in.Limit {
		ids = ids[:in.Limit]
		next = ids[in.Limit-1]
	}
	var items []BookmarkEntry
	for _, id := range ids {
		b, err := s.Store.Bookmark(ctx, id)
		if errors.Is(err, state.ErrNotFound) {
			continue // meanwhile
		}
		if err != nil {
			return nil, err
		}
		items = append(items, BookmarkEntry{id, b.Edit, b.Epoch, b.Updated})
	}
	return list(items, next), nil
}

// bookmark is the entry of a state id; one that is not there is empty.
func (s *Server) bookmark(ctx context.Context, id string) (*bookmarkOutput, error) {
	b, err := s.Store.Bookmark(ctx, id)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return nil, err
	}
	merged, err := singer.Merge(b.Completed, b.Partial)
	if err != nil {
		return nil, err
	}
	v := Bookmark{StateID: id, Edit: b.Edit, Epoch: b.Epoch, State: orNull(merged)}
	if !b.Updated.IsZero() {
		v.UpdatedAt = &b.Updated
	}
	if !singer.NewBookmarks(b.Partial).IsZero() {
		v.Completed, v.Partial = b.Completed, b.Partial
	}
	return &bookmarkOutput{etag(b.Edit), v}, nil
}

func orNull(raw json.RawMessage) json.RawMessage {
	if singer.NewBookmarks(raw).IsZero() {
		return json.RawMessage("null")
	}
	return raw
}

func etag(edit int64) string { return `"` + strconv.FormatInt(edit, 10) + `"` }

func (s *Server) showBookmark(ctx context.Context, in *BookmarkPath) (*bookmarkOutput, error) {
	out, err := s.bookmark(ctx, in.ID)
	if err != nil || out.Body.UpdatedAt != nil {
		return out, err
	}
	ids, err := s.Store.BookmarkIDs(ctx, "")
	if err != nil {
		return nil, err
	}
	p := problem(http.StatusNotFound, "not_found", "state id %q has no bookmark", in.ID)
	if near := fault.Nearest(in.ID, ids); near != "" {
		return nil, p.hint("did you mean %q?", near)
	}
	return nil, p.hint("GET %s/bookmarks lists those that have", Base)
}

func (s *Server) history(ctx context.Context, in *historyInput) (*body[List[Revision]], error) {
	revisions, err := s.Store.History(ctx, in.ID, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var items []Revision
	for i, r := range revisions {
		if i == in.Limit {
			break
		}
		var before json.RawMessage
		if i+1 < len(revisions) {
			before = whole(revisions[i+1])
		}
		items = append(items, Revision{r.ID, r.Op, r.RunID, r.At, orNull(whole(r)), changes(before, whole(r))})
	}
	return list(items, ""), nil
}

// whole is the state that a run would have begun with at a revision.
func whole(r state.Revision) json.RawMessage {
	v, err := singer.Merge(r.Completed, r.Partial)
	if err != nil {
		return nil
	}
	return v
}

func changes(from, to json.RawMessage) []Change {
	out := []Change{}
	for _, c := range singer.Differences(from, to) {
		out = append(out, Change{c.Path, c.From, c.To})
	}
	return out
}

func (s *Server) revision(ctx context.Context, id string, n int64) (state.Revision, error) {
	r, err := s.Store.Revision(ctx, id, n)
	if errors.Is(err, state.ErrNotFound) {
		return r, problem(http.StatusNotFound, "not_found", "state id %q has no revision %d", id, n).hint("GET %s/bookmarks/%s/history lists those that are kept", Base, id)
	}
	return r, err
}

func (s *Server) diff(ctx context.Context, in *diffInput) (*body[Diff], error) {
	newest, err := s.Store.History(ctx, in.ID, 2)
	if err != nil {
		return nil, err
	}
	if len(newest) == 0 {
		return nil, problem(http.StatusNotFound, "not_found", "state id %q has no history", in.ID)
	}
	from, to := state.Revision{}, newest[0]
	if len(newest) > 1 {
		from = newest[1]
	}
	if in.From != 0 {
		if from, err = s.revision(ctx, in.ID, in.From); err != nil {
			return nil, err
		}
	}
	if in.To != 0 {
		if to, err = s.revision(ctx, in.ID, in.To); err != nil {
			return nil, err
		}
	}
	return answer(Diff{from.ID, to.ID, changes(whole(from), whole(to))}), nil
}
