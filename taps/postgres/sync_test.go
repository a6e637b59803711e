package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/taps/postgres"
)

func TestRelationsOfEveryKind(t *testing.T) {
	w := newWorld(t)
	w.exec(`create schema "Od""d"; create table "Od""d"."Tä ble 😀" ("Se""lect" int primary key, "order by" text, "` + strings.Repeat("x", 63) + `" int);
		insert into "Od""d"."Tä ble 😀" values (1, 'a', 2);
		create table empty (id int primary key); create table nothing ();
		create table parent (id int); create table child () inherits (parent); insert into parent values (1); insert into child values (2);
		create table parts (id int, primary key (id)) partition by range (id); create table parts1 partition of parts for values from (0) to (10); insert into parts values (5);
		create table made (id int, twice int generated always as (id * 2) stored, gone int); alter table made drop column gone; insert into made values (4);
		create view looking as select id, 'x' as c from made; create materialized view kept as select 7 as id;
		create table composite (b text, a int, c text, primary key (a, b)); insert into composite values ('b', 1, 'c');
		create table uniq (n int, u text not null unique, e text unique); create unique index on uniq (lower(u));
		create extension file_fdw; create server files foreign data wrapper file_fdw;
		create foreign table far (line text) server files options (program 'echo hello')`)
	out := w.mustSync(nil, "")
	for id, want := range map[string]string{
		`Od"d-Tä ble 😀`:    "1 a 2",
		"public-empty":     "",
		"public-parent":    "1 2",
		"public-child":     "2",
		"public-parts":     "5",
		"public-made":      "4 8",
		"public-looking":   "4 x",
		"public-kept":      "7",
		"public-composite": "b 1 c",
		"public-uniq":      "",
		"public-far":       "hello",
	} {
		got := out.streams[id]
		if got == nil || !got.ended || !got.closed {
			t.Errorf("%s did not come", id)
			continue
		}
		var cells []string
		for _, r := range got.rows {
			cells = append(cells, r...)
		}
		if text := strings.Join(cells, " "); text != want {
			t.Errorf("%s: %q, want %q", id, text, want)
		}
		if got.positions[0].Stream != id || string(got.positions[0].Value) != "{}" {
			t.Errorf("%s: position %+v", id, got.positions[0])
		}
		if len(got.activated) > 0 {
			t.Errorf("%s activates a version", id)
		}
	}
	if len(out.streams) != 11 {
		t.Errorf("%d streams: a partition is read twice, or a table without columns", len(out.streams))
	}
	for id, want := range map[string][]string{"public-composite": {"a", "b"}, "public-uniq": {"u"}, "public-parts": {"id"}, "public-looking": nil} {
		if got := out.streams[id].schema.Key; !slices.Equal(got, want) {
			t.Errorf("key of %s is %v, want %v", id, got, want)
		}
	}
	if s := w.discover().Stream("public-parts1"); s == nil || s.Selected() {
		t.Error("a partition is not offered, or selected by default")
	}
	if k := w.discover(`{"dialect": "transferwise"}`).Stream("public-uniq").Keys(); len(k) > 0 {
		t.Errorf("a unique index is taken for a primary key: %v", k)
	}
}

func TestDeselectedColumnsAreNotRead(t *testing.T) {
	w := newWorld(t)
	w.exec(`create function boom() returns int stable language plpgsql as $$ begin raise 'it was read'; end $$;
		create view v as select 1 as id, boom() as b, 'x'::text as c`)
	c := w.catalog("{}")
	c.Streams[0].SetMeta("selected", false, "b")
	if got := w.mustSync(c, "").streams["public-v"]; len(got.schema.Columns) != 2 || strings.Join(got.rows[0], " ") != "1 x" {
		t.Errorf("%v", got.rows)
	}
	c.Streams[0].SetMeta("selected", false)
	if out := w.mustSync(c, ""); len(out.streams) > 0 {
		t.Error("a deselected stream came")
	}
}

func TestFullTableOfTransferwise(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (id int primary key, b bit(1)); insert into t values (1, B'1')`)
	const dialect = `{"dialect": "transferwise"}`
	c := w.catalog(dialect)
	if s := c.Streams[0]; s.Stream != "t" || s.ID() != "public-t" || s.Meta()["schema-name"] != "public" || s.Meta()["database-name"] == nil || s.Meta("id")["sql-datatype"] != "integer" {
		t.Errorf("%+v", s)
	}
	first := w.mustSync(c, "", dialect).streams["public-t"]
	if strings.Join(first.events, " ") != "activate rows position activate end" || strings.Join(first.rows[0], " ") != "1 true" {
		t.Errorf("%v %v", first.events, first.rows)
	}
	var mark struct {
		Version int64  `json:"version"`
		Method  string `json:"last_replication_method"`
		Xmin    any    `json:"xmin"`
	}
	value := first.positions[0].Value
	if err := json.Unmarshal(value, &mark); err != nil || mark.Method != "FULL_TABLE" || !strings.Contains(string(value), `"xmin":null`) {
		t.Errorf("bookmark %s", value)
	}
	if v := mark.Version; v != first.versions[0] || v != first.activated[0] || time.Since(time.UnixMilli(v)).Abs() > time.Hour {
		t.Errorf("version %d, rows %v, activated %v", v, first.versions, first.activated)
	}
	second := w.mustSync(c, first.state(), dialect).streams["public-t"]
	if strings.Join(second.events, " ") != "rows position activate end" || second.activated[0] < mark.Version {
		t.Errorf("%v, version %v after %d", second.events, second.activated, mark.Version)
	}
	if c := w.catalog("{}"); len(w.mustSync(c, "", `{"emit_activate_version_messages": true}`).streams["public-t"].activated) == 0 {
		t.Error("emit_activate_version_messages activates nothing")
	}
}

// Every orderable type as replication key: what was read is not read again
// but for the last key, what is new is; the bookmark is exact.
func TestIncrementalOnEveryType(t *testing.T) {
	w := newWorld(t)
	w.exec(`create extension citext; create type mood as enum ('sad', 'ok', 'happy'); create domain cents as numeric(20,2); create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
	for i, c := range []struct {
		sqlType string
		values  []string // in order
		mark    string   // the bookmark's value after all
	}{
		{"int2", []string{"-5", "0", "7"}, "7"},
		{"int4", []string{"-5", "0", "7"}, "7"},
		{"int8", []string{"-9223372036854775808", "9007199254740992", "9007199254740993"}, "9007199254740993"},
		{"numeric", []string{"-0.1", "12345678901234567890.1234567890123456789", "12345678901234567890.1234567890123456790"}, "12345678901234567890.1234567890123456790"},
		{"numeric(20,2)", []string{"1.10", "1.20"}, "1.20"},
		{"cents", []string{"1.10", "1.20"}, "1.20"},
		{"float8", []string{"-1e300", "0.1", "0.30000000000000004"}, "0.30000000000000004"},
		{"float4", []string{"0.1", "16777216"}, "16777216"},
		{"money", []string{"1", "2000.5"}, `"$2,000.50"`},
		{"oid", []string{"1", "4294967295"}, `"4294967295"`},
		{"text", []string{"''", "'A'", "'a'", `'x''y\z'`, "'é'"}, `"é"`},
		{"varchar(3)", []string{"'a'", "'abc'"}, `"abc"`},
		{"bpchar(3)", []string{"'a'", "'b'"}, `"b  "`},
		{"name", []string{"'a'", "'b'"}, `"b"`},
		{"citext", []string{"'a'", "'B'"}, `"B"`},
		{"uuid", []string{"'00000000-0000-0000-0000-000000000001'", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'"}, `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`},
		{"bytea", []string{`'\x'`, `'\x00ff'`, `'\x5c27'`}, `"\\x5c27"`},
		{"bool", []string{"false", "true"}, "true"},
		{"date", []string{"'-infinity'", "'0044-03-15 BC'", "'2024-02-29'", "'20240-01-01'"}, `"20240-01-01"`},
		{"date", []string{"'4713-01-01 BC'", "'0044-03-15 BC'"}, `"0044-03-15 BC"`},
		{"time", []string{"'00:00'", "'23:59:59.999999'", "'24:00'"}, `"24:00:00"`},
		{"timetz", []string{"'00:00+01'", "'12:00:00.5+05:30'"}, `"12:00:00.5+05:30"`},
		{"timestamp", []string{"'-infinity'", "'2024-01-02 03:04:05.678901'", "'2024-01-02 03:04:05.678902'"}, `"2024-01-02T03:04:05.678902"`},
		{"timestamp", []string{"'4000-01-01 BC'", "'0044-03-15 12:00 BC'"}, `"0044-03-15T12:00:00 BC"`},
		{"timestamptz", []string{"'2024-01-02 03:04:05.678901+02'", "'294276-12-31 23:59:59.999999+00'"}, `"294276-12-31T23:59:59.999999+00:00"`},
		{"timestamptz", []string{"'0045-03-15 12:00:00.25+00 BC'", "'0044-03-15 12:00:00.25+00 BC'"}, `"0044-03-15T12:00:00.250000+00:00 BC"`},
		{"interval", []string{"'1 day'", "'1 mon 2 days 03:04:05.6'"}, `"1 mon 2 days 03:04:05.6"`},
		{"inet", []string{"'9.0.0.1'", "'10.0.0.1'"}, `"10.0.0.1/32"`},
		{"mood", []string{"'sad'", "'ok'", "'happy'"}, `"happy"`},
		{"bit(4)", []string{"B'0001'", "B'1000'"}, `"1000"`},
		{"int4[]", []string{"'{1}'", "'{1,2}'", "'{1,NULL}'"}, `"{1,NULL}"`},
		{"int4range", []string{"'[1,3)'", "'[2,3)'"}, `"[2,3)"`},
		{"jsonb", []string{"'1'", `'{"a": 1}'`}, `"{\"a\": 1}"`},
		{"pg_lsn", []string{"'0/1'", "'A/0'"}, `"A/0"`},
		{`text collate "loose"`, []string{"'a'", "'B'", "'c'"}, `"c"`},
	} {
		t.Run(c.sqlType, func(t *testing.T) {
			table := fmt.Sprintf("t%d", i)
			w.exec(fmt.Sprintf("create table %s (k %s, n serial)", table, c.sqlType))
			insert := func(values []string) {
				for _, n := range shuffled(len(values)) {
					w.exec(fmt.Sprintf("insert into %s values (%s)", table, values[n]))
				}
			}
			id := "public-" + table
			insert(c.values[:len(c.values)-1])
			w.exec(fmt.Sprintf("insert into %s values (null)", table))
			cat := w.catalog(`{"filter_schemas": ["public"]}`, id+"=k")
			cat.Streams = []*singer.CatalogStream{cat.Stream(id)}
			first := w.mustSync(cat, "").streams[id]
			if len(first.rows) != len(c.values) || !first.ended || first.schema.ReplicationKey != "k" {
				t.Fatalf("first run: %v", first.rows)
			}
			if first.rows[0][0] != null {
				t.Errorf("rows without a key must come first: %v", first.rows)
			}
			insert(c.values[len(c.values)-1:])
			second := w.mustSync(cat, first.state()).streams[id]
			if len(second.rows) != 2 { // the last one again, and the new one
				t.Fatalf("second run after %s: %v", first.state(), second.rows)
			}
			if got := second.positions[0]; got.Exact || string(got.Value) != `{"replication_key":"k","replication_key_value":`+c.mark+`}` {
				t.Errorf("bookmark %s, exact %v, want %s", got.Value, got.Exact, c.mark)
			}
			if third := w.mustSync(cat, second.state()).streams[id]; len(third.rows) != 1 || third.state() != second.state() {
				t.Errorf("third run after %s: %v, %s", second.state(), third.rows, third.state())
			}
		})
	}
}

// A key that is infinite or no number is no place to go on from: what comes
// later lies below it. Its rows come again with each run, and hide none.
func TestKeysWithoutAnEnd(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct{ sqlType, low, high, endless string }{
		{"date", "2024-01-01", "2024-01-02", "infinity"},
		{"timestamp", "2024-01-01", "2024-01-02", "infinity"},
		{"timestamptz", "2024-01-01", "2024-01-02", "infinity"},
		{"numeric", "1", "2", "NaN"},
		{"numeric", "1", "2", "Infinity"},
		{"float8", "1", "2", "NaN"},
		{"float4", "1", "2", "Infinity"},
	} {
		t.Run(c.sqlType+" "+c.endless, func(t *testing.T) {
			table := fmt.Sprintf("t%d", i)
			w.exec(fmt.Sprintf("create table %s (k %s, n int)", table, c.sqlType))
			insert := func(n int, key string) { w.exec(fmt.Sprintf("insert into %s values ('%s', %d)", table, key, n)) }
			id := "public-" + table
			cat := w.catalog(`{"filter_schemas": ["public"]}`, id+"=k")
			cat.Streams = []*singer.CatalogStream{cat.Stream(id)}
			read := func(state string) (string, string) {
				s := w.mustSync(cat, state).streams[id]
				var ns []string
				for _, r := range s.rows {
					ns = append(ns, r[1])
				}
				return strings.Join(ns, " "), s.state()
			}
			insert(1, c.endless)
			rows, state := read("")
			if rows != "1" {
				t.Fatalf("first run: %s", rows)
			}
			insert(2, c.low)
			if rows, state = read(state); rows != "2 1" {
				t.Fatalf("a row below it: %s", rows)
			}
			insert(3, c.high)
			if rows, state = read(state); rows != "2 3 1" {
				t.Fatalf("a row between them: %s after %s", rows, state)
			}
			if rows, _ = read(state); rows != "3 1" {
				t.Errorf("nothing new: %s after %s", rows, state)
			}
		})
	}
}

// shuffled is 0..n-1 from the end to the start.
func shuffled(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = n - 1 - i
	}
	return out
}

func TestUnorderableKeyIsExplained(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (k point, j json, id int); create table fine (id int)`)
	for _, key := range []string{"k", "j"} {
		out, err := w.sync(w.catalog("{}", "public-t="+key), "")
		if err == nil || !strings.Contains(fault.Render(err), "has no order: choose another replication key") {
			t.Errorf("%s: %v", key, err)
		}
		if !out.streams["public-fine"].ended {
			t.Error("the other stream did not end")
		}
	}
}

func TestLimitsAndConditions(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (id int primary key, k int); insert into t select n, nullif(n, 1) from generate_series(1, 9) n`)
	for _, c := range []struct{ cfg, key, want string }{
		{`{"max_record_count": 2}`, "", "1 2"},
		{`{"limit": 3}`, "", "1 2 3 4 5 6 7 8 9"},
		{`{"limit": 3}`, "k", "1 2 3"},
		{`{"limit": 3, "max_record_count": 1}`, "k", "1"},
		{`{"stream_options": {"public-t": {"custom_where_clauses": [" id > 3 -- not all", "id < 8 or false"]}}}`, "", "4 5 6 7"},
		{`{"stream_options": {"public-t": {"custom_where_clauses": ["t.id > 7"]}, "public-u": {"custom_where_clauses": ["false"]}}}`, "k", "8 9"},
	} {
		cat := w.catalog("{}")
		if c.key != "" {
			cat = w.catalog("{}", "public-t="+c.key)
		}
		if got := strings.Join(w.mustSync(cat, "", c.cfg).streams["public-t"].column("id"), " "); got != c.want {
			t.Errorf("%s by %q: %s, want %s", c.cfg, c.key, got, c.want)
		}
	}
	if _, err := w.sync(w.catalog("{}"), "", `{"stream_options": {"public-t": {"custom_where_clauses": ["id >"]}}}`); err == nil || !strings.Contains(fault.Render(err), "custom_where_clauses") {
		t.Errorf("a broken condition: %v", err)
	}
}

func TestDatesAsString(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (d date, ts timestamp, tz timestamptz); insert into t values ('0044-03-15 BC', '2024-01-02 03:04:05.5', '2024-01-02 03:04:05+02')`)
	got := w.mustSync(nil, "", `{"dates_as_string": true}`).streams["public-t"]
	if text := strings.Join(got.rows[0], "|"); text != "0044-03-15 BC|2024-01-02 03:04:05.5|2024-01-02 01:04:05+00" {
		t.Error(text)
	}
}

func TestFailedStreamLeavesTheOthersComplete(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table a (id int); create table b (id int); create table c (id int); create table hidden (id int);
		insert into a values (1); insert into b values (2); insert into c values (3)`)
	cat := w.catalog("{}")
	role := "reader_of_" + w.cfg["database"].(string)
	w.exec(fmt.Sprintf(`create role %s login; grant select on a, b, c to %[1]s; revoke select on b from %[1]s; grant select (id) on hidden to %[1]s; drop table hidden`, role))
	t.Cleanup(func() { w.exec(fmt.Sprintf("drop owned by %s; drop role %[1]s", role)) })
	login := fmt.Sprintf(`{"user": %q}`, role)
	out, err := w.sync(cat, "", login)
	if err == nil || !strings.Contains(err.Error(), `stream "public-b"`) || !strings.Contains(err.Error(), `stream "public-hidden"`) || strings.Contains(err.Error(), "public-a") {
		t.Fatalf("error %v", err)
	}
	for _, id := range []string{"public-a", "public-c"} {
		if s := out.streams[id]; s == nil || !s.ended || len(s.rows) != 1 {
			t.Errorf("%s is not complete", id)
		}
	}
	if found := w.discover(login); found.Stream("public-b") != nil || found.Stream("public-a") == nil {
		t.Error("discovery lists what cannot be read, or not what can")
	}
	// A refusal that comes only while reading.
	w.exec(`create view late as select 1 / (id - 1) as x from a`)
	out, err = w.sync(w.catalog("{}"), "")
	if err == nil || !strings.Contains(err.Error(), "division by zero") || !strings.Contains(err.Error(), `stream "public-late"`) {
		t.Fatalf("error %v", err)
	}
	if s := out.streams["public-late"]; s.ended || !s.closed || len(s.positions) > 0 {
		t.Error("the failed stream ended")
	}
	if s := out.streams["public-c"]; !s.ended {
		t.Error("another stream did not end")
	}
	if out, err := w.sync(w.catalog("{}"), "", `{"on_stream_error": "stop"}`); err == nil {
		t.Errorf("no error, %d streams", len(out.streams))
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (id int primary key, updated_at timestamp)`)
	noKey := w.catalog("{}")
	noKey.Streams[0].SetMeta("replication-method", "INCREMENTAL")
	badKeys := w.catalog("{}")
	badKeys.Streams[0].SetMeta("table-key-properties", []string{"idd"})
	odd := w.catalog("{}")
	odd.Streams[0].SetMeta("replication-method", "SOMETIMES")
	for _, c := range []struct {
		catalog *singer.Catalog
		want    []string
	}{
		{noKey, []string{"needs a replication key", "one of id, updated_at"}},
		{w.catalog("{}", "public-t=updated"), []string{`replication key "updated" is no column`, "it has id, updated_at"}},
		{badKeys, []string{`key property "idd" is no column`, `did you mean "id"?`}},
		{odd, []string{`"SOMETIMES" is unknown`}},
	} {
		out, err := w.sync(c.catalog, "")
		if err == nil || len(out.streams) > 0 {
			t.Errorf("%v: %v, %d streams", c.want, err, len(out.streams))
			continue
		}
		for _, want := range c.want {
			if text := fault.Render(err); !strings.Contains(text, want) {
				t.Errorf("%q does not hold %q", text, want)
			}
		}
	}
}

func TestCancelEndsQuicklyHereAndThere(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table big as select n as id, repeat('x', 1000) as pad from generate_series(1, 50000) n; create view slow as select pg_sleep(600)::text`)
	for _, stream := range []string{"public-big", "public-slow"} {
		cat := w.catalog("{}")
		for _, s := range cat.Streams {
			s.SetMeta("selected", s.ID() == stream)
		}
		ctx, cancel := context.WithCancel(context.Background())
		out := newRecorder()
		out.onWrite = func(string, int) error { cancel(); <-ctx.Done(); return ctx.Err() }
		active := func() (n int) {
			w.conn.QueryRow(context.Background(), "select count(*) from pg_stat_activity where application_name = 'elt' and datname = current_database() and state = 'active' and query like '%COPY %'").Scan(&n)
			return n
		}
		go func() {
			for stream == "public-slow" && active() == 0 {
				time.Sleep(5 * time.Millisecond)
			}
			if stream == "public-slow" {
				cancel()
			}
		}()
		err := postgres.New().Sync(ctx, w.config(), cat, singer.Bookmarks{}, out)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", stream, err)
		}
		for i := 0; active() > 0; i++ {
			if i == 2000 {
				t.Fatalf("%s: the server still works", stream)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if s := out.streams[stream]; s.ended || !s.closed {
			t.Errorf("%s ended", stream)
		}
		cancel()
	}
}

func TestSnapshotIsOneForTheStream(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (k int, pad text); insert into t select nullif(n, 0), repeat('x', 1000) from generate_series(0, 20000) n`)
	out := newRecorder()
	wrote := false
	out.onWrite = func(string, int) error {
		if !wrote {
			wrote = true
			w.exec("insert into t values (null, 'late'), (20001, 'late'), (5, 'late')")
		}
		return nil
	}
	cat := w.catalog("{}", "public-t=k")
	if err := postgres.New().Sync(context.Background(), w.config(), cat, singer.Bookmarks{}, out); err != nil {
		t.Fatal(err)
	}
	got := out.streams["public-t"]
	if len(got.rows) != 20001 || slices.Contains(got.column("pad"), "late") {
		t.Errorf("%d rows", len(got.rows))
	}
	if next := w.mustSync(cat, got.state()).streams["public-t"]; !slices.Contains(next.column("k"), "20001") {
		t.Error("the row that came meanwhile is lost")
	}
}
