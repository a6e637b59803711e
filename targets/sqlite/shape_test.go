package sqlite

import (
	"context"
	"strings"
	"testing"

	"elt/targets"
)

func TestEvolve(t *testing.T) {
	f := newFile(t)
	f.load(nil, orders, []any{1, "a"})
	f.exec("create view seen as select id from orders; create index names on orders (name)")
	var changes []targets.Change
	s := f.sink(nil)
	s.(targets.ChangeReporter).OnChange(func(c targets.Change) { changes = append(changes, c) })
	l := f.lane(s)
	wider := schema("orders", "id", "id text", "name text", "extra timestamptz")
	ld := f.stream(l, wider)
	f.must(ld.Write(context.Background(), batch(wider, []any{"007", "b", nil}, []any{"1", "A", nil})))
	f.must(l.Commit(context.Background(), targets.Commit{}))
	f.want("select id, typeof(id), name, extra from orders order by id", "007|text|b|∅\n1|text|A|∅")
	f.want("select count(*) from seen", "2")
	f.want("select count(*) from sqlite_master where name = 'names'", "1")
	if len(changes) != 2 || changes[0].Kind != "widen" || changes[0].Detail != "INTEGER -> TEXT" || changes[1].Kind != "add" {
		t.Errorf("%+v", changes)
	}
}

func TestATableThatCannotBeRebuilt(t *testing.T) {
	f := newFile(t)
	f.exec("create table t (id int primary key, v int check (v > 0))")
	wide := schema("t", "id", "id int64", "v text")
	for range 2 {
		f.load(nil, wide, []any{2, "x"})
		f.want("select id, v, v__v2 from t", "2|∅|x")
	}
}

func TestPolicies(t *testing.T) {
	more := schema("orders", "id", "id int64", "name text", "more text")
	f := newFile(t)
	f.load(nil, orders, []any{1, "a"})
	f.load(map[string]any{"on_schema_change": "freeze"}, more, []any{2, "b", "left out"})
	f.want("select * from orders order by id", "1|a\n2|b")
	_, err := f.lane(f.sink(map[string]any{"on_schema_change": "fail"})).Stream(context.Background(), more)
	if err == nil || !strings.Contains(err.Error(), `column "more" is not in the table, and on_schema_change does not allow that`) {
		t.Error(err)
	}
}

func TestRekey(t *testing.T) {
	f := newFile(t)
	f.load(nil, orders, []any{1, "a"}, []any{2, "b"})
	f.load(nil, schema("orders", "id name", "id int64", "name text"), []any{1, "x"}, []any{1, "a"})
	f.want("select * from orders order by id, name", "1|a\n1|x\n2|b")
	f.load(nil, orders, []any{2, "z"})
	f.want("select * from orders order by id, name", "1|a\n1|x\n2|z")
}
