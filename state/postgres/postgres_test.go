package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"elt/internal/fault"
	"elt/internal/pgtest"
	"elt/state"
	"elt/state/sqlstore"
	"elt/state/statetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func mustOpen(t *testing.T, uri string) *sqlstore.Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URI: uri, Keep: statetest.Keep, Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSuite(t *testing.T) {
	var mu sync.Mutex
	uris, stores := map[string]string{}, map[string]*sqlstore.Store{}
	statetest.Run(t, statetest.Subject{
		Open: func(t *testing.T, place string) state.Store {
			mu.Lock()
			defer mu.Unlock()
			if uris[place] == "" {
				uris[place] = pgtest.URL(t)
			}
			stores[place] = mustOpen(t, uris[place])
			return stores[place]
		},
		Advance: func(t *testing.T, place string, d time.Duration) {
			for _, back := range []string{
				`update elt_leases set renewed_at = renewed_at - make_interval(secs => $1)`,
				`update elt_executions set created_at = created_at - make_interval(secs => $1), heartbeat_at = heartbeat_at - make_interval(secs => $1),
  ended_at = ended_at - make_interval(secs => $1), not_before = not_before - make_interval(secs => $1)`,
				`update elt_slots set at = at - make_interval(secs => $1)`,
				`update elt_tokens set created_at = created_at - make_interval(secs => $1), expires_at = expires_at - make_interval(secs => $1),
  revoked_at = revoked_at - make_interval(secs => $1), last_used_at = last_used_at - make_interval(secs => $1)`,
				`update elt_audit set at = at - make_interval(secs => $1)`,
				`update elt_incidents set opened_at = opened_at - make_interval(secs => $1), resolved_at = resolved_at - make_interval(secs => $1)`,
				`update elt_notices set due_at = due_at - make_interval(secs => $1), done_at = done_at - make_interval(secs => $1)`,
				`update elt_daemons set started_at = started_at - make_interval(secs => $1), heartbeat_at = heartbeat_at - make_interval(secs => $1)`,
				`update elt_callbacks set next_at = next_at - make_interval(secs => $1)`,
			} {
				if _, err := stores[place].DB().Exec(back, d.Seconds()); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
}

func TestSQLAlchemyForms(t *testing.T) {
	uri := pgtest.URL(t)
	for _, scheme := range []string{"postgresql://", "postgresql+psycopg2://", "postgresql+psycopg://", "postgres://"} {
		_, rest, _ := strings.Cut(uri, "://")
		s := mustOpen(t, scheme+rest)
		if got := s.URI(); !strings.HasPrefix(got, "postgresql://") {
			t.Errorf("%s", got)
		}
	}
}

func TestURIHasNoPassword(t *testing.T) {
	if got := place("postgresql+psycopg2://user:s3cret@db:5432/name?password=s3cret"); got != "postgresql://user@db:5432/name" {
		t.Error(got)
	}
}

// Tables of others in the same database are left alone.
func TestMigratesAnEmptyStoreOnly(t *testing.T) {
	uri := pgtest.URL(t)
	s := mustOpen(t, uri)
	if _, err := s.DB().Exec(`insert into elt_schema (version_id, is_applied) values (9999, true)`); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"open": second(Open(t.Context(), Options{URI: uri})), "migrate": fourth(Migrate(t.Context(), Options{URI: uri})),
	} {
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != fault.StoreSchema {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.DB().Exec(`delete from elt_schema where version_id = 9999`); err != nil {
		t.Fatal(err)
	}
	if place, from, to, err := Migrate(t.Context(), Options{URI: uri}); place != s.URI() || err != nil || from != to || from < 2 {
		t.Errorf("%s: %d, %d, %v", place, from, to, err)
	}
}

func second[T any](_ T, err error) error           { return err }
func fourth(_ string, _, _ int64, err error) error { return err }

// A store of the release before runs on; what needs the new tables says what to do.
func TestOlderSchema(t *testing.T) {
	uri := pgtest.URL(t)
	now, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	old := now
	old.Files = without(t, now.Files, now.Newest())
	db, err := sql.Open("pgx", uri)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	db.Close()
	s := mustOpen(t, uri)
	if err := second(s.Runs(t.Context(), "", 0)); err != nil {
		t.Fatal(err)
	}
	if err := second(s.Executions(t.Context(), state.Which{})); err != nil {
		t.Fatal(err)
	}
	newest := func() error { return second(s.Streams(t.Context(), state.StreamsOf{})) }
	if err := newest(); fault.CodeOf(err) != fault.StoreSchema || !strings.Contains(fault.Render(err), "elt store migrate") {
		t.Fatal(fault.Render(err))
	}
	if _, from, to, err := Migrate(t.Context(), Options{URI: uri}); from != old.Newest() || to != now.Newest() || from == to || err != nil {
		t.Fatalf("%d, %d, %v", from, to, err)
	}
	if err := newest(); err != nil {
		t.Fatal(err)
	}
}

// without are migrations but the newest.
func without(t *testing.T, files fs.FS, newest int64) fs.FS {
	t.Helper()
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	left := fstest.MapFS{}
	for _, name := range names {
		if strings.HasPrefix(name, fmt.Sprintf("%05d_", newest)) {
			continue
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		left[name] = &fstest.MapFile{Data: text}
	}
	return left
}

// Two machines open an empty store at the same time.
func TestOpenedAtOnce(t *testing.T) {
	uri := pgtest.URL(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := Open(t.Context(), Options{URI: uri})
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func TestAbsentServer(t *testing.T) {
	_, err := Open(t.Context(), Options{URI: "postgresql://elt:s3cret@127.0.0.1:1/store", Wait: time.Second})
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != fault.StoreAway {
		t.Fatalf("%v", err)
	}
	text := fault.Render(err)
	for _, want := range []string{"127.0.0.1:1", "store", "hint:"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if strings.Contains(text, "s3cret") {
		t.Error(text)
	}
}

// A connection that the server ends is StoreAway, and the next statement connects again.
func TestLostConnection(t *testing.T) {
	uri := pgtest.URL(t)
	s := mustOpen(t, uri)
	l, err := s.Acquire(t.Context(), "a", state.Holder{RunID: "r1"}, time.Minute, "")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(uri)
	other, err := sql.Open("pgx", uri)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()`,
		strings.TrimPrefix(u.Path, "/")); err != nil {
		t.Fatal(err)
	}
	for range 5 { // one statement per dead connection of the pool at most
		err = s.Ack(context.Background(), l, []byte(`{"n":1}`), false)
		if err == nil {
			return
		}
		if fault.CodeOf(err) != fault.StoreAway {
			t.Fatalf("%v", err)
		}
	}
	t.Fatal(err)
}

// A server that does not answer breaks its connection, and counts as away.
func TestSilentServer(t *testing.T) {
	s, err := Open(t.Context(), Options{URI: pgtest.URL(t), Silence: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.DB().ExecContext(t.Context(), `select pg_sleep(600)`); err == nil || !lost(err) {
		t.Errorf("%v", err)
	}
	if _, err := s.BookmarkIDs(t.Context(), ""); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A store that the next release has migrated is as good as our own; one two
// releases ahead is refused.
func TestNewerSchema(t *testing.T) {
	now, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	statetest.Additive(t, now.Files)
	uri := pgtest.URL(t)
	db, err := sql.Open("pgx", uri)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	next := now
	next.Files = statetest.Ahead(t, now.Files, 1)
	if err := next.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, uri)
	e := state.Execution{ID: "0198f6c2-0000-7000-8000-000000000001", Project: "p", Environment: "dev", Name: "x", Trigger: "api"}
	if _, _, err := s.Enqueue(t.Context(), e); err != nil {
		t.Error(err)
	}
	if got, err := s.Take(t.Context(), state.From{Worker: "w", Project: "p", Environment: "dev"}); err != nil || got.ID != e.ID {
		t.Errorf("%+v %v", got, err)
	}
	if _, from, to, err := Migrate(t.Context(), Options{URI: uri}); err != nil || from != next.Newest() || to != from {
		t.Errorf("migrated from %d to %d: %v", from, to, err)
	}
	next.Files = statetest.Ahead(t, now.Files, 2)
	if err := next.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	err = second(Open(t.Context(), Options{URI: uri}))
	if fault.CodeOf(err) != fault.StoreSchema || !strings.Contains(err.Error(), fmt.Sprintf("has schema %d, this elt works up to %d", now.Newest()+2, now.Newest()+1)) {
		t.Errorf("two releases ahead: %v", err)
	}
}
