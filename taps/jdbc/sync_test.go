package jdbc_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"elt/internal/singer"
	"elt/taps/jdbc"
	"elt/taps/taptest"
)

func TestSuite(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, `create table orders (id bigint primary key, placed timestamp with time zone, total decimal(12,2), note varchar(100), doc varbinary(10));;
		insert into orders values (1, timestamp '2024-01-02 03:04:05.678901+02:00', 12.50, 'a', x'00ff'), (2, null, null, null, null);;
		create table lines (order_id bigint, line int, changed timestamp, primary key (order_id, line));;
		insert into lines (select n, mod(n, 7), timestamp '2024-01-01 00:00:00' + (n / 100) second from unnest(sequence_array(1, 20000, 1)) as t(n));;
		create view totals as select mod(order_id, 10) as digit, count(*) as lines from lines group by mod(order_id, 10);; create table empty (id int primary key);; create schema "Other Things";;
		create table "Other Things"."odd ""name""" ("a b" int primary key, "ä?" varchar(5));; insert into "Other Things"."odd ""name""" values (1, 'x')`)
	rows := map[string]int{"PUBLIC-ORDERS": 2, "PUBLIC-LINES": 20000, "PUBLIC-TOTALS": 10, "PUBLIC-EMPTY": 0, `Other Things-odd "name"`: 1}
	taptest.Run(t, jdbc.New(), d.settings(t, nil), taptest.Expect{Rows: rows, Resumed: rows})
	streams := []map[string]any{
		{"name": "lines", "table": "LINES", "schema": "PUBLIC", "key_properties": []string{"order_id", "LINE"}, "replication_key": "changed"},
		{"name": "few", "query": "select order_id as id, 1.5 as factor from lines where order_id <= 3 -- the first\n;", "key_properties": []string{"ID"}},
	}
	t.Run("own streams in pages", func(t *testing.T) {
		taptest.Run(t, jdbc.New(), d.settings(t, map[string]any{"streams": streams, "page_size": 3000, "parallelism": 2}),
			taptest.Expect{Rows: map[string]int{"lines": 20000, "few": 3}, Resumed: map[string]int{"lines": 1, "few": 3}})
	})
}

// databases are those that the tests of INCREMENTAL run on.
func databases(t *testing.T, test func(t *testing.T, d database)) {
	for name, open := range map[string]func(testing.TB) database{"hsqldb": func(t testing.TB) database { return hsqldb(t) },
		"postgresql": func(t testing.TB) database { return postgresql(t) }, "mariadb": func(t testing.TB) database { return mariadb(t) }} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// eventRows is 400 rows in random order of their ids, of which each 50 share a
// date, and three have none.
func eventRows() string {
	var b strings.Builder
	b.WriteString("create table events (id bigint, part varchar(5), day date, changed timestamp(6) null, n decimal(20,3), primary key (id, part))")
	for i := range 400 {
		id := (i*7919)%400 + 1
		fmt.Fprintf(&b, ";; insert into events values (%d, 'p%d', '2024-01-%02d', '2024-01-%02d 00:00:00.%06d', %d.125)", id, id%3, i/50+1, i/50+1, i/50*111, i/50)
	}
	b.WriteString(";; insert into events values (901, 'x', null, null, null), (902, 'x', null, null, null), (903, 'x', null, null, null)")
	return b.String()
}

// stream is the one that a test reads, whatever the database calls it.
func (d database) stream(t *testing.T, cfg map[string]any) (c *singer.Catalog, id string, upper func(string) string) {
	t.Helper()
	upper = strings.ToLower
	if d.driver == "hsqldb" {
		upper = strings.ToUpper
	}
	c = discover(t, cfg)
	if len(c.Streams) != 1 {
		t.Fatalf("%d streams", len(c.Streams))
	}
	return c, c.Streams[0].ID(), upper
}

// by makes the one stream of c INCREMENTAL.
func by(c *singer.Catalog, key string) *singer.Catalog {
	c.Streams[0].SetMeta("replication-method", "INCREMENTAL")
	c.Streams[0].SetMeta("replication-key", key)
	return c
}

// TestIncremental: by every kind of key, whole and in pages, with parameters
// and literals; the second run reads only what is new and what stands at the
// bookmark.
func TestIncremental(t *testing.T) {
	databases(t, func(t *testing.T, d database) {
		d.exec(t, eventRows())
		base := d.settings(t, map[string]any{"tables": []string{"events"}})
		c, id, upper := d.stream(t, base)
		states := map[string]string{}
		// Every start of Java costs half a second: only one key is read in all ways.
		few := func(key string) []map[string]any {
			ways := []map[string]any{{}, {"page_size": 7}, {"page_size": 50, "literals": true}, {"page_size": 64, "limit_clause": "none"}}
			if key == "changed" {
				return ways
			}
			return ways[:2]
		}
		for _, key := range []string{"day", "changed", "n"} {
			for i, more := range few(key) {
				cfg := maps.Clone(base)
				maps.Copy(cfg, more)
				out := mustSync(t, cfg, by(c, upper(key)), "").streams[id]
				checkAll(t, fmt.Sprintf("%s %v", key, more), out, upper("id"), 403)
				states[key+strconv.Itoa(i)] = out.state()
				if i > 0 && out.state() != states[key+"0"] {
					t.Errorf("%s %v: bookmark %s, want %s", key, more, out.state(), states[key+"0"])
				}
			}
		}
		for key, want := range map[string]string{"day": `"2024-01-08"`, "changed": `"2024-01-08T00:00:00.000777"`, "n": "7.125"} {
			if !strings.Contains(states[key+"0"], `"replication_key_value":`+want+"}") {
				t.Errorf("%s: bookmark %s", key, states[key+"0"])
			}
		}
		d.exec(t, "insert into events values (1001, 'a', '2024-01-08', '2024-01-08 00:00:00.000777', 7.125), (1002, 'a', '2024-01-09', '2024-01-09 12:00:00', 8), (1003, 'a', null, null, null)")
		for _, key := range []string{"day", "changed", "n"} {
			for _, more := range few(key)[:2] {
				cfg := maps.Clone(base)
				maps.Copy(cfg, more)
				out := mustSync(t, cfg, by(c, upper(key)), states[key+"0"]).streams[id]
				checkAll(t, fmt.Sprintf("second %s %v", key, more), out, upper("id"), 52)
				if !slices.Contains(out.column(upper("id")), "1001") || !slices.Contains(out.column(upper("id")), "1002") {
					t.Errorf("second %s %v: a new row is missing", key, more)
				}
			}
		}
	})
}

func checkAll(t *testing.T, what string, out *recorded, id string, want int) {
	t.Helper()
	ids := out.column(id)
	slices.Sort(ids)
	if unique := len(slices.Compact(slices.Clone(ids))); len(ids) != want || unique != want || !out.ended {
		t.Errorf("%s: %d rows, %d of them different, want %d; ended %v", what, len(ids), unique, want, out.ended)
	}
}

// TestWindow: half open, and the regular bookmark is no reason to skip.
func TestWindow(t *testing.T) {
	databases(t, func(t *testing.T, d database) {
		d.exec(t, eventRows())
		base := d.settings(t, map[string]any{"tables": []string{"events"}})
		c, id, upper := d.stream(t, base)
		for _, key := range []string{"day", "changed"} {
			for _, page := range []int{0, 30} {
				cfg := maps.Clone(base)
				cfg["start_date"], cfg["end_date"], cfg["page_size"] = "2024-01-02T00:00:00Z", "2024-01-05T00:00:00Z", page
				out := mustSync(t, cfg, by(c, upper(key)), "").streams[id]
				checkAll(t, key, out, upper("id"), 150)
				cfg["start_date"], cfg["end_date"] = "2024-01-04T00:00:00Z", "2024-01-06T00:00:00Z"
				out = mustSync(t, cfg, by(c, upper(key)), out.state()).streams[id]
				checkAll(t, key+" after a bookmark", out, upper("id"), 100)
			}
		}
		cfg := maps.Clone(base)
		cfg["end_date"] = "2024-01-05"
		if err := sync1(t, cfg, by(c, upper("id")), "", newRecorder()); err == nil || !strings.Contains(err.Error(), "cannot be compared with a date") {
			t.Errorf("a window over numbers: %v", err)
		}
	})
}

func TestLookback(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, eventRows())
	cfg := d.settings(t, map[string]any{"lookback_seconds": 86400})
	state := `{"bookmarks":{"PUBLIC-EVENTS":{"replication_key":"DAY","replication_key_value":"2024-01-08"}}}`
	out := mustSync(t, cfg, catalog(t, cfg, "PUBLIC-EVENTS=DAY"), state).streams["PUBLIC-EVENTS"]
	checkAll(t, "look-back", out, "ID", 100)
	// Nothing is there at the bookmark any more: it stays, it does not go back.
	state = strings.Replace(state, "2024-01-08", "2024-01-09", 1)
	out = mustSync(t, cfg, catalog(t, cfg, "PUBLIC-EVENTS=DAY"), state).streams["PUBLIC-EVENTS"]
	checkAll(t, "look-back", out, "ID", 50)
	if out.state() != state {
		t.Errorf("the bookmark went to %s", out.state())
	}
}

var errBroken = errors.New("broken off")

// TestBrokenOff: the reader fails at every batch once; going on from the last
// position, every row has come, and none twice.
func TestBrokenOff(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, "create table t (id bigint primary key, at_ timestamp, filler varchar(80));; insert into t (select n, timestamp '2024-01-01 00:00:00' + (n / 3) second, repeat('x', 60) from unnest(sequence_array(1, 50000, 1)) as u(n))")
	for _, page := range []int{0, 9000} {
		cfg := d.settings(t, map[string]any{"page_size": page})
		c := catalog(t, cfg, "PUBLIC-T=AT_")
		seen, state := map[string]int{}, ""
		for run := 1; ; run++ {
			out := newRecorder()
			writes := 0
			out.onWrite = func(string, int) error {
				if writes++; writes > 4*run {
					return errBroken
				}
				return nil
			}
			err := sync1(t, cfg, c, state, out)
			s := out.streams["PUBLIC-T"]
			// What no position covers is given up.
			covered := int64(len(s.rows))
			if err != nil {
				if !errors.Is(err, errBroken) {
					t.Fatal(err)
				}
				covered = 0
				if n := len(s.positions); n > 0 {
					covered = s.positions[n-1].Rows
					if !s.positions[n-1].Exact {
						t.Error("a position in the middle is not exact")
					}
				}
			}
			for _, id := range s.column("ID")[:covered] {
				seen[id]++
			}
			if err == nil {
				break
			}
			if covered > 0 {
				state = s.state()
			}
		}
		twice := 0
		for _, n := range seen {
			twice += n - 1
		}
		if len(seen) != 50000 || twice > 0 {
			t.Errorf("page_size %d: %d rows came, %d twice", page, len(seen), twice)
		}
	}
}

// TestWarnings: an unknown type is said once, and its text taken.
func TestWarnings(t *testing.T) {
	d := postgresql(t)
	d.exec(t, "create table p (id int primary key, at_ point, to_ point);; insert into p values (1, '(1,2)', null)")
	out := mustSync(t, d.settings(t, nil), nil, "")
	if n := strings.Count(out.log.String(), "not known here"); n != 1 || out.streams["public-p"].rows[0][1] != "(1,2)" {
		t.Errorf("%d warnings, rows %v\n%s", n, out.streams["public-p"].rows, out.log.String())
	}
}

// TestSelection: of a query with deselected columns only the others come.
func TestSelection(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, "create table t (id int primary key, a varchar(5), b varchar(5));; insert into t values (1, 'x', 'y')")
	cfg := d.settings(t, map[string]any{"streams": []map[string]any{{"name": "s", "query": "select id, a, b as \"b b\" from t -- all", "key_properties": []string{"ID"}}}})
	c := catalog(t, cfg)
	c.Streams[0].SetMeta("selected", false, "A")
	out := mustSync(t, cfg, c, "").streams["s"]
	if len(out.rows) != 1 || !slices.Equal(out.rows[0], []string{"1", "y"}) {
		t.Errorf("%v", out.rows)
	}
}
