package postgres

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"elt/internal/row"
	"elt/targets"
)

func TestEvolve(t *testing.T) {
	d := newDB(t)
	d.load(nil, orders, []any{1, "a"})
	var changes []targets.Change
	s := d.sink(nil)
	s.(targets.ChangeReporter).OnChange(func(c targets.Change) { changes = append(changes, c) })
	l := d.lane(s)
	wider := schema("orders", "id", "id numeric", "name text", "extra timestamptz")
	ld := d.stream(l, wider)
	d.write(ld, batch(wider, []any{"12345678901234567890", "b", nil}))
	d.end(l, ld)
	d.want("select * from raw.orders order by id", "1|a|∅\n12345678901234567890|b|∅")
	if got := fmt.Sprint(changes); got != `[{orders add extra column "extra" timestamp with time zone is new} {orders widen id bigint -> numeric}]` && got != `[{orders widen id bigint -> numeric} {orders add extra column "extra" timestamp with time zone is new}]` {
		t.Error(got)
	}
}

func TestAViewBlocksWidening(t *testing.T) {
	d := newDB(t)
	narrow := schema("t", "id", "id int64", "v int64")
	wide := schema("t", "id", "id int64", "v text")
	d.load(nil, narrow, []any{1, 1})
	d.exec("create view raw.w as select v from raw.t")
	for range 2 { // the second time the versioned column is there already
		d.load(nil, wide, []any{2, "x"})
		d.want("select * from raw.t order by id", "1|1|∅\n2|∅|x")
	}
}

func TestPolicies(t *testing.T) {
	wide := schema("orders", "id", "id int64", "name text", "more text")
	other := schema("orders", "id", "id text", "name text")
	for policy, want := range map[string][2]string{
		"add":    {"", "does not fit"},
		"freeze": {"", "does not fit"},
		"fail":   {`stream "orders": column "more" is not in the table, and on_schema_change does not allow that`, `stream "orders": column "id" is bigint in the table and would have to become text, and on_schema_change does not allow that`},
	} {
		t.Run(policy, func(t *testing.T) {
			d := newDB(t)
			d.load(nil, orders, []any{1, "a"})
			for i, s := range []*row.Schema{wide, other} {
				l := d.lane(d.sink(map[string]any{"on_schema_change": policy}))
				ld, err := l.Stream(context.Background(), s)
				if want[i] == "" || err != nil && strings.Contains(err.Error(), want[i]) {
					l.Close()
					continue
				}
				if err == nil {
					err = ld.Write(context.Background(), batch(s, []any{"x", "b"}))
				}
				if err == nil || !strings.Contains(err.Error(), want[i]) {
					t.Errorf("%d: %v", i, err)
				}
			}
			d.want("select * from raw.orders", "1|a")
		})
	}
}

func TestOthersTables(t *testing.T) {
	d := newDB(t)
	d.exec(`create schema raw;
		create type raw.mood as enum ('ok', 'sad');
		create table raw.people (id int, ip inet, mood raw.mood, name varchar(5), doc json, twice int generated always as (id * 2) stored)`)
	people := schema("people", "id", "id int64", "ip text", "mood text", "name text", "doc json", "twice int64")
	people.Columns[0].Wire = row.WireInt4
	for _, name := range []string{"short", "longer"} {
		d.load(nil, people, []any{"1", "10.0.0.1", "ok", name, `{"a":1}`, 5}, []any{"2", nil, "sad", nil, nil, nil})
		d.want("select * from raw.people order by id", "1|10.0.0.1|ok|"+name+`|{"a":1}|2`+"\n2|∅|sad|∅|∅|4")
	}
	d.want("select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'raw.people'::regclass and attname = 'name'", "text")
	keyless := schema("people", "", "ip text")
	d.load(nil, keyless, []any{"10.0.0.2"})
	d.want("select ip from raw.people where id is null", "10.0.0.2")
}

// JSON of a tap becomes what an existing column holds: arrays of any
// dimension, hstore, composites; the types' own text goes in as it is.
func TestJSONIntoOthersTypes(t *testing.T) {
	d := newDB(t)
	d.exec(`create schema ext; create extension hstore schema ext; create schema raw; create type raw.pair as (a int, b text);
		create table raw.odd (id int primary key, ints int[], words text[], raws bytea[], h ext.hstore, p raw.pair, n numeric(10,2)[]);
		create extension citext schema ext; create table raw.same (id int primary key, c ext.citext, b box)`)
	odd := schema("odd", "id", "id int64", "ints json", "words json", "raws json", "h json", "p json", "n json")
	odd.Columns[0].Wire = row.WireInt4
	for range 2 { // into the empty table, and merged with what is there
		d.load(nil, odd,
			[]any{1, `[1,null]`, `["a]b","x,\"y",null]`, `["AP8=",null]`, `{"a":"1","b":null,"c d":"{}"}`, `{"a":7,"b":"x\"y"}`, `[1.10,"NaN"]`},
			[]any{2, `[[1,2],[3,null]]`, `[]`, `[]`, `{}`, `{}`, `[[1.5],[2]]`},
			[]any{3, nil, nil, nil, nil, nil, nil})
		d.want("select * from raw.odd order by id", `1|{1,NULL}|{a]b,"x,\"y",NULL}|{"\\x00ff",NULL}|"a"=>"1", "b"=>NULL, "c d"=>"{}"|(7,"x""y")|{1.10,NaN}`+
			"\n2|{{1,2},{3,NULL}}|{}|{}||(,)|{{1.50},{2.00}}\n3|∅|∅|∅|∅|∅|∅")
	}
	same := schema("same", "id", "id int64", "c text", "b text")
	same.Columns[0].Wire = row.WireInt4
	d.load(nil, same, []any{1, "abc", "(1,1),(0,0)"})
	d.load(nil, same, []any{1, "ABC", "(2,2),(1,1)"}) // equal for their types
	d.want("select c, b from raw.same", "ABC|(2,2),(1,1)")
	texts := schema("odd", "id", "id int64", "ints text", "h text", "p text")
	texts.Columns[0].Wire = row.WireInt4
	d.load(nil, texts, []any{1, "{5}", "k=>v", "(1,z)"})
	d.want("select ints, h, p from raw.odd where id = 1", `{5}|"k"=>"v"|(1,z)`)
}

func TestRekey(t *testing.T) {
	d := newDB(t)
	d.load(nil, orders, []any{1, "a"}, []any{2, "b"})
	both := schema("orders", "id name", "id int64", "name text")
	d.load(nil, both, []any{1, "x"}, []any{1, "a"})
	d.want("select * from raw.orders order by id, name", "1|a\n1|x\n2|b")
	d.load(nil, orders, []any{2, "z"}) // ids are no longer unique: merged without a constraint
	d.want("select * from raw.orders order by id, name", "1|a\n1|x\n2|z")
}

func TestNames(t *testing.T) {
	d := newDB(t)
	long := strings.Repeat("ü", 40)
	odd := schema("public-Odd Näme", "ID", "ID int64", "id int64", "select text", `q"uote text`, "😀 text", " text", long+"1 text", long+"2 text", "ctid text")
	odd.Columns[5].Name = ""
	d.load(nil, odd, []any{1, 2, "s", "q", "e", "empty", "l1", "l2", "c"})
	d.want(`select "ID", id, "select", "q""uote", "😀" from raw."Odd Näme"`, "1|2|s|q|e")
	d.load(nil, odd, []any{1, 3, "s", "q", "e", "empty", "l1", "l2", "c"})
	d.want(`select count(*), max(id) from raw."Odd Näme"`, "1|3")

	lower := map[string]any{"dialect": "pipelinewise", "default_target_schema": "Low"}
	d.load(lower, schema("a-B-C-d", "ID", "ID int64", "Name text", "name text"), []any{1, "upper", "lower"})
	d.want(`select id, name from low.c_d`, "1|lower")
	d.want(`select count(*) from information_schema.columns where table_schema = 'low' and table_name = 'c_d' and column_name like 'name\_%'`, "1")

	d.load(nil, schema("a-users", "", "x int64"), []any{1})
	for range 2 {
		d.load(nil, schema("b-users", "", "x int64"), []any{2})
	}
	d.want("select x from raw.users", "1")
}

// A stream whose table's name is another stream's already is told where it goes.
func TestNameOfAnotherStreamIsTold(t *testing.T) {
	d := newDB(t)
	var log bytes.Buffer
	ctx := zerolog.New(&log).WithContext(context.Background())
	users := func(of string) { // one load
		l := d.lane(d.sink(nil))
		s := schema(of+"-users", "", "x int64")
		ld, err := l.Stream(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		d.write(ld, batch(s, []any{1}))
		d.end(l, ld)
	}
	users("a")
	if users("a"); log.Len() > 0 {
		t.Errorf("nothing was wrong: %s", log.String())
	}
	users("b")
	if users("b"); strings.Count(log.String(), "\n") != 1 || !strings.Contains(strings.ReplaceAll(log.String(), `\"`, "'"), "streams 'a-users' and 'b-users' both come to table 'raw'.'users': 'b-users' is loaded into 'raw'.'b-users_") {
		t.Errorf("said %s", log.String())
	}
}

func TestSchemas(t *testing.T) {
	d := newDB(t)
	one := schema("src-users", "", "id int64")
	d.load(map[string]any{"default_target_schema": nil}, one, []any{1})
	d.want("select id from melty.users", "1")
	d.load(map[string]any{"default_target_schema": ""}, one, []any{2})
	d.want("select id from src.users", "2")
	_, err := open(map[string]any{"sqlalchemy_url": d.url, "dialect": "pipelinewise"})
	if err == nil || err.Error() != "target-postgres: neither default_target_schema nor schema_mapping is set" {
		t.Errorf("%v", err)
	}
	_, err = d.lane(d.sink(map[string]any{"primary_key_required": true})).Stream(context.Background(), one)
	if err == nil || !strings.Contains(err.Error(), "it has no key, and primary_key_required is set") {
		t.Errorf("%v", err)
	}
}

func TestTheKeyChangesBeforeTheTableIsPublished(t *testing.T) {
	d := newDB(t)
	l := d.lane(d.sink(nil))
	ld := d.stream(l, orders)
	d.write(ld, batch(orders, []any{1, "a"}))
	byName := schema("orders", "name", "id int64", "name text")
	d.write(ld, batch(byName, []any{nil, "b"}, []any{2, "a"}))
	d.end(l, ld)
	d.want("select id, name from raw.orders order by name", "2|a\n∅|b")
	d.want("select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'raw.orders'::regclass", "PRIMARY KEY (name)")
}

func TestPipelinewiseMapping(t *testing.T) {
	d := newDB(t)
	set := map[string]any{"dialect": "pipelinewise", "default_target_schema": "", "add_record_metadata": nil, "hard_delete": true,
		"schema_mapping": map[string]any{"public": map[string]any{"target_schema": "mapped"}}}
	d.load(set, schema("public-users", "id", "id int64"), []any{1})
	d.want("select column_name from information_schema.columns where table_schema = 'mapped' order by ordinal_position", "id\n_sdc_batched_at\n_sdc_deleted_at\n_sdc_extracted_at")
}
