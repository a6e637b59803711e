package sqlite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/sqlite"
	"elt/taps/taptest"
)

func TestSuite(t *testing.T) {
	other := newWorld(t, "create table orders (id integer primary key, v text); insert into orders values (1, 'x')")
	w := newWorld(t, `create table orders (id integer primary key, placed datetime, total decimal(12,2), note text, raw json, ratio real, day date, at time, doc blob, paid boolean, ref uuid);
		insert into orders values (1, '2024-01-02 03:04:05.678901', 12.5, 'a'||char(10)||'b', '{"a":[1,null]}', 0.1, '2024-02-29', '23:59:59', x'00ff', 1, '6ba7b810-9dad-11d1-80b4-00c04fd430c8'),
			(2, '0001-01-01 00:00:00', '-0.01', '', 'null', 1e-300, '9999-12-31', '00:00', x'', 0, null), (3, null, null, null, null, null, null, null, null, null, null);
		create table lines (order_id int not null, line int not null, primary key (order_id, line)) without rowid;
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into lines select i, i % 7 from n;
		create view totals as select order_id % 10 as digit, count(*) as lines from lines group by 1;
		create table "Odd ""Näme""" ("Sp ace" text primary key, "select" int, twice int generated always as ("select" * 2) stored);
		insert into "Odd ""Näme""" values ('a', 1), ('b', 2);
		create table empty (id int primary key); create table _elt_state (x); create table rowid (rowid text, _rowid_ text, oid text); insert into rowid values (1, 2, 3)`)
	w.more["attach"] = map[string]string{"old": other.path}
	rows := map[string]int{"orders": 3, "lines": 20000, "totals": 10, "empty": 0, `Odd "Näme"`: 2, "old-orders": 1, "rowid": 1}
	taptest.Run(t, sqlite.New(), w.settings(), taptest.Expect{Rows: rows, Resumed: rows})
	for _, s := range w.discover().Streams {
		if _, ok := rows[s.ID()]; !ok {
			t.Errorf("stream %q is found", s.ID())
		}
	}
}

func TestDeclaredTypesAndTheirValues(t *testing.T) {
	for _, c := range []struct{ declared, values, kind, rows string }{
		{"int", "1, -9223372036854775808, null", "int64", "1|-9223372036854775808|null"},
		{"int", "1, 'x', 2", "text", `1|"x"|"2"`},
		{"int", "7, 1.5", "numeric", "7|1.5"},
		{"bigint", "9007199254740993, 1e300", "numeric", "9007199254740993|1" + strings.Repeat("0", 300)},
		{"real", "0.1, 1e-300, 5e-324, 3", "float64", "0.1|1e-300|5e-324|3"},
		{"real", "0.5, 'n/a'", "text", `0.5|"n/a"`},
		{"decimal(12,2)", "12.5, 3, '-0.01'", "numeric(12,2)", "12.5|3|-0.01"},
		{"decimal(5,2)", "1.5, 1.005, 99999", "numeric", "1.5|1.005|99999"},
		{"numeric", "0.1, 12345678901234567, 9e999", "numeric", `0.1|12345678901234567|"Infinity"`},
		{"text", "'12345678901234567890.123456789', 1", "text", `"12345678901234567890.123456789"|"1"`},
		{"text", "'a', cast(x'ff00' as text), x'0102', 'b'||char(0)", "text", `"a"|"\\xff00"|"\\x0102"|"b\u0000"`},
		{"boolean", "1, 0, 'TRUE', 2, 1", "text", `true|false|true|"2"|"true"`},
		{"date", "'2024-02-29', '2024-03-01 10:00'", "timestamp", `"2024-02-29"|"2024-03-01T10:00:00"`},
		{"datetime", "'2024-02-29 12:34:56.123456789', '2024-03-01T10:00:00+02:00'", "timestamptz", `"2024-02-29T12:34:56.123456789"|"2024-03-01T10:00:00+02:00"`},
		{"datetime", "'2024-02-29 12:00', 1700000000", "text", `"2024-02-29T12:00:00"|"1700000000"`},
		{"timestamptz", "'2024-02-29T12:00:00+05:30', 'infinity'", "timestamptz", `"2024-02-29T12:00:00+05:30"|"infinity"`},
		{"time", "'23:59:59.999999', '24:00'", "time", `"23:59:59.999999"|"24:00:00"`},
		{"json", `'{"a":1.10}', 'no json', 5`, "json", `{"a":1.10}|"no json"|5`},
		{"uuid", "'6BA7B810-9DAD-11D1-80B4-00C04FD430C8', x'6ba7b8109dad11d180b400c04fd430c8'", "uuid", `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"|"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`},
		{"blob", "x'00ff', null", "bytes", `"AP8="|null`},
		{"", "1, 2", "int64", "1|2"},
		{"", "1, 2.5", "numeric", "1|2.5"},
		{"", "'a', 1", "text", `"a"|"1"`},
		{"nonsense", "0.25", "float64", "0.25"},
	} {
		values := strings.ReplaceAll("(nullif(0, 0)), ("+strings.ReplaceAll(c.values, ", ", "), (")+")", "(nullif(0, 0)), ", "")
		w := newWorld(t, fmt.Sprintf("create table t (v %s); insert into t values %s", c.declared, values))
		out := w.mustSync("t", "", "")
		if got := strings.Join(out.rows, "|"); got != c.rows || out.kinds() != c.kind {
			t.Errorf("%s: %s\n got %s %s\nwant %s %s", c.declared, c.values, out.kinds(), got, c.kind, c.rows)
		}
	}
}

// Each position, resumed from, gives the rows that were not covered and, if it
// is exact, no other.
func TestEveryPositionGoesOn(t *testing.T) {
	const series = "with recursive n(i) as (select 0 union all select i + 1 from n where i < 34999) "
	w := newWorld(t, `create table a (id integer primary key, k int, v text); create table b (k datetime, v text);
		create table c (x text collate nocase, y int, k real, primary key (x, y)) without rowid;`+
		series+`insert into a select i * 3, i / 7, hex(i) from n;`+
		series+`insert into b select datetime(1700000000 + i / 9, 'unixepoch'), hex(i) from n;`+
		series+`insert into c select char(97 + i % 26), i, i / 4.0 from n`)
	for _, c := range []struct{ stream, key string }{{"a", ""}, {"a", "k"}, {"b", ""}, {"b", "k"}, {"c", ""}, {"c", "k"}} {
		whole := w.mustSync(c.stream, c.key, "")
		if len(whole.rows) != 35000 || len(whole.positions) < 3 || !whole.ended {
			t.Fatalf("%v: %d rows, %d positions", c, len(whole.rows), len(whole.positions))
		}
		for i, p := range whole.positions {
			if last := i == len(whole.positions)-1; last && c.key == "" {
				if string(p.Value) != `{"initial_full_table_complete":true}` {
					t.Errorf("%v: a whole read ends at %s", c, p.Value)
				}
				continue
			} else if !last && !p.Exact {
				t.Errorf("%v: %s is not exact", c, p.Value)
			}
			rest := w.mustSync(c.stream, c.key, string(p.Value)).rows
			want := whole.rows[p.Rows:]
			if p.Exact && !slices.Equal(rest, want) || len(rest) < len(want) {
				t.Errorf("%v: from %s there are %d rows, not %d", c, p.Value, len(rest), len(want))
			}
		}
	}
	var rowid string
	for _, p := range w.mustSync("b", "", "").positions[:1] {
		rowid = string(p.Value)
	}
	w.exec("delete from b where rowid % 2; vacuum")
	if got := w.mustSync("b", "", rowid); len(got.rows) != 17500 {
		t.Errorf("after VACUUM, which hands out new rowids, %d rows are read", len(got.rows))
	}
}

func TestBookmarksOfOtherSpellings(t *testing.T) {
	w := newWorld(t, `create table t (k timestamp, v int); insert into t values (null, 0), ('2024-01-01 10:00:00', 1), ('2024-01-01T12:00:00', 2),
		('2024-01-01 23:00:00', 3), ('2024-01-02 01:00:00+05:00', 4), ('2024-01-03', 5)`)
	for bookmark, want := range map[string]string{
		"":                     "0 1 2 3 4 5",
		"2024-01-01T12:00:00Z": "2 3 4 5", // none of whose spelling is there
		"2024-01-01 12:00:00":  "2 3 4 5",
		"2024-01-02":           "4 5", // not before it as text
		"2024-01-03T00:00:01":  "",
		"soon":                 "",
	} {
		mark := ""
		if bookmark != "" {
			mark = fmt.Sprintf(`{"replication_key":"k","replication_key_value":%q}`, bookmark)
		}
		out := w.mustSync("t", "k", mark)
		var got []string
		for _, r := range out.rows {
			_, v, _ := strings.Cut(r, " ")
			got = append(got, v)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("from %q: %s, want %s", bookmark, got, want)
		}
		if mark != "" && want == "" && string(out.last().Value) != mark {
			t.Errorf("a run without rows moves the bookmark to %s", out.last().Value)
		}
	}
	if _, err := w.sync("t", "k", `{"replication_key":"k","replication_key_value":{"a":1}}`); err == nil {
		t.Error("an object is taken for a position")
	}
	w.exec(`create table victim (x); create table h ("a""; drop table victim; --" text); insert into h values ('~')`)
	for _, value := range []string{`'; drop table victim; --`, "\x00", "a\x00'", `"`, strings.Repeat("'", 999)} {
		raw, _ := json.Marshal(map[string]string{"replication_key": `a"; drop table victim; --`, "replication_key_value": value})
		if out := w.mustSync("h", `a"; drop table victim; --`, string(raw)); len(out.rows) != 1 {
			t.Errorf("%q: %d rows", value, len(out.rows))
		}
	}
	w.mustSync("victim", "", "")
}

func TestWindow(t *testing.T) {
	w := newWorld(t, `create table t (k text, v int); insert into t values (null, 0), ('2023-12-31 23:59:59.999', 1), ('2024-01-01', 2), ('2024-01-31T23:59:59.999Z', 3),
		('2024-02-01T00:00:00', 4), ('2024-02-01T03:00:00+05:00', 5), ('2023-12-31T20:00:00-05:00', 6); create table n (k int); insert into n values (1); create table m (k datetime); insert into m values (1)`)
	w.more["start_date"], w.more["end_date"] = "2024-01-01", "2024-02-01T00:00:00Z"
	var got []string
	for _, r := range w.mustSync("t", "k", "").rows {
		got = append(got, r[strings.LastIndexByte(r, ' ')+1:])
	}
	if slices.Sort(got); strings.Join(got, " ") != "2 3 5 6" {
		t.Errorf("the window holds %s", got)
	}
	for _, stream := range []string{"n", "m"} {
		if _, err := w.sync(stream, "k", ""); err == nil || !strings.Contains(err.Error(), "cannot window") {
			t.Errorf("%s: a window over numbers: %v", stream, err)
		}
	}
	w.exec("insert into t values ('2024-01-15 soon', 9)")
	if _, err := w.sync("t", "k", ""); err == nil || !strings.Contains(err.Error(), "no date") {
		t.Errorf("a key that is no date: %v", err)
	}
}

func TestWhatIsLoadedMeanwhileIsNotSeen(t *testing.T) {
	w := newWorld(t, "pragma journal_mode = wal; create table a (id integer primary key); create table b (id integer primary key); insert into a values (1); insert into b values (1)")
	out := &writing{do: func() { w.exec("insert into b values (2)") }}
	if err := sqlite.New().Sync(context.Background(), w.config(), nil, singer.Bookmarks{}, out); err != nil {
		t.Fatal(err)
	}
	if len(out.rows) != 2 {
		t.Errorf("rows %q: b is not as of the moment in which a was read", out.rows)
	}
}

// writing does something at the first batch.
type writing struct {
	transcript
	do func()
}

func (o *writing) Position(p taps.Position) error {
	if o.do != nil {
		o.do()
		o.do = nil
	}
	return o.transcript.Position(p)
}

func TestTroubleIsExplained(t *testing.T) {
	w := newWorld(t, "create table t (id int); create view broken as select * from gone")
	if c := w.discover(); len(c.Streams) != 1 {
		t.Errorf("%d streams, the broken view should be left out", len(c.Streams))
	}
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	locked := newWorld(t, "create table t (id int)")
	for name, c := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"absent":     {map[string]any{"database": filepath.Join(t.TempDir(), "no.db")}, "path"},
		"a folder":   {map[string]any{"database": t.TempDir()}, "path"},
		"no db":      {map[string]any{"database": text}, "shape"},
		"no attach":  {map[string]any{"database": locked.path, "attach": map[string]any{"x": "no.db"}}, "path"},
		"bad attach": {map[string]any{"database": locked.path, "attach": map[string]any{"main": locked.path}}, "settings"},
		"no date":    {map[string]any{"database": locked.path, "start_date": "soon"}, "settings"},
		"backwards":  {map[string]any{"database": locked.path, "start_date": "2024-02-01", "end_date": "2024-01-01"}, "settings"},
	} {
		raw, _ := json.Marshal(c.settings)
		config := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(config, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if err := taps.Serve(t.Context(), sqlite.New(), []string{"--config", config, "--check"}, taps.IO{Out: &out, Err: &errs}, nil); err == nil {
			t.Errorf("%s: the check passes: %s", name, &out)
		}
		if !strings.Contains(out.String(), `"kind":"`+c.want+`"`) {
			t.Errorf("%s: want kind %s: %s%s", name, c.want, &out, &errs)
		}
		if err := taps.Serve(t.Context(), sqlite.New(), []string{"--config", config}, taps.IO{Out: &out, Err: &errs}, nil); err == nil || fault.CodeOf(err) == 0 {
			t.Errorf("%s: the run says %v", name, err)
		}
	}
	for _, c := range []struct{ stream, key, want string }{{"t", "idd", `did you mean "id"`}} {
		if _, err := w.sync(c.stream, c.key, ""); err == nil || !strings.Contains(fault.Render(err), c.want) {
			t.Errorf("%v: %v", c, err)
		}
	}
	catalog := w.discover()
	catalog.Streams[0].SetMeta("selected", true)
	w.exec("drop table t")
	if err := sqlite.New().Sync(context.Background(), w.config(), catalog, singer.Bookmarks{}, &transcript{}); err == nil || !strings.Contains(err.Error(), `stream "t": there is no such table`) {
		t.Errorf("a table that is gone: %v", err)
	}
}

func TestRowsBiggerThanTheBuffer(t *testing.T) {
	w := newWorld(t, "create table t (id integer primary key, v blob); insert into t values (1, zeroblob(10)), (2, zeroblob(5000000)), (3, zeroblob(0)), (4, zeroblob(300000))")
	var sizes []int
	for _, r := range w.mustSync("t", "", "").rows {
		sizes = append(sizes, len(r))
	}
	if len(sizes) != 4 || sizes[1] < 6_600_000 || sizes[3] < 400_000 || sizes[2] != 4 {
		t.Errorf("%v", sizes)
	}
}
