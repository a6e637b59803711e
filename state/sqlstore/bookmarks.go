package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"elt/internal/singer"
	"elt/state"
)

const selectBookmark = `
select b.state_id, b.completed, b.partial, b.edit, b.updated_at, coalesce(l.epoch, 0)
from elt_bookmarks b left join elt_leases l on l.state_id = b.state_id
where b.state_id = $1`

// Bookmark implements state.Bookmarks.
func (s *Store) Bookmark(ctx context.Context, stateID string) (state.Bookmark, error) {
	var b state.Bookmark
	err := s.conn(s.db).row(ctx, selectBookmark, stateID).
		Scan(&b.StateID, rawJSON{&b.Completed}, rawJSON{&b.Partial}, &b.Edit, &b.Updated, &b.Epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return b, state.ErrNotFound
	}
	b.Updated = b.Updated.UTC()
	return b, s.explain(err)
}

// BookmarkIDs implements state.Bookmarks.
func (s *Store) BookmarkIDs(ctx context.Context, pattern string) ([]string, error) {
	match := Glob(pattern)
	var ids []string
	err := s.query(ctx, func(r row) error {
		var id string
		err := r.Scan(&id)
		if match(id) {
			ids = append(ids, id)
		}
		return err
	}, `select state_id from elt_bookmarks where completed is not null or partial is not null`)
	slices.Sort(ids)
	return ids, err
}

// Glob matches state ids: * is any text, ? any character, "" everything.
func Glob(pattern string) func(string) bool {
	if pattern == "" {
		return func(string) bool { return true }
	}
	text := regexp.QuoteMeta(pattern)
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\*`, `.*`), `\?`, `.`)
	return regexp.MustCompile(`(?s)^` + text + `$`).MatchString
}

const putBookmark = `
insert into elt_bookmarks (state_id, completed, partial, edit, updated_at) values ($1, $2, $3, $4, $5)
on conflict (state_id) do update set completed = excluded.completed, partial = excluded.partial,
  edit = elt_bookmarks.edit + excluded.edit, updated_at = excluded.updated_at`

// Ack implements state.Bookmarks.
func (s *Store) Ack(ctx context.Context, l state.Lease, value json.RawMessage, merge bool) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		if err := renew(ctx, tx, l, now); err != nil {
			return err
		}
		completed, partial := value, json.RawMessage(nil)
		if merge {
			var kept json.RawMessage
			err := tx.row(ctx, `select completed, partial from elt_bookmarks where state_id = $1`, l.StateID).
				Scan(rawJSON{&completed}, rawJSON{&kept})
			if errors.Is(err, sql.ErrNoRows) {
				completed, err = nil, nil
			}
			if err == nil {
				partial, err = singer.Merge(kept, value)
			}
			if err != nil {
				return err
			}
		}
		if _, err := tx.exec(ctx, putBookmark, l.StateID, jsonText(completed), jsonText(partial), 0, now); err != nil {
			return err
		}
		// A run has one revision, its newest: a hundred interim states must not
		// push the states of the runs before out of the history.
		if _, err := tx.exec(ctx, `delete from elt_bookmark_history where state_id = $1 and run_id = $2 and op = 'run'`,
			l.StateID, l.RunID); err != nil {
			return err
		}
		return s.revise(ctx, tx, state.Revision{
			StateID: l.StateID, Op: "run", RunID: l.RunID, Completed: completed, Partial: partial, At: now,
		})
	})
}

// EditBookmark implements state.Bookmarks.
func (s *Store) EditBookmark(ctx context.Context, stateID, op string, completed, partial json.RawMessage) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		if _, err := tx.exec(ctx, putBookmark, stateID, jsonText(completed), jsonText(partial), 1, now); err != nil {
			return err
		}
		return s.revise(ctx, tx, state.Revision{StateID: stateID, Op: op, Completed: completed, Partial: partial, At: now})
	})
}

// EditBookmarkAt implements state.Bookmarks.
func (s *Store) EditBookmarkAt(ctx context.Context, stateID, op string, completed, partial json.RawMessage, edit int64) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		var there int64
		err := tx.row(ctx, `select edit from elt_bookmarks where state_id = $1`+s.dialect.ForUpdate, stateID).Scan(&there)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if there != edit {
			return state.ErrEdited
		}
		// Where two make the first entry, the second one's count is wrong by now.
		ok, err := changed(tx.exec(ctx, putBookmark+` where elt_bookmarks.edit = $6`, stateID, jsonText(completed), jsonText(partial), 1, now, edit))
		if err == nil && !ok {
			return state.ErrEdited
		}
		if err != nil {
			return err
		}
		return s.revise(ctx, tx, state.Revision{StateID: stateID, Op: op, Completed: completed, Partial: partial, At: now})
	})
}

// DeleteBookmark implements state.Bookmarks.
func (s *Store) DeleteBookmark(ctx context.Context, stateID string) error {
	return s.write(ctx, func(tx conn, _ time.Time) error {
		_, err := tx.exec(ctx, `delete from elt_bookmarks where state_id = $1`, stateID)
		return err
	})
}

// revise appends to the history and drops what is older than the last s.keep
// (invariant 7).
func (s *Store) revise(ctx context.Context, tx conn, r state.Revision) error {
	_, err := tx.exec(ctx, `
insert into elt_bookmark_history (state_id, op, run_id, completed, partial, at) values ($1, $2, $3, $4, $5, $6)`,
		r.StateID, r.Op, r.RunID, jsonText(r.Completed), jsonText(r.Partial), r.At)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `
delete from elt_bookmark_history where state_id = $1 and id <=
  (select id from elt_bookmark_history where state_id = $1 order by id desc limit 1 offset $2)`, r.StateID, s.keep)
	return err
}

const selectRevision = `select id, state_id, op, run_id, completed, partial, at from elt_bookmark_history where state_id = $1 `

// History implements state.Bookmarks.
func (s *Store) History(ctx context.Context, stateID string, limit int) ([]state.Revision, error) {
	if limit <= 0 {
		limit = s.keep
	}
	var out []state.Revision
	err := s.query(ctx, func(r row) error {
		v, err := scanRevision(r)
		out = append(out, v)
		return err
	}, selectRevision+`order by id desc limit $2`, stateID, limit)
	return out, err
}

// Revision implements state.Bookmarks.
func (s *Store) Revision(ctx context.Context, stateID string, id int64) (state.Revision, error) {
	r, err := scanRevision(s.conn(s.db).row(ctx, selectRevision+`and id = $2`, stateID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return r, state.ErrNotFound
	}
	return r, s.explain(err)
}

func scanRevision(r row) (state.Revision, error) {
	var v state.Revision
	err := r.Scan(&v.ID, &v.StateID, &v.Op, &v.RunID, rawJSON{&v.Completed}, rawJSON{&v.Partial}, &v.At)
	v.At = v.At.UTC()
	return v, err
}
