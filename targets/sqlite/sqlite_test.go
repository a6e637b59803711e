package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"elt/internal/row"
	"elt/internal/sqltarget/sqltest"
	"elt/targets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type unset = sqltest.Unset

var schema, batch = sqltest.Schema, sqltest.Batch

// file is a database file of a test.
type file struct {
	t    *testing.T
	path string
}

func newFile(t *testing.T) *file { return &file{t, filepath.Join(t.TempDir(), "a b?%#.db")} }

func (f *file) rows(sql string) string {
	f.t.Helper()
	s, err := open(context.Background(), f.path, 1)
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.conn.Close()
	found, err := s.query(context.Background(), sql)
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	var lines []string
	for _, r := range found {
		cells := make([]string, len(r))
		for i, v := range r {
			if cells[i] = text(v); v == nil {
				cells[i] = "∅"
			}
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

func (f *file) exec(sql string) {
	f.t.Helper()
	s, err := open(context.Background(), f.path, 1)
	if err == nil {
		err = s.exec(context.Background(), sql)
		s.conn.Close()
	}
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

func (f *file) want(sql, want string) {
	f.t.Helper()
	if got := f.rows(sql); got != want {
		f.t.Errorf("%s:\ngot\n%s\nwant\n%s", sql, got, want)
	}
}

func (f *file) open(more map[string]any) (targets.Sink, error) {
	cfg := map[string]any{"database": f.path, "busy_timeout": 5}
	maps.Copy(cfg, more)
	raw, _ := json.Marshal(cfg)
	resolved, _, err := New().Spec().Resolve(raw)
	if err != nil {
		return nil, err
	}
	return New().Open(context.Background(), resolved)
}

func (f *file) sink(more map[string]any) targets.Sink {
	f.t.Helper()
	s, err := f.open(more)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.Abort() })
	return s
}

func (f *file) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *file) lane(s targets.Sink) targets.Lane {
	f.t.Helper()
	l, err := s.Lane(context.Background())
	f.must(err)
	return l
}

func (f *file) stream(l targets.Lane, s *row.Schema) targets.Loader {
	f.t.Helper()
	ld, err := l.Stream(context.Background(), s)
	f.must(err)
	return ld
}

func (f *file) claim(s targets.Sink) (got targets.Fence) {
	f.t.Helper()
	f.must(s.Claim(context.Background(), "test", func(found targets.Fence) (targets.Fence, error) {
		got = found
		found.Epoch++
		return found, nil
	}))
	return got
}

// load runs a whole stream through a sink of its own.
func (f *file) load(more map[string]any, s *row.Schema, rows ...[]any) {
	f.t.Helper()
	sink := f.sink(more)
	l := f.lane(sink)
	ld := f.stream(l, s)
	f.must(ld.Write(context.Background(), batch(s, rows...)))
	f.must(ld.End(context.Background()))
	f.must(l.Commit(context.Background(), targets.Commit{}))
	f.must(l.Close())
	f.must(sink.Abort())
}

func at(position string) targets.Commit { return targets.Commit{Whole: json.RawMessage(position)} }

var orders = schema("orders", "id", "id int64", "name text")

func TestFreshTableIsPublishedAtEnd(t *testing.T) {
	f := newFile(t)
	s := f.sink(nil)
	f.claim(s)
	l := f.lane(s)
	ld := f.stream(l, orders)
	f.must(ld.Write(context.Background(), batch(orders, []any{1, "a"}, []any{2, "b"}, []any{1, "A"})))
	f.must(l.Commit(context.Background(), at(`{"v":2}`)))
	f.want("select count(*) from sqlite_master where name = 'orders'", "0")
	f.must(l.Close())
	f.must(s.Abort())

	s = f.sink(nil) // the run died; the next goes on with the unpublished table
	if found := f.claim(s); string(found.Bookmarks.Raw()) != `{"v":2}` || found.Epoch != 1 || found.Seq != 1 {
		t.Errorf("%+v", found)
	}
	l = f.lane(s)
	ld = f.stream(l, orders)
	f.must(ld.Write(context.Background(), batch(orders, []any{3, "c"})))
	f.must(ld.End(context.Background()))
	f.must(l.Commit(context.Background(), at(`{"v":3}`)))
	f.want("select id, name from orders order by id", "1|A\n2|b\n3|c")
	f.want("select name from sqlite_master where type = 'table' order by name", "_elt_state\n_elt_streams\norders")
}

func TestUnclaimedFreshTableIsPublishedWithItsPosition(t *testing.T) {
	f := newFile(t)
	l := f.lane(f.sink(nil))
	ld := f.stream(l, orders)
	f.must(ld.Write(context.Background(), batch(orders, []any{1, "a"})))
	f.must(l.Commit(context.Background(), at(`{"v":2}`)))
	f.want("select * from orders", "1|a")
	f.must(ld.Write(context.Background(), batch(orders, []any{1, "b"})))
	f.must(l.Commit(context.Background(), at(`{"v":3}`)))
	f.want("select * from orders", "1|b")
	f.want("select name from sqlite_master where type = 'table' order by name", "_elt_streams\norders")
}

func TestUpsertAndAppend(t *testing.T) {
	f := newFile(t)
	f.load(nil, orders, []any{1, "a"}, []any{2, "b"})
	f.load(nil, orders, []any{2, "B"}, []any{3, nil})
	f.want("select * from orders order by id", "1|a\n2|B\n3|∅")
	log := schema("log", "", "id int64")
	f.load(nil, log, []any{1})
	f.load(nil, log, []any{1})
	f.want("select count(*) from log", "2")
	f.load(map[string]any{"load_method": "append-only"}, schema("more", "id", "id int64"), []any{1}, []any{1})
	f.want("select count(*) from more", "2")
}

// After a run the file alone is the database: a copy of it is a whole backup.
func TestNothingStaysBesideTheFile(t *testing.T) {
	f := newFile(t)
	for range 2 { // into a fresh table, and into one that is there
		f.load(nil, orders, []any{1, "a"}, []any{2, "b"})
		f.load(map[string]any{"load_method": "append-only"}, schema("events", "", "n int64"), []any{1})
		left, err := filepath.Glob(filepath.Join(filepath.Dir(f.path), "*-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left beside the database: %v %v", left, err)
		}
	}
}

func TestUnchangedRowsAreNotRewritten(t *testing.T) {
	f := newFile(t)
	f.load(nil, orders, []any{1, "a"}, []any{2, "b"})
	f.exec("create table touched (id); create trigger watch after update on orders begin insert into touched values (new.id); end")
	f.load(nil, orders, []any{1, "a"}, []any{2, "B"})
	f.want("select id from touched", "2")
}

func TestTypes(t *testing.T) {
	f := newFile(t)
	all := schema("all", "i", "i int64", "b bool", "f float64", "n numeric", "t text", "y bytes", "d date", "tm time", "ts timestamp", "tz timestamptz", "u uuid", "j json")
	all.Columns = append(all.Columns, row.Column{Name: "n2", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 10, Scale: 2}, row.Column{Name: "x", Kind: row.TimestampTZ, Wire: row.WireTimestampExt})
	f.load(nil, all, []any{"9223372036854775807", "true", "1.5", "123456789012345678901234567890.10", "007", "\x01\xff", "2024-02-29", "12:34:56.789", "2024-01-01T00:00:00", "2024-01-01T00:00:00+02:00",
		"123e4567-e89b-12d3-a456-426614174000", `{"a": 1.10}`, "-12345678.25", "2024-01-01T00:00:00.123456789+05:30"})
	f.want(`select i, b, f, n, t, hex(y), cast(d as text), tm, cast(ts as text), cast(tz as text), u, j, n2, cast(x as text) from "all"`,
		"9223372036854775807|true|1.5|123456789012345678901234567890.10|007|01FF|2024-02-29|12:34:56.789000|2024-01-01T00:00:00|2023-12-31T22:00:00+00:00|123e4567-e89b-12d3-a456-426614174000|{\"a\": 1.10}|-1.234567825e+07|2024-01-01T00:00:00.123456789+05:30")
	f.want(`select typeof(i), typeof(b), typeof(f), typeof(n), typeof(t), typeof(y), typeof(n2), typeof(j) from "all"`, "integer|integer|real|text|text|blob|real|text")
}

func TestDecimalsAreTheNearestDouble(t *testing.T) {
	for _, v := range []string{"0", "1", "-1", "0.1", "0.01", "123456789012345", "12345678901.2345", "0.00000000000001", "999999999999999", "-0.30", "100000", "10000000000", "2.50"} {
		field, ok := row.AppendNumeric(nil, []byte(v))
		if !ok {
			t.Fatal(v)
		}
		got, ok := double(field)
		var want float64
		json.Unmarshal([]byte(v), &want)
		if !ok || got != want {
			t.Errorf("%s: %v, %v", v, got, ok)
		}
	}
}

func TestDeletesAndUnset(t *testing.T) {
	for _, hard := range []bool{false, true} {
		for _, others := range []bool{false, true} {
			t.Run(fmt.Sprintf("hard=%v without constraint=%v", hard, others), func(t *testing.T) {
				f := newFile(t)
				wide := schema("wide", "id", "id int64", "a text", "b text")
				set := map[string]any{"hard_delete": hard}
				if others {
					f.exec("create table wide (id int, a text, b text)")
				}
				f.load(set, wide, []any{1, "a1", "b1"}, []any{2, "a2", "b2"}, []any{3, "a3", "b3"})
				f.load(set, wide, []any{row.Delete, 1, nil, nil}, []any{row.Update, 2, "A2", unset{}}, []any{row.Update, 2, unset{}, "B2"},
					[]any{row.Insert, 4, "a4", unset{}}, []any{row.Delete, 3, nil, nil}, []any{row.Insert, 3, "again", nil}, []any{row.Delete, 9, nil, nil})
				if hard {
					f.want("select id, a, b from wide order by id", "2|A2|B2\n3|again|∅\n4|a4|∅")
					return
				}
				f.want("select id, a, b, _sdc_deleted_at is not null from wide order by id", "1|a1|b1|1\n2|A2|B2|0\n3|again|∅|0\n4|a4|∅|0\n9|∅|∅|1")
			})
		}
	}
}

func TestActivateVersion(t *testing.T) {
	for _, hard := range []bool{false, true} {
		f := newFile(t)
		set := map[string]any{"add_record_metadata": true, "hard_delete": hard}
		f.load(set, orders, []any{1, "none"})
		s := f.sink(set)
		l := f.lane(s)
		ld := f.stream(l, orders)
		for i, v := range []int64{1700000000123, 1700000001, 1700000001} {
			b := batch(orders, []any{i + 2, "x"})
			b.Version = v
			f.must(ld.Write(context.Background(), b))
		}
		f.must(ld.Activate(context.Background(), 1700000001))
		f.must(ld.End(context.Background()))
		f.must(l.Commit(context.Background(), targets.Commit{}))
		if hard {
			f.want("select id from orders order by id", "3\n4")
		} else {
			f.want("select id, _sdc_deleted_at is not null from orders order by id", "1|1\n2|1\n3|0\n4|0")
		}
	}
}

func TestOverwrite(t *testing.T) {
	f := newFile(t)
	over := map[string]any{"load_method": "overwrite"}
	f.load(over, orders, []any{1, "a"}, []any{2, "b"})
	f.exec("create view seen as select name from orders; create index names on orders (name)")
	s := f.sink(over)
	f.claim(s)
	l := f.lane(s)
	f.must(f.stream(l, orders).Write(context.Background(), batch(orders, []any{7, "lost"})))
	f.must(l.Commit(context.Background(), targets.Commit{}))
	f.must(l.Close())
	f.must(s.Abort())
	f.want("select * from orders", "1|a\n2|b")
	f.load(over, orders, []any{3, "c"}, []any{3, "d"})
	f.want("select * from orders", "3|d")
	f.want("select * from seen", "d")
	f.want("select count(*) from sqlite_master where type = 'index' and name = 'names'", "1")
}

func BenchmarkLoad(b *testing.B) {
	for name, key := range map[string]string{"plain": "", "keyed": "orderkey linenumber"} {
		b.Run(name, func(b *testing.B) {
			f := &file{nil, filepath.Join(b.TempDir(), "x.db")}
			sink, err := f.open(nil)
			if err != nil {
				b.Fatal(err)
			}
			defer sink.Abort()
			lane, _ := sink.Lane(context.Background())
			batch := sqltest.Lineitem(4000, key)
			ld, err := lane.Stream(context.Background(), batch.Schema)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			rows := 0
			for b.Loop() {
				if err := ld.Write(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				rows += batch.Len()
				sqltest.NextKeys(batch)
			}
			if err := lane.Commit(context.Background(), at(`{"v":1}`)); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func TestRowsAllocateNothing(t *testing.T) {
	f := newFile(t)
	ld := f.stream(f.lane(f.sink(map[string]any{"add_record_metadata": true})), sqltest.Lineitem(1, "").Schema)
	b := sqltest.Lineitem(2000, "")
	f.must(ld.Write(context.Background(), b)) // statements and memory are made here
	if n := testing.AllocsPerRun(5, func() { f.must(ld.Write(context.Background(), b)) }); n > 100 {
		t.Errorf("%v allocations for %d rows", n, b.Len())
	}
}
