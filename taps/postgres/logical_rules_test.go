package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/postgres"
)

func TestLogBasedEmptiesATable(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key, n int); create table u (id int primary key); insert into t select n, n from generate_series(1, 100) n; insert into u values (1)")
	l.must()
	l.exec("insert into t values (101, 1); truncate t; insert into t values (5, 50)")
	l.exec("begin; insert into t values (6, 60); insert into u values (2); truncate t, u; insert into t values (7, 70); commit")
	l.must()
	l.same("t", "u")
	if !strings.Contains(string(l.out.marks["public-t"]), `"version":`) {
		t.Errorf("the bookmark %s has no version", l.out.marks["public-t"])
	}
	l.exec("insert into t values (8, 80)")
	l.must()
	l.same("t", "u")
}

func TestLogBasedFollowsTheShape(t *testing.T) {
	for _, when := range []string{"between the runs", "before the rest of the log"} {
		t.Run(when, func(t *testing.T) {
			l := newLogged(t)
			l.exec("create table t (id int primary key, n int4, gone text); insert into t values (1, 1, 'x'), (2, 2, 'y')")
			l.must()
			l.exec("insert into t values (3, 3, 'z'); alter table t add column late timestamptz default '2024-01-02 03:04:05.5+00'; insert into t values (4, 4, 'w', null)")
			if when == "between the runs" {
				l.must()
			}
			l.exec("alter table t alter n type numeric(20,3) using n + 0.5; update t set n = n; alter table t drop column gone; update t set late = now() where id = 2; insert into t values (5, 5.125, 'infinity')")
			l.must()
			l.same("t")
			if got := l.out.tables["public-t"]; got.schemas < 3 {
				t.Errorf("%d schemas were announced", got.schemas)
			}
		})
	}
}

func TestLogBasedTypes(t *testing.T) {
	for _, plugin := range []string{"pgoutput", "wal2json"} {
		t.Run(plugin, func(t *testing.T) {
			l := newLogged(t)
			l.exec(`create extension if not exists hstore; create extension if not exists citext;
				create type mood as enum ('sad', 'so so'); create type pair as (a int, b text, c timestamptz); create domain price as numeric(10,2); create type nest as (p pair, l int[]);
				create table t (id int primary key, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12,3), p price, tx text, vc varchar(20), ch char(6), ci citext, by bytea,
					d date, ti time, tz timetz, ts timestamp, tt timestamptz, iv interval, u uuid, j json, jb jsonb, m money, o oid, ip inet, cd cidr, ma macaddr, bi bit(3), b1 bit(1), vb varbit,
					md mood, pr pair, ne nest, hs hstore, r int4range, mr tstzmultirange, pt point, bx box[], tsv tsvector, x xml,
					ai int[], an numeric[], at text[], ab bool[], ats timestamptz[], aj jsonb[], ay bytea[], aip inet[], ad date[], apr pair[], am mood[], aiv interval[], a2 int[][], ap price[], ao oid[])`)
			l.plugin(plugin)
			l.must()
			values := []string{
				`(%d, true, -32768, 9223372036854775807, 0.1, 1e-300, '-0.00010', 12345.678, 9.99, E'a\nb"c\\', 'vc', 'ch', 'CiTeXt', '\x00ff10',
					'2024-02-29', '23:59:59.999999', '12:00:00+02', '2024-01-02 03:04:05.678901', '2024-01-02 03:04:05+00', '1 year 2 mons -3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '{"b":[1,null]}', -1234.56, 4294967295, '10.1.2.3/8', '10/8', '08:00:2b:01:02:03', '101', '1', '10101',
					'so so', '(1,"x ""y"", z",2024-01-02 03:04:05.5+00)', '("(2,,)","{1,NULL}")', 'a=>1, "b c"=>NULL, "q\"q"=>"v\\v"', '[1,5)', '{[2024-01-01,2024-02-01)}', '(1.5,2)', '{(1,1),(0,0);(2,2),(0,0)}', 'a:1 b', '<a>b</a>',
					'{1,NULL,3}', '{1.50,NaN}', E'{"a,b","c\\"d",NULL,"NULL",""}', '{t,f}', '{2024-01-02 03:04:05.5+00,infinity}', '{"{\"k\": 1}"}', '{"\\x00ff"}', '{10.0.0.1}', '{2024-01-02}', '{"(1,a,)","(,,)"}', '{sad,"so so"}', '{"1 day"}', '{{1,2},{3,4}}', '{1.10}', '{7}')`,
				`(%d, false, 0, -9223372036854775808, '-Infinity', 'NaN', 'Infinity', 0, 0, '', '', '', '', '',
					'0044-03-15 BC', '00:00', '00:00+00', 'infinity', '0044-03-15 12:00:00 BC', '0', '00000000-0000-0000-0000-000000000000', 'null', 'null', 0, 0, '::1', '::/0', '00:00:00:00:00:00', '000', '0', '',
					'sad', '(,,)', '(,)', '', 'empty', '{}', '(0,0)', '{}', '', '<a/>', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '[0:0]={5}')`,
				`(%d)`,
			}
			for id, v := range values {
				l.exec("insert into t values " + fmt.Sprintf(v, id))
			}
			l.exec("update t set tx = coalesce(tx, 'null') || '!'")
			l.must()
			if plugin == "wal2json" { // it has no NaN and no infinity
				l.exec("update t set f4 = null, f8 = null, n = null, an = null where id = 1; update t set f4 = 0.1 where id = 0")
				l.must()
				l.exec("select 1")
			}
			l.same("t")
		})
	}
}

// plugin makes the slot beforehand, with an output plugin.
func (l *logged) plugin(name string) {
	l.t.Helper()
	if name == "pgoutput" {
		return
	}
	if dir := os.Getenv("ELT_TEST_WAL2JSON"); dir != "" {
		l.exec(fmt.Sprintf("alter database %q set dynamic_library_path = '$libdir:%s'", l.conn.Config().Database, dir))
	}
	conn, err := pgx.ConnectConfig(context.Background(), l.conn.Config())
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "select pg_create_logical_replication_slot($1, $2)", l.slot(), name); err != nil {
		l.t.Skipf("the server has no output plugin %s: %v (install postgresql-15-wal2json, or name its folder in ELT_TEST_WAL2JSON)", name, err)
	}
}

func TestLogBasedByWAL2JSON(t *testing.T) {
	l := newLogged(t)
	l.exec(`create table t (id int primary key, name text, "od d" text); alter table t alter column name set storage external; create table "a.b, c*" (id int primary key, by bytea); insert into t values (1, repeat('x', 4000), 'ü"\')`)
	l.plugin("wal2json")
	l.must()
	l.exec(`update t set "od d" = E'tab\t\x01 ☃ 🐘'; insert into t values (2, 'b', null); delete from t where id = 2; update t set id = 9 where id = 1; insert into "a.b, c*" values (1, '\x00ff'); alter table t add column n int; insert into t values (3, '', '', 5); truncate "a.b, c*"; insert into "a.b, c*" values (2, '\x01')`)
	l.must()
	l.same("t", "a.b, c*")
}

func TestLogBasedWithFullIdentity(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key, name text, n int); alter table t alter column name set storage external; alter table t replica identity full; insert into t select n, repeat('x', 4000), 0 from generate_series(1, 9) n")
	l.exec("create table events (what text, n int); alter table events replica identity full")
	l.must()
	l.exec("update t set n = 1; update t set id = 20 where id = 2; delete from t where id = 3; insert into events values ('a', 1); update events set n = 2; delete from events")
	l.must()
	l.same("t")
	if m := l.out.tables["public-t"]; m.updates != 0 {
		t.Errorf("%d rows lack values that the log has", m.updates)
	}
	var seen []string
	for _, r := range l.out.tables["public-events"].appended {
		seen = append(seen, r["what"]+r["n"]+fmt.Sprint(r["_sdc_deleted_at"] != null))
	}
	if strings.Join(seen, " ") != "a1false a2false a2true" {
		t.Errorf("of a table without a key came %v", seen)
	}
}

func TestLogBasedManyTables(t *testing.T) {
	l := newLogged(t)
	var names []string
	for n := range 12 {
		names = append(names, fmt.Sprintf("t%d", n))
		l.exec(fmt.Sprintf("create table t%d (id int primary key, pad text)", n))
	}
	l.must()
	l.exec("do $$ begin for i in 1..400 loop for n in 0..11 loop execute format('insert into t%s values (%s, repeat(''x'', 200))', n, i); end loop; end loop; end $$")
	for n := range 12 {
		l.exec(fmt.Sprintf("update t%d set pad = 'y' where id %% 2 = 0; delete from t%d where id %% 5 = 0", n, n))
	}
	l.must()
	l.same(names...)
}

func TestLogBasedPartitions(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int, d date, primary key (id, d)) partition by range (d); create table t1 partition of t for values from ('2024-01-01') to ('2024-02-01'); create table t2 partition of t for values from ('2024-02-01') to ('2024-03-01')")
	c := func() *singer.Catalog {
		c := l.discover()
		s := c.Stream("public-t")
		s.SetMeta("selected", true)
		s.SetMeta("replication-method", "LOG_BASED")
		return c
	}
	l.exec("insert into t values (1, '2024-01-05'), (2, '2024-02-05')")
	for _, change := range []string{"select 1", "update t set d = '2024-02-06' where id = 1; insert into t values (3, '2024-01-07'); delete from t where id = 2"} {
		l.exec(change)
		if err := l.sync(c()); err != nil {
			t.Fatal(err)
		}
		l.same("t")
	}
}

// What the destination has is what the server may forget, and nothing more.
func TestLogBasedConfirms(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key)")
	confirmed := func() string {
		return l.one("select confirmed_flush_lsn::text from pg_replication_slots where slot_name = $1", l.slot())
	}
	l.must()
	start := confirmed()
	l.exec("insert into t select generate_series(1, 10)")
	l.must()
	if confirmed() != start {
		t.Error("without an acknowledgement the slot has moved")
	}
	l.exec("insert into t values (11)")
	l.must() // begins with what the run before has acknowledged
	if confirmed() == start {
		t.Error("the slot has not moved to what the run began with")
	}
	l.out.acks = make(chan taps.Position, 1000)
	l.exec("insert into t values (12)")
	l.must()
	if behind := l.one("select (pg_current_wal_lsn() - confirmed_flush_lsn)::text from pg_replication_slots where slot_name = $1", l.slot()); len(behind) > 4 {
		t.Errorf("with acknowledgements the slot is %s bytes behind", behind)
	}
	l.same("t")
	at := confirmed()
	l.exec("insert into t select generate_series(13, 1000)")
	l.out.breakAt = 1
	if err := l.run(); err == nil {
		t.Fatal("the destination broke, and the run says nothing")
	}
	if now := l.one("select ($1::pg_lsn - confirmed_flush_lsn)::text from pg_replication_slots where slot_name = $2", at, l.slot()); strings.HasPrefix(now, "-") {
		t.Errorf("the slot has moved by %s beyond what the destination has", now)
	}
	l.out.breakAt = 0
	l.must()
	l.same("t")
}

// Rows that are appended are covered by positions at the ends of transactions.
func TestLogBasedTransactionsAreWhole(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (n int, pad text); alter table t replica identity full")
	l.must()
	for n := range 4 {
		l.exec(fmt.Sprintf("insert into t select %d, repeat('x', 500) from generate_series(1, 3000)", n))
	}
	l.out.breakAt = 7000
	if err := l.run(); err == nil {
		t.Fatal("the destination broke, and the run says nothing")
	}
	if got := len(l.out.tables["public-t"].appended); got%3000 != 0 {
		t.Errorf("%d rows are covered, which is no whole number of transactions", got)
	}
	l.out.breakAt, l.out.rows = 0, 0
	l.must()
	if got := len(l.out.tables["public-t"].appended); got != 12000 {
		t.Errorf("%d rows after the next run", got)
	}
}

func TestLogBasedEnds(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key); create table other (id int primary key)")
	l.must()
	l.exec("insert into t values (1)")
	l.must(`{"break_at_end_lsn": false, "replication_idle_exit_seconds": 1}`)
	l.exec("insert into t values (2)")
	l.must(`{"break_at_end_lsn": false, "replication_max_run_seconds": 1}`)
	l.exec("insert into t values (3)")
	l.exec("drop table other")
	l.must(`{"dialect": "transferwise", "break_at_end_lsn": false, "logical_poll_total_seconds": 1}`)
	l.must() // on a busy machine a second may have been too short for a row
	l.same("t")
	l.exec("set synchronous_commit = off; insert into t values (4)") // the log may end within a record
	l.must()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel)
	c := l.discover()
	c.Streams[0].SetMeta("selected", true)
	c.Streams[0].SetMeta("replication-method", "LOG_BASED")
	err := postgres.New().Sync(ctx, l.config(`{"break_at_end_lsn": false}`), c, singer.NewBookmarks([]byte(l.out.state())), l.out)
	if err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("a run that was stopped: %v", err)
	}
	l.must()
	l.same("t")
}

func TestLogBasedRefusals(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key); create table nokey (a int); create table other (id int primary key, code text not null unique); create unlogged table fleeting (id int primary key); create view v as select * from t")
	db := l.conn.Config().Database
	refused := func(want string, more ...string) {
		t.Helper()
		err := l.run(more...)
		if err == nil {
			t.Errorf("no error, wanted %s", want)
			return
		}
		text := fault.Render(err)
		for _, w := range strings.Split(want, "|") {
			if !strings.Contains(text, w) {
				t.Errorf("%s\ndoes not hold %q", text, w)
			}
		}
	}
	only := func(id string) *singer.Catalog {
		c := l.discover()
		for _, s := range c.Streams {
			s.SetMeta("selected", s.ID() == id)
			s.SetMeta("replication-method", "LOG_BASED")
		}
		return c
	}
	refused(`"public"."v" is a view|FULL_TABLE`)
	l.exec("drop view v")
	refused(`"public"."nokey" has no primary key|"public"."fleeting" is unlogged|FULL_TABLE`)
	l.exec("drop table nokey, fleeting; alter table other replica identity using index other_code_key")
	refused(`stream "public-other"|lacks the stream's key property "id"|replica identity full`)
	l.exec("drop table other")
	l.must() // the good ones were read all the same
	refused("custom_where_clauses cannot filter the log", `{"stream_options": {"public-t": {"custom_where_clauses": ["id > 1"]}}}`)

	l.exec("create role plain login; grant usage on schema public to plain; grant select on all tables in schema public to plain")
	t.Cleanup(func() { l.conn.Exec(context.Background(), "drop owned by plain; drop role plain") })
	l.exec("insert into t values (1)")
	refused("plain|replication", `{"user": "plain"}`)

	l.exec("select pg_create_physical_replication_slot('elt_physical_" + db + "')")
	t.Cleanup(func() { l.conn.Exec(context.Background(), "select pg_drop_replication_slot('elt_physical_"+db+"')") })
	refused("is a physical one", `{"replication_slot_name": "elt_physical_`+db+`"}`)
	other := newLogged(t)
	other.exec("create table t (id int primary key)")
	other.must()
	refused("belongs to database", `{"replication_slot_name": "`+other.slot()+`"}`)
	l.exec("select pg_create_logical_replication_slot('elt_plain_" + db + "', 'test_decoding')")
	refused("has the output plugin \"test_decoding\"", `{"replication_slot_name": "elt_plain_`+db+`"}`)

	l.must()
	l.exec("alter publication " + l.slot() + " drop table t")
	refused("lacks \"public\".\"t\"|--full-refresh --select public-t")
	l.exec("alter publication " + l.slot() + " add table t; alter publication " + l.slot() + " set (publish = 'insert')")
	refused("does not publish all of insert")
	l.exec("alter publication " + l.slot() + " set (publish = 'insert, update, delete, truncate'); alter publication " + l.slot() + " set table t where (id > 5)")
	refused("publishes only some rows")
	l.exec("alter publication " + l.slot() + " set table t")
	l.must()

	// another consumer moves the slot on
	l.exec("insert into t values (7)")
	l.exec("select pg_replication_slot_advance('" + l.slot() + "', pg_current_wal_lsn())")
	refused("has moved on to|beyond the bookmark|replication_slot_name")
	l.exec("select pg_drop_replication_slot('" + l.slot() + "')")
	refused("is gone|--full-refresh")
	if err := postgres.New().Sync(context.Background(), l.config(), only("public-t"), singer.Bookmarks{}, l.out); err != nil { // a full refresh
		t.Fatal(err)
	}
	l.exec("insert into t values (8)")
	l.must()
	l.same("t")
}

func TestLogBasedWaitsForItsSlot(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key)")
	l.must()
	holder, err := pgx.Connect(context.Background(), strings.Replace(l.conn.Config().ConnString(), "?", "?replication=database&", 1))
	if err != nil {
		t.Fatal(err)
	}
	pid, held := holder.PgConn().PID(), make(chan struct{})
	go func() {
		defer close(held)
		holder.PgConn().Exec(context.Background(), fmt.Sprintf(`START_REPLICATION SLOT %q LOGICAL 0/0 (proto_version '1', publication_names '%s')`, l.slot(), l.slot())).ReadAll()
		holder.Close(context.Background())
	}()
	for l.one("select active::text from pg_replication_slots where slot_name = $1", l.slot()) != "true" {
		time.Sleep(10 * time.Millisecond)
	}
	if err := l.run(`{"connect_retry_seconds": 1}`); err == nil || !strings.Contains(fault.Render(err), "is active for PID") {
		t.Errorf("a slot in use: %v", err)
	}
	ran := make(chan error, 1)
	go func() { ran <- l.run() }()
	l.exec("select pg_sleep(0.5), pg_terminate_backend($1)", pid) // the run is waiting by then, or finds the slot free
	if err := <-ran; err != nil {
		t.Error(err)
	}
	<-held
}

// A destination that takes longer than the server waits for a word does not
// cost the connection.
func TestLogBasedOutlastsASlowDestination(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key, pad text)")
	l.must()
	l.exec(fmt.Sprintf("alter database %q set wal_sender_timeout = '3s'", l.conn.Config().Database))
	l.exec("insert into t select n, repeat('x', 1000) from generate_series(1, 20000) n")
	l.out.hold = 7 * time.Second
	l.must()
	l.same("t")
}

// What a first reading that broke off has brought stays, and what happened
// meanwhile comes from the log.
func TestLogBasedGoesOnWithItsFirstReading(t *testing.T) {
	l := newLogged(t)
	bigTable(l.world, "t", 30000)
	l.out.breakAt = 20000
	if err := l.run(); err == nil {
		t.Fatal("the destination broke, and the run says nothing")
	}
	if mark := string(l.out.marks["public-t"]); !strings.Contains(mark, `"elt_partial"`) || !strings.Contains(mark, `"lsn"`) {
		t.Fatalf("the bookmark is %s", mark)
	}
	had := len(l.out.tables["public-t"].rows)
	l.exec("delete from t where id % 3 = 0; update t set v = 1 where id % 5 = 0; update t set id = id + 100000 where id % 7 = 0")
	l.out.breakAt, l.out.rows = 0, 0
	l.must()
	if l.out.rows >= 30000-had+12000 {
		t.Errorf("%d rows came again, of 30000 there were %d", l.out.rows, had)
	}
	l.must()
	l.same("t")
}

func TestLogBasedLooksWithoutASlot(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key); insert into t values (1)")
	l.cfg["default_replication_method"] = "LOG_BASED"
	raw, _ := json.Marshal(l.cfg)
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if err := taps.Serve(context.Background(), postgres.New(), []string{"--config", file, "--test"}, taps.IO{Out: &out, Err: &errs}, nil); err != nil || !strings.Contains(out.String(), `"id":1`) {
		t.Errorf("%v\n%s%s", err, &out, &errs)
	}
	if n := l.one("select count(*)::text from pg_replication_slots where slot_name = $1", l.slot()); n != "0" {
		t.Error("a look has made a slot")
	}
}

func TestLogBasedTellsBookmarksOfOtherTaps(t *testing.T) {
	l := newLogged(t)
	l.exec("create table t (id int primary key)")
	l.must(`{"dialect": "transferwise"}`)
	l.exec("insert into t values (1)")
	var at uint64
	if err := l.conn.QueryRow(context.Background(), "select (confirmed_flush_lsn - '0/0')::int8 from pg_replication_slots where slot_name = $1", l.slot()).Scan(&at); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dialect, mark, rows string }{
		{`{"dialect": "transferwise"}`, fmt.Sprintf(`{"last_replication_method":"LOG_BASED","lsn":%d,"version":1600000000000,"xmin":null}`, at), "log"},
		{`{"dialect": "transferwise"}`, fmt.Sprintf(`{"last_replication_method":"LOG_BASED","lsn":%d,"version":1600000000000,"xmin":"735"}`, at), "whole"},
		{`{}`, fmt.Sprintf(`{"replication_key":"_sdc_lsn","replication_key_value":%d}`, at), "log"},
		{`{}`, `{"replication_key":"id","replication_key_value":1}`, "whole"},
	} {
		l.out = newMirror(t)
		l.out.marks["public-t"] = []byte(c.mark)
		l.must(c.dialect)
		got := "log"
		if r := l.out.tables["public-t"].rows["1"]; r == nil {
			t.Errorf("%s: the row is missing", c.mark)
		} else if l.out.tables["public-t"].whole {
			got = "whole"
		}
		if got != c.rows {
			t.Errorf("%s: read %s", c.mark, got)
		}
	}
}
