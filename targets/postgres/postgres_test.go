package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"elt/internal/pgtest"
	"elt/internal/row"
	"elt/internal/sqltarget/sqltest"
	"elt/targets"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// db is a database of a test and what it finds there.
type db struct {
	t    *testing.T
	url  string
	conn *pgx.Conn
}

func newDB(t *testing.T) *db {
	t.Helper()
	d := &db{t: t, url: pgtest.URL(t)}
	conn, err := pgx.Connect(context.Background(), d.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	d.conn = conn
	return d
}

func (d *db) exec(sql string) {
	d.t.Helper()
	if _, err := d.conn.Exec(context.Background(), sql); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

// rows is a query's result as text: columns by "|", rows by newlines.
func (d *db) rows(sql string) string {
	d.t.Helper()
	results, err := d.conn.PgConn().Exec(context.Background(), sql).ReadAll()
	if err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	var lines []string
	for _, r := range results[0].Rows {
		cells := make([]string, len(r))
		for i, v := range r {
			if cells[i] = string(v); v == nil {
				cells[i] = "∅"
			}
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

func (d *db) want(sql, want string) {
	d.t.Helper()
	if got := d.rows(sql); got != want {
		d.t.Errorf("%s:\ngot\n%s\nwant\n%s", sql, got, want)
	}
}

// sink opens the target; settings are added to what a test always wants.
func (d *db) sink(more map[string]any) targets.Sink {
	d.t.Helper()
	cfg := map[string]any{"sqlalchemy_url": d.url, "default_target_schema": "raw", "add_record_metadata": false}
	maps.Copy(cfg, more)
	s, err := open(cfg)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { s.Abort() })
	return s
}

func open(cfg map[string]any) (targets.Sink, error) {
	raw, _ := json.Marshal(cfg)
	resolved, _, err := New().Spec().Resolve(raw)
	if err != nil {
		return nil, err
	}
	return New().Open(context.Background(), resolved)
}

func (d *db) lane(s targets.Sink) targets.Lane {
	d.t.Helper()
	l, err := s.Lane(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { l.Close() })
	return l
}

// claim claims state id "test" as a runner would that lost nothing.
func (d *db) claim(s targets.Sink) targets.Fence {
	d.t.Helper()
	var got targets.Fence
	err := s.Claim(context.Background(), "test", func(f targets.Fence) (targets.Fence, error) {
		got = f
		f.Epoch++
		f.Seq = 0
		return f, nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return got
}

func (d *db) stream(l targets.Lane, s *row.Schema) targets.Loader {
	d.t.Helper()
	ld, err := l.Stream(context.Background(), s)
	if err != nil {
		d.t.Fatal(err)
	}
	return ld
}

func (d *db) write(ld targets.Loader, b *row.Batch) {
	d.t.Helper()
	if err := ld.Write(context.Background(), b); err != nil {
		d.t.Fatal(err)
	}
}

func (d *db) commit(l targets.Lane, c targets.Commit) {
	d.t.Helper()
	if err := l.Commit(context.Background(), c); err != nil {
		d.t.Fatal(err)
	}
}

func (d *db) end(l targets.Lane, ld targets.Loader) {
	d.t.Helper()
	if err := ld.End(context.Background()); err != nil {
		d.t.Fatal(err)
	}
	d.commit(l, targets.Commit{})
}

// load runs a whole stream through a sink of its own.
func (d *db) load(more map[string]any, s *row.Schema, rows ...[]any) {
	d.t.Helper()
	sink := d.sink(more)
	l := d.lane(sink)
	ld := d.stream(l, s)
	d.write(ld, batch(s, rows...))
	d.end(l, ld)
	l.Close()
	sink.Abort()
}

func at(position string) targets.Commit { return targets.Commit{Whole: json.RawMessage(position)} }

type unset = sqltest.Unset

var schema, batch = sqltest.Schema, sqltest.Batch

var orders = schema("orders", "id", "id int64", "name text")

func TestFreshTableIsPublishedAtEnd(t *testing.T) {
	d := newDB(t)
	s := d.sink(nil)
	d.claim(s)
	l := d.lane(s)
	ld := d.stream(l, orders)
	d.write(ld, batch(orders, []any{1, "a"}, []any{2, "b"}))
	d.commit(l, at(`{"bookmarks":{"orders":{"v":2}}}`))
	d.want("select to_regclass('raw.orders') is null", "t")
	d.write(ld, batch(orders, []any{2, "B"}, []any{3, "c"}))
	d.end(l, ld)
	d.want("select id, name from raw.orders order by id", "1|a\n2|B\n3|c")
	d.want("select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = 'raw.orders'::regclass", "orders_pkey|PRIMARY KEY (id)")
	d.want("select attname from pg_attribute where attrelid = 'raw.orders'::regclass and attnum > 0 and not attisdropped order by attnum", "id\nname")
	d.want("select count(*) from pg_tables where schemaname = 'raw' and tablename not like '\\_elt%'", "1")
}

func TestUnclaimedFreshTableIsPublishedWithItsPosition(t *testing.T) {
	d := newDB(t)
	s := d.sink(nil)
	l := d.lane(s)
	ld := d.stream(l, orders)
	d.write(ld, batch(orders, []any{1, "a"}, []any{1, "b"}))
	d.commit(l, at(`{"v":2}`))
	d.want("select id, name from raw.orders", "1|b")
	d.write(ld, batch(orders, []any{1, "c"}, []any{2, "d"}))
	d.end(l, ld)
	d.want("select id, name from raw.orders order by id", "1|c\n2|d")
	d.want("select to_regclass('raw._elt_state') is null", "t")
}

func TestLastOfAKeyWins(t *testing.T) {
	d := newDB(t)
	d.load(nil, orders, []any{1, "a"}, []any{2, "b"}, []any{1, "c"})
	d.want("select id, name from raw.orders order by id", "1|c\n2|b")
	d.load(nil, orders, []any{3, "x"}, []any{1, "d"}, []any{3, "y"}, []any{1, "e"})
	d.want("select id, name from raw.orders order by id", "1|e\n2|b\n3|y")
}

func TestUnchangedRowsAreNotRewritten(t *testing.T) {
	d := newDB(t)
	meta := map[string]any{"add_record_metadata": true}
	d.load(meta, orders, []any{1, "a"}, []any{2, "b"})
	before := d.rows("select xmin, ctid from raw.orders where id = 1")
	d.load(meta, orders, []any{1, "a"}, []any{2, "B"})
	d.want("select xmin, ctid from raw.orders where id = 1", before)
	d.want("select name from raw.orders where id = 2", "B")
}

func TestAppend(t *testing.T) {
	d := newDB(t)
	plain := schema("log", "", "id int64", "name text")
	d.load(nil, plain, []any{1, "a"})
	d.load(nil, plain, []any{1, "a"})
	d.want("select count(*) from raw.log", "2")
	d.load(map[string]any{"load_method": "append-only"}, orders, []any{1, "a"}, []any{1, "a"})
	d.load(map[string]any{"load_method": "append-only"}, orders, []any{1, "a"})
	d.want("select count(*) from raw.orders", "3")
}

func TestTypes(t *testing.T) {
	d := newDB(t)
	all := schema("all", "i", "i int64", "b bool", "f float64", "n numeric", "t text", "y bytes", "d date", "tm time", "ts timestamp", "tz timestamptz", "u uuid", "j json")
	all.Columns = append(all.Columns, row.Column{Name: "i4", Kind: row.Int64, Wire: row.WireInt4}, row.Column{Name: "n2", Kind: row.Numeric, Wire: row.WireNumeric, Precision: 10, Scale: 2},
		row.Column{Name: "x", Kind: row.TimestampTZ, Wire: row.WireTimestampExt})
	values := []any{"9223372036854775807", "true", "1.5", "123456789012345678901234567890.123456789", "Zoë'", "\x01\xff", "2024-02-29", "12:34:56.789", "2024-01-01T00:00:00", "2024-01-01T00:00:00+02:00",
		"123e4567-e89b-12d3-a456-426614174000", `{"a": "x\u0000y", "b": "\\u0000"}`, "7", "1.10", "2024-01-01T00:00:00.123456789+05:30"}
	want := `9223372036854775807|t|1.5|123456789012345678901234567890.123456789|Zoë'|\x01ff|2024-02-29|12:34:56.789|2024-01-01 00:00:00|2023-12-31 22:00:00+00|123e4567-e89b-12d3-a456-426614174000|{"a": "x` + "\ufffd" + `y", "b": "\\u0000"}|7|1.10|2023-12-31 18:30:00.123456+00`
	d.load(nil, all, values)
	d.exec("set timezone to 'UTC'")
	d.want(`select * from raw."all"`, want)
	d.load(nil, all, values)
	d.want(`select * from raw."all"`, want)
	d.want(`select string_agg(format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute where attrelid = 'raw.all'::regclass and attnum > 0`,
		"bigint, boolean, double precision, numeric, text, bytea, date, time without time zone, timestamp without time zone, timestamp with time zone, uuid, jsonb, integer, numeric(10,2), timestamp with time zone")
}

func TestOverwrite(t *testing.T) {
	d := newDB(t)
	over := map[string]any{"load_method": "overwrite"}
	d.load(over, orders, []any{1, "a"}, []any{2, "b"})
	d.exec("create role reader_" + fmt.Sprint(os.Getpid()) + "; grant select on raw.orders to public")
	t.Cleanup(func() { d.conn.Exec(context.Background(), "drop role reader_"+fmt.Sprint(os.Getpid())) })

	// A run that dies leaves the old rows, whatever it had committed.
	s := d.sink(over)
	d.claim(s)
	l := d.lane(s)
	ld := d.stream(l, orders)
	d.write(ld, batch(orders, []any{7, "lost"}))
	d.commit(l, targets.Commit{})
	l.Close()
	s.Abort()
	d.want("select id, name from raw.orders order by id", "1|a\n2|b")

	d.load(over, orders, []any{3, "c"}, []any{3, "d"})
	d.want("select id, name from raw.orders", "3|d")
	d.want("select count(*) from aclexplode((select relacl from pg_class where oid = 'raw.orders'::regclass)) where grantee = 0", "1")
	d.want("select conname from pg_constraint where conrelid = 'raw.orders'::regclass", "orders_pkey")

	d.exec("create view raw.seen as select name from raw.orders")
	d.load(over, orders, []any{4, "e"})
	d.want("select * from raw.seen", "e")
	d.load(over, orders)
	d.want("select count(*) from raw.orders", "0")
}

func TestAnUnpublishedTableIsGoneOnWith(t *testing.T) {
	for _, resume := range []bool{true, false} {
		t.Run(fmt.Sprintf("resume=%v", resume), func(t *testing.T) {
			d := newDB(t)
			plain := schema("log", "", "id int64")
			s := d.sink(nil)
			d.claim(s)
			l := d.lane(s)
			ld := d.stream(l, plain)
			c, want := targets.Commit{}, ""
			if resume { // else the rows will come again
				want = `{"v":1}`
				c.Streams = map[string]json.RawMessage{"log": json.RawMessage(want)}
			}
			d.write(ld, batch(plain, []any{1}))
			d.commit(l, c)
			d.write(ld, batch(plain, []any{99}))
			l.Close()
			s.Abort()

			s = d.sink(nil)
			found := d.claim(s)
			if got := string(found.Bookmarks.Stream("log")); got != want {
				t.Errorf("bookmark %s", got)
			}
			l = d.lane(s)
			ld = d.stream(l, plain)
			d.write(ld, batch(plain, []any{2}))
			d.end(l, ld)
			if resume {
				d.want("select id from raw.log order by id", "1\n2")
			} else {
				d.want("select id from raw.log order by id", "2")
			}
		})
	}
}

func TestAFailingRowIsNamed(t *testing.T) {
	d := newDB(t)
	d.exec("create schema raw; create table raw.p (id bigint primary key, price numeric(4,2))")
	p := schema("p", "id", "id int64", "price text")
	set := map[string]any{"on_schema_change": "freeze"}
	l := d.lane(d.sink(set))
	ld := d.stream(l, p)
	d.write(ld, batch(p, []any{1, "1"}, []any{2, "98765"}))
	err := l.Commit(context.Background(), targets.Commit{})
	if err == nil || !strings.Contains(err.Error(), `stream "p", row with key id=2`) || strings.Contains(err.Error(), "98765") {
		t.Errorf("%v", err)
	}
	l = d.lane(d.sink(nil))
	ld = d.stream(l, orders)
	d.write(ld, batch(orders, []any{1, "a"}, []any{nil, "b"}))
	err = l.Commit(context.Background(), targets.Commit{})
	if err == nil || err.Error() != `stream "orders": key property "id" of a record is null` {
		t.Errorf("%v", err)
	}
}

func TestServerAway(t *testing.T) {
	began := time.Now()
	_, err := open(map[string]any{"host": "127.0.0.1", "port": 1, "user": "u", "password": "secret", "database": "d", "connect_retry_seconds": 1})
	if err == nil || !strings.HasPrefix(err.Error(), `cannot connect to PostgreSQL at 127.0.0.1:1, database "d" as "u"`) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if time.Since(began) < 500*time.Millisecond {
		t.Error("gave up at once")
	}
	d := newDB(t)
	_, err = open(map[string]any{"sqlalchemy_url": strings.Replace(d.url, "/elt_", "/none_", 1), "default_target_schema": "x"})
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("%v", err)
	}
}

func TestRowsAllocateNothing(t *testing.T) {
	for _, metadata := range []bool{false, true} {
		d := newDB(t)
		b := sqltest.Lineitem(2000, "")
		b.Extracted = make([]int64, b.Len())
		ld := d.stream(d.lane(d.sink(map[string]any{"add_record_metadata": metadata})), b.Schema)
		d.write(ld, b) // table and memory are made here
		if n := testing.AllocsPerRun(5, func() { d.write(ld, b) }); n > 200 {
			t.Errorf("metadata %v: %v allocations for %d rows", metadata, n, b.Len())
		}
	}
}
