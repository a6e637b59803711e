package meltano

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/pgtest"
	"elt/internal/singer"
	"elt/state"
	"elt/state/postgres"
	"elt/state/sqlite"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const tables = `
create table runs (id integer, job_name varchar, payload varchar, payload_flags integer, ended_at timestamp, state varchar);
create table state (state_id varchar primary key, updated_at timestamp, partial_state varchar, completed_state varchar)`

const states = `
insert into state values ('dev:a', null, '{}', '{"singer_state": {"bookmarks": {"u": 9007199254740993}}}');
insert into state values ('dev:b', null, '{"singer_state": {"p": 1}}', null);
insert into state values ('dev:empty', null, '{}', '{}')`

const runs = `
insert into runs values (1, 'old', '{"singer_state": {"n": 1, "keep": 1}}', 1, '2024-01-01 00:00:00', 'SUCCESS');
insert into runs values (2, 'old', '{"singer_state": {"n": 2}}', 2, '2024-01-02 00:00:00', 'FAIL');
insert into runs values (3, 'old', '{}', 0, '2024-01-03 00:00:00', 'FAIL');
insert into runs values (4, 'old', '{"singer_state": {"m": 3}}', 2, '2024-01-04 00:00:00', 'FAIL')`

func meltanoFile(t *testing.T, script ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "meltano.db")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(strings.Join(script, ";")); err != nil {
		t.Fatal(err)
	}
	return path
}

func inner(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t *testing.T, s *Store, id, completed, partial string) {
	t.Helper()
	b, err := s.Bookmark(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][2]string{{string(b.Completed), completed}, {string(b.Partial), partial}} {
		if p[0] != p[1] && !singer.EqualJSON([]byte(p[0]), []byte(p[1])) {
			t.Fatalf("%s: %s, %s; want %s, %s", id, b.Completed, b.Partial, completed, partial)
		}
	}
}

func TestTakesOverOnFirstUse(t *testing.T) {
	path := meltanoFile(t, tables, states)
	before, _ := os.ReadFile(path)
	var said []string
	s := WrapFile(inner(t), path, func(text string) { said = append(said, text) })
	defer s.Close()
	if ids, err := s.BookmarkIDs(t.Context(), "dev:*"); err != nil || fmt.Sprint(ids) != "[dev:a dev:b]" {
		t.Fatalf("%v, %v", ids, err)
	}
	for range 2 {
		check(t, s, "dev:a", `{"bookmarks":{"u":9007199254740993}}`, ``)
		check(t, s, "dev:b", ``, `{"p":1}`)
	}
	if len(said) != 2 || !strings.Contains(said[0], "dev:a") || !strings.Contains(said[0], path) {
		t.Fatalf("said %q", said)
	}
	for _, id := range []string{"dev:empty", "none"} {
		if _, err := s.Bookmark(t.Context(), id); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	// A cleared one does not come back.
	if err := s.EditBookmark(t.Context(), "dev:a", "clear", nil, nil); err != nil {
		t.Fatal(err)
	}
	check(t, s, "dev:a", ``, ``)
	if ids, err := s.BookmarkIDs(t.Context(), ""); err != nil || fmt.Sprint(ids) != "[dev:b]" {
		t.Fatalf("%v, %v", ids, err)
	}
	after, _ := os.ReadFile(path)
	if sha256.Sum256(before) != sha256.Sum256(after) {
		t.Fatal("Meltano's database was written")
	}
}

func TestOldDatabaseHasRunsOnly(t *testing.T) {
	s := WrapFile(inner(t), meltanoFile(t, tables, "drop table state", runs), func(string) {})
	defer s.Close()
	if ids, err := s.BookmarkIDs(t.Context(), ""); err != nil || fmt.Sprint(ids) != "[old]" {
		t.Fatalf("%v, %v", ids, err)
	}
	check(t, s, "old", `{"n":1,"keep":1}`, `{"n":2,"m":3}`)
}

func TestNoMeltano(t *testing.T) {
	for name, path := range map[string]string{"no file": filepath.Join(t.TempDir(), "none"), "other tables": meltanoFile(t, "create table x (y)")} {
		s := WrapFile(inner(t), path, func(string) {})
		if _, err := s.Bookmark(t.Context(), "a"); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if ids, err := s.BookmarkIDs(t.Context(), ""); err != nil || len(ids) != 0 {
			t.Errorf("%s: %v, %v", name, ids, err)
		}
		s.Close()
	}
}

// A database that cannot be read may hold bookmarks: never begin without them quietly.
func TestBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meltano.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := WrapFile(inner(t), path, func(string) {})
	defer s.Close()
	if _, err := s.Bookmark(t.Context(), "a"); fault.CodeOf(err) != fault.StoreAway || !strings.Contains(err.Error(), path) {
		t.Fatalf("%v", err)
	}
}

// One database can hold Meltano's tables and ours.
func TestSameDatabase(t *testing.T) {
	s, err := postgres.Open(t.Context(), postgres.Options{URI: pgtest.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	m := WrapDatabase(s, s.DB(), func(string) {})
	defer m.Close()
	if _, err := m.Bookmark(t.Context(), "dev:a"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("%v", err)
	}
	for _, statement := range strings.Split(tables+";"+states, ";") {
		if _, err := s.DB().Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	m = WrapDatabase(s, s.DB(), func(string) {})
	if ids, err := m.BookmarkIDs(t.Context(), ""); err != nil || fmt.Sprint(ids) != "[dev:a dev:b]" {
		t.Fatalf("%v, %v", ids, err)
	}
	check(t, m, "dev:a", `{"bookmarks":{"u":9007199254740993}}`, ``)
}
