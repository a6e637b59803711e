package postgres_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/singer"
)

func TestHostileBookmarksAndNames(t *testing.T) {
	w := newWorld(t)
	const name = `a"; drop table victim; --`
	w.exec(`create table victim (id int); create table "t" ("a""; drop table victim; --" text); insert into t values ('~')`)
	for _, value := range []string{`'; drop table victim; --`, `\'; drop table victim; --`, `') to stdout; drop table victim; --`, `$$`, "\x00", "\\", `\\'`, "a\nb", "\ufffd", strings.Repeat("'", 1001)} {
		raw, _ := json.Marshal(value)
		out, err := w.sync(w.catalog("{}", "public-t="+name), fmt.Sprintf(`{"bookmarks":{"public-t":{"replication_key":%q,"replication_key_value":%s}}}`, name, raw))
		if strings.Contains(value, "\x00") {
			if err == nil || !strings.Contains(err.Error(), "NUL") {
				t.Errorf("NUL: %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		want := 1 // '~' is beyond everything else in ASCII
		if value == "\ufffd" {
			want = 0
		}
		if got := out.streams["public-t"]; len(got.rows) != want {
			t.Errorf("%q: %d rows", value, len(got.rows))
		} else if want == 0 && got.state() != fmt.Sprintf(`{"bookmarks":{"public-t":{"replication_key":%s,"replication_key_value":%s}}}`, mustQuote(name), raw) {
			t.Errorf("a run without rows changed the bookmark to %s", got.state())
		}
	}
	w.exec("select * from victim")
	for _, bad := range []string{`{"a":1}`, `[1]`} {
		if _, err := w.sync(w.catalog("{}", "public-t="+name), fmt.Sprintf(`{"bookmarks":{"public-t":{"replication_key":%q,"replication_key_value":%s}}}`, name, bad)); err == nil {
			t.Errorf("%s is taken for a position", bad)
		}
	}
	w.exec("create table n (id int)")
	if _, err := w.sync(w.catalog("{}", "public-n=id"), `{"bookmarks":{"public-n":{"replication_key":"id","replication_key_value":"x' or 1=1"}}}`); err == nil || !strings.Contains(fault.Render(err), "may not fit") {
		t.Errorf("a bookmark of another type: %v", err)
	}
}

func mustQuote(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

func TestPositionsDuringALongRun(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (k timestamptz not null, id int primary key); insert into t select '2024-01-01'::timestamptz + (n / 7) * interval '1 s', n from generate_series(0, 34999) n`)
	cat := w.catalog("{}", "public-t=k")
	got := w.mustSync(cat, "").streams["public-t"]
	if len(got.rows) != 35000 || len(got.positions) != 4 {
		t.Fatalf("%d rows, %d positions", len(got.rows), len(got.positions))
	}
	for _, p := range got.positions[:3] {
		rest := w.mustSync(cat, fmt.Sprintf(`{"bookmarks":{"public-t":%s}}`, p.Value)).streams["public-t"]
		if !p.Exact || p.Rows%7 != 0 || int64(len(rest.rows)) != 35000-p.Rows {
			t.Errorf("resuming at %s (exact %v) after %d rows reads %d", p.Value, p.Exact, p.Rows, len(rest.rows))
		}
	}
	if last := got.positions[3]; last.Exact || last.Rows != 35000 {
		t.Errorf("last position %+v", last)
	}
	w.exec("insert into t values ('2024-01-01 01:23:19+00', 35000)") // a late row with the last key
	if again := w.mustSync(cat, got.state()).streams["public-t"]; len(again.rows) != 8-35000%7 && !slices.Contains(again.column("id"), "35000") {
		t.Errorf("the late row is missing: %v", again.rows)
	}
	w.exec("create table same (k int not null); insert into same select 1 from generate_series(1, 25000)")
	if got := w.mustSync(w.catalog("{}", "public-same=k"), "").streams["public-same"]; len(got.positions) != 1 || len(got.rows) != 25000 {
		t.Errorf("positions %v among rows of one key", got.positions)
	}
	// 1.0 and 1.00 are one key with two encodings: such a position may repeat rows, and says so.
	w.exec("create table scales (k numeric not null); insert into scales select n::numeric from generate_series(1, 12000) n")
	if got := w.mustSync(w.catalog("{}", "public-scales=k"), "").streams["public-scales"]; len(got.positions) != 2 || got.positions[0].Exact {
		t.Errorf("positions %v on a numeric key", got.positions)
	}
}

func TestBookmarksOfBothDialects(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (id int primary key, d timestamp, n numeric); insert into t values (1, '2024-01-01', 1.5), (2, '2024-01-02 00:00:00.5', 2.5), (3, '2024-01-03', 3.5)`)
	const transferwise = `{"dialect": "transferwise"}`
	for _, c := range []struct{ dialect, key, mark, rows string }{
		{"{}", "d", `{"replication_key":"d","replication_key_value":"2024-01-02T00:00:00.500000"}`, "2 3"},
		{"{}", "d", `{"replication_key":"d","replication_key_value":"2024-01-02 00:00:00.5","starting_replication_value":"x","replication_key_signpost":"y"}`, "2 3"},
		{"{}", "id", `{"replication_key":"id","replication_key_value":2,"progress_markers":{"replication_key":"id","replication_key_value":9}}`, "2 3"},
		{"{}", "id", `{"replication_key":"d","replication_key_value":"2024-01-02"}`, "1 2 3"},
		{"{}", "id", `{}`, "1 2 3"},
		{"{}", "n", `{"replication_key":"n","replication_key_value":2.50}`, "2 3"},
		{transferwise, "d", `{"last_replication_method":"INCREMENTAL","replication_key":"d","replication_key_value":"2024-01-02T00:00:00.500000+00:00","version":1600000000000}`, "2 3"},
		{transferwise, "id", `{"last_replication_method":"FULL_TABLE","version":1600000000000,"xmin":null}`, "1 2 3"},
	} {
		got := w.mustSync(w.catalog(c.dialect, "public-t="+c.key), `{"bookmarks":{"public-t":`+c.mark+`}}`, c.dialect).streams["public-t"]
		if ids := strings.Join(got.column("id"), " "); ids != c.rows {
			t.Errorf("%s: %s, want %s", c.mark, ids, c.rows)
		}
		value := string(got.positions[0].Value)
		switch {
		case c.dialect == "{}":
			if strings.Contains(value, "version") || len(got.activated) > 0 {
				t.Errorf("%s becomes %s", c.mark, value)
			}
		case strings.Contains(c.mark, "INCREMENTAL"):
			if value != `{"replication_key":"d","replication_key_value":"2024-01-03T00:00:00","version":1600000000000,"last_replication_method":"INCREMENTAL"}` || len(got.activated) > 0 {
				t.Errorf("%s becomes %s, activated %v", c.mark, value, got.activated)
			}
		default: // another method before: all anew, under a new version
			if len(got.activated) != 2 || got.versions[0] != got.activated[0] || !strings.Contains(value, `"version":`) {
				t.Errorf("%s becomes %s, activated %v", c.mark, value, got.activated)
			}
		}
	}
}

// Older releases of PipelineWise's tap put the database before the stream id.
func TestOlderStreamID(t *testing.T) {
	w := newWorld(t)
	w.exec("create table t (id int primary key); insert into t values (1), (2)")
	c, err := singer.ParseCatalog([]byte(`{"streams":[{"tap_stream_id":"db-public-t","stream":"t","table_name":"t","schema":{"properties":{"id":{}}},
		"metadata":[{"breadcrumb":[],"metadata":{"selected":true,"schema-name":"public","replication-method":"INCREMENTAL","replication-key":"id"}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	got := w.mustSync(c, `{"bookmarks":{"db-public-t":{"replication_key":"id","replication_key_value":2}}}`, `{"dialect": "transferwise"}`).streams["public-t"]
	if len(got.rows) != 1 || got.positions[0].Stream != "db-public-t" {
		t.Errorf("%v, %+v", got.rows, got.positions)
	}
}

func TestStreamIDsThatWouldFallTogether(t *testing.T) {
	w := newWorld(t)
	w.exec(`create schema a; create schema "a-b"; create table a."b-c" (x int); create table "a-b".c (y int); insert into a."b-c" values (1); insert into "a-b".c values (2)`)
	out := w.mustSync(w.catalog("{}"), "")
	if len(out.streams) != 2 || out.streams["a-b-c"].rows[0][0] != "1" || out.streams[`"a-b"-"c"`].rows[0][0] != "2" {
		t.Errorf("streams %v", out.streams)
	}
}
