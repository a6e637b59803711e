package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"elt/internal/singer"
	"elt/taps/postgres"
)

var errKilled = errors.New("killed")

// bigTable has one row per page, so that it spans several ranges of pages.
func bigTable(w *world, name string, rows int) {
	w.exec(fmt.Sprintf(`create table %s (id int primary key, v int, pad text) with (fillfactor = 10, autovacuum_enabled = off);
		alter table %[1]s alter pad set storage plain;
		insert into %[1]s select n, 0, repeat('x', 800) from generate_series(1, %d) n`, name, rows))
}

// interrupted reads until rows have come, and dies.
func (w *world) interrupted(c *singer.Catalog, state string, after int, more ...string) *recorder {
	w.t.Helper()
	out := newRecorder()
	var seen atomic.Int64
	out.onWrite = func(_ string, n int) error {
		if seen.Add(int64(n)) > int64(after) {
			return errKilled
		}
		return nil
	}
	err := postgres.New().Sync(context.Background(), w.config(more...), c, singer.NewBookmarks(json.RawMessage(state)), out)
	if !errors.Is(err, errKilled) {
		w.t.Fatalf("the run was to die: %v", err)
	}
	return out
}

// loaded is what a destination has that merges by id: of each row that a
// position covers, the last.
type loaded map[string]string

func (l loaded) take(r *recorded) {
	if len(r.positions) == 0 {
		return
	}
	for _, row := range r.rows[:r.positions[len(r.positions)-1].Rows] {
		l[row[0]] = row[1]
	}
}

// table is what the source has.
func (w *world) table(name string) loaded {
	w.t.Helper()
	rows, err := w.conn.Query(context.Background(), "select id::text, v::text from "+name)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	all := loaded{}
	for rows.Next() {
		var id, v string
		if err := rows.Scan(&id, &v); err != nil {
			w.t.Fatal(err)
		}
		all[id] = v
	}
	return all
}

// A run that dies twice goes on where it was, whatever is written meanwhile:
// rows that move to pages that were read, or from them, are neither lost nor old.
func TestInterruptedTableIsGoneOnWith(t *testing.T) {
	w := newWorld(t)
	const rows = 30_000
	bigTable(w, "t", rows)
	cat := w.catalog("{}")
	have := loaded{}

	first := w.interrupted(cat, "", 22_000).streams["public-t"]
	have.take(first)
	if len(first.positions) != 2 || first.positions[0].Exact || !strings.Contains(string(first.positions[1].Value), `"elt_partial":{"table":`) {
		t.Fatalf("positions %+v", first.positions)
	}
	w.exec(`delete from t where id between 100 and 120`) // makes room on pages that were read
	w.exec(`vacuum t`)
	w.exec(`update t set v = 1 where id in (5, 20000, 28000)`)
	w.exec(`update t set v = 1, pad = 'moved' where id in (29999, 30000)`)
	w.exec(`insert into t values (40000, 1, 'new')`)

	second := w.interrupted(cat, first.state(), 6_000).streams["public-t"]
	have.take(second)
	if n := len(second.rows); n > 10_000 {
		t.Errorf("%d rows came again", n)
	}
	w.exec(`update t set v = 2 where id in (6, 20000, 29999)`)

	third := w.mustSync(cat, second.state()).streams["public-t"]
	have.take(third)
	if len(third.rows) > rows-16_000 || !third.ended || string(third.positions[len(third.positions)-1].Value) != "{}" {
		t.Errorf("%d rows, ended %v, positions %+v", len(third.rows), third.ended, third.positions)
	}
	want := w.table("t")
	for id := 100; id <= 120; id++ { // deleted after they were read: they stay until the next complete run
		want[fmt.Sprint(id)] = "0"
	}
	if !maps.Equal(have, want) {
		for id, v := range want {
			if have[id] != v {
				t.Errorf("row %s is %q, want %q", id, have[id], v)
			}
		}
		t.Errorf("%d rows, want %d", len(have), len(want))
	}
	if again := w.mustSync(cat, third.state()).streams["public-t"]; len(again.rows) != rows-21+1 {
		t.Errorf("the next run reads %d rows", len(again.rows))
	}
}

// What an interrupted run brought keeps its version, so that the end of the
// run that goes on with it does not purge it.
func TestInterruptedTableKeepsItsVersion(t *testing.T) {
	w := newWorld(t)
	bigTable(w, "t", 20_000)
	for _, cfg := range []string{`{"dialect": "transferwise"}`, `{"emit_activate_version_messages": true}`} {
		cat := w.catalog(cfg)
		first := w.interrupted(cat, "", 10_000, cfg).streams["public-t"]
		second := w.mustSync(cat, first.state(), cfg).streams["public-t"]
		version := first.versions[0]
		if !slices.Equal(first.activated, []int64{version}) || !slices.Equal(second.activated, []int64{version}) || second.versions[0] != version || len(second.rows) > 12_000 {
			t.Errorf("%s: rows of version %v, then %v; activated %v, then %v", cfg, version, second.versions[0], first.activated, second.activated)
		}
		if third := w.mustSync(cat, second.state(), cfg).streams["public-t"]; third.versions[0] <= version || len(third.rows) != 20_000 {
			t.Errorf("%s: the next run has %d rows of version %d after %d", cfg, len(third.rows), third.versions[0], version)
		}
	}
	// Rows that came without a version die with the first that have one.
	plain := w.interrupted(w.catalog("{}"), "", 10_000).streams["public-t"]
	const versions = `{"emit_activate_version_messages": true}`
	if got := w.mustSync(w.catalog(versions), plain.state(), versions).streams["public-t"]; len(got.rows) != 20_000 || got.activated[0] == 0 {
		t.Errorf("%d rows, activated %v", len(got.rows), got.activated)
	}
}

// Pages of a table that was rewritten are other pages.
func TestRewrittenTableIsReadFromTheBeginning(t *testing.T) {
	w := newWorld(t)
	for _, rewrite := range []string{"vacuum full t", "cluster t using t_pkey", "alter table t alter v type int8", "create table other as table t; alter table other add primary key (id); drop table t; alter table other rename to t"} {
		w.exec("drop table if exists t")
		bigTable(w, "t", 20_000)
		cat := w.catalog("{}")
		first := w.interrupted(cat, "", 10_000).streams["public-t"]
		w.exec(rewrite)
		if got := w.mustSync(cat, first.state()).streams["public-t"]; len(got.rows) != 20_000 || !got.ended {
			t.Errorf("after %s: %d rows", rewrite, len(got.rows))
		}
	}
	// Rows that came have no column that is new, or was not selected.
	cat := w.catalog("{}")
	before := w.interrupted(cat, "", 10_000).streams["public-t"]
	w.exec("alter table t add more int default 7")
	cat = w.catalog("{}")
	if got := w.mustSync(cat, before.state()).streams["public-t"]; len(got.rows) != 20_000 {
		t.Errorf("with a new column: %d rows", len(got.rows))
	}
	before = w.interrupted(cat, "", 10_000).streams["public-t"]
	cat.Streams[0].SetMeta("selected", false, "more")
	if got := w.mustSync(cat, before.state()).streams["public-t"]; len(got.rows) != 20_000 {
		t.Errorf("with a column less: %d rows", len(got.rows))
	}
	// A position from a server whose count of transactions is behind.
	cat = w.catalog("{}")
	first := w.interrupted(cat, "", 10_000).streams["public-t"]
	ahead := strings.Replace(first.state(), `"xmin":`, `"xmin":4`, 1)
	if got := w.mustSync(cat, ahead).streams["public-t"]; len(got.rows) != 20_000 {
		t.Errorf("from the future: %d rows", len(got.rows))
	}
}

// Without a key nothing would merge the rows that come again; a small table,
// or a part of one, is not worth it.
func TestWhatIsReadInOnePiece(t *testing.T) {
	w := newWorld(t)
	bigTable(w, "keyed", 20_000)
	w.exec("create table keyless as table keyed; create table small (id int primary key); insert into small values (1); create view v as table keyed")
	out := w.mustSync(nil, "")
	for _, id := range []string{"public-keyless", "public-small", "public-v"} {
		if n := len(out.streams[id].positions); n != 1 {
			t.Errorf("%s has %d positions", id, n)
		}
	}
	if n := len(out.streams["public-keyed"].positions); n != 3 {
		t.Errorf("the table has %d positions", n)
	}
	if n := len(w.mustSync(nil, "", `{"max_record_count": 19000}`).streams["public-keyed"].positions); n != 1 {
		t.Errorf("a part of it has %d positions", n)
	}
}
