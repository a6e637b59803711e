// Package meltano reads the bookmarks that Meltano keeps in its system
// database, so that a project that changes over goes on where it was: a state
// id that our store knows nothing of is looked up there on first use, and
// taken over. Meltano's tables are only ever read.
package meltano

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
	"elt/state/sqlstore"
)

// Store is another store that takes over what Meltano knows.
type Store struct {
	state.Store
	place string
	open  func() (*sql.DB, error) // nil database: there is none
	say   func(text string)
	own   bool // the database is ours to close

	once   sync.Once
	db     *sql.DB
	tables map[string]bool
	err    error
}

// WrapFile takes over from the SQLite file at path, if there is one.
func WrapFile(inner state.Store, path string, say func(string)) *Store {
	return &Store{Store: inner, place: path, say: say, own: true, open: func() (*sql.DB, error) {
		if _, err := os.Stat(path); err != nil {
			return nil, nil
		}
		u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
		return sql.Open("sqlite3", u.String()+"?mode=ro&_busy_timeout=5000")
	}}
}

// WrapDatabase takes over from Meltano's tables in db, which holds our own
// tables too and is closed by inner.
func WrapDatabase(inner state.Store, db *sql.DB, say func(string)) *Store {
	return &Store{Store: inner, place: inner.URI(), say: say, open: func() (*sql.DB, error) { return db, nil }}
}

// Bookmark implements state.Bookmarks.
func (s *Store) Bookmark(ctx context.Context, stateID string) (state.Bookmark, error) {
	b, err := s.Store.Bookmark(ctx, stateID)
	if !errors.Is(err, state.ErrNotFound) {
		return b, err
	}
	completed, partial, found, err := s.look(ctx, stateID)
	if err != nil {
		return b, s.explain(err)
	}
	if !found {
		return b, state.ErrNotFound
	}
	if err := s.EditBookmark(ctx, stateID, "adopt", completed, partial); err != nil {
		return b, err
	}
	s.say(fmt.Sprintf("the bookmark of %s is taken over from Meltano's database %s", stateID, s.place))
	return s.Store.Bookmark(ctx, stateID)
}

// BookmarkIDs implements state.Bookmarks: ours, and Meltano's that we know nothing of.
func (s *Store) BookmarkIDs(ctx context.Context, pattern string) ([]string, error) {
	ids, err := s.Store.BookmarkIDs(ctx, pattern)
	if err != nil {
		return nil, err
	}
	theirs, err := s.ids(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	match := sqlstore.Glob(pattern)
	for _, id := range theirs {
		if !match(id) || slices.Contains(ids, id) {
			continue
		}
		if _, err := s.Store.Bookmark(ctx, id); errors.Is(err, state.ErrNotFound) {
			ids = append(ids, id)
		} else if err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Ack implements state.Bookmarks: what is merged is merged into what Meltano knew.
func (s *Store) Ack(ctx context.Context, l state.Lease, value json.RawMessage, merge bool) error {
	if merge {
		if _, err := s.Bookmark(ctx, l.StateID); err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	return s.Store.Ack(ctx, l, value, merge)
}

// Close closes the store, and Meltano's file.
func (s *Store) Close() error {
	if s.own && s.db != nil {
		s.db.Close()
	}
	return s.Store.Close()
}

func (s *Store) explain(err error) error {
	return fault.Wrap(fault.StoreAway, err, "Meltano's database %s cannot be read, and may hold bookmarks", s.place).
		WithHint("repair it, or move it away to begin without them")
}

// ready opens the database and learns which of Meltano's tables it has.
func (s *Store) ready(ctx context.Context) (bool, error) {
	s.once.Do(func() {
		if s.db, s.err = s.open(); s.err != nil || s.db == nil {
			return
		}
		s.tables = map[string]bool{}
		for _, table := range []string{"state", "runs"} {
			if s.tables[table], s.err = s.has(ctx, table); s.err != nil {
				return
			}
		}
	})
	return s.tables["state"] || s.tables["runs"], s.err
}

// has says whether a table is there; a connection may break meanwhile.
func (s *Store) has(ctx context.Context, table string) (there bool, err error) {
	for try := range 5 {
		if there, err = s.asks(ctx, table); err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(10 * time.Millisecond << try)
	}
	return there, err
}

// asks asks SQLite's catalog, or else PostgreSQL's.
func (s *Store) asks(ctx context.Context, table string) (there bool, err error) {
	err = s.db.QueryRowContext(ctx, `select count(*) > 0 from sqlite_master where type = 'table' and name = '`+table+`'`).Scan(&there)
	if err != nil {
		var pg error
		if pg = s.db.QueryRowContext(ctx, `select to_regclass('`+table+`') is not null`).Scan(&there); pg == nil {
			return there, nil
		}
	}
	return there, err
}

// look finds what Meltano reads for a state id: its row in "state"; in a
// database from before that table, the payloads of its runs.
func (s *Store) look(ctx context.Context, stateID string) (completed, partial json.RawMessage, found bool, err error) {
	if there, err := s.ready(ctx); !there || err != nil {
		return nil, nil, false, err
	}
	if s.tables["state"] {
		var c, p sql.NullString
		err := s.db.QueryRowContext(ctx, `
select cast(completed_state as text), cast(partial_state as text) from state where state_id = $1`, stateID).Scan(&c, &p)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil, false, nil
		}
		if err == nil {
			completed, err = value(c)
		}
		if err == nil {
			partial, err = value(p)
		}
		return completed, partial, err == nil && (completed != nil || partial != nil), err
	}
	return s.payloads(ctx, stateID)
}

func value(text sql.NullString) (json.RawMessage, error) {
	if !text.Valid || text.String == "" {
		return nil, nil
	}
	return singer.UnwrapState(json.RawMessage(text.String))
}

// payloads rebuilds the state from runs: the last complete payload, and over
// it the incomplete ones that came later.
func (s *Store) payloads(ctx context.Context, stateID string) (completed, partial json.RawMessage, found bool, err error) {
	rows, err := s.db.QueryContext(ctx, `
select cast(payload as text), payload_flags from runs
where job_name = $1 and payload_flags in (1, 2) and ended_at is not null order by ended_at`, stateID)
	if err != nil {
		return nil, nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var text sql.NullString
		var flags int
		if err := rows.Scan(&text, &flags); err != nil {
			return nil, nil, false, err
		}
		v, err := value(text)
		switch {
		case err != nil:
			return nil, nil, false, err
		case v == nil:
		case flags == 1:
			completed, partial, found = v, nil, true
		default:
			if partial, err = singer.Merge(partial, v); err != nil {
				return nil, nil, false, err
			}
			found = true
		}
	}
	return completed, partial, found, rows.Err()
}

// ids are the state ids that Meltano knows something of.
func (s *Store) ids(ctx context.Context) ([]string, error) {
	if there, err := s.ready(ctx); !there || err != nil {
		return nil, err
	}
	query := `select state_id from state where cast(completed_state as text) like '%singer_state%' or cast(partial_state as text) like '%singer_state%'`
	if !s.tables["state"] {
		query = `select distinct job_name from runs where payload_flags in (1, 2) and ended_at is not null`
	}
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
