package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"elt/internal/row"
	"elt/targets"
)

// many are rows of orders with ids from first on.
func many(first, n int, name string) *row.Batch {
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = []any{first + i, name}
	}
	return batch(orders, rows...)
}

// Without a claim a fresh table is published with its first position. What
// follows goes straight in, until a key comes again.
func TestRowsGoStraightIntoAFreshKeyedTable(t *testing.T) {
	d := newDB(t)
	d.exec("create schema raw")
	sink := d.sink(nil)
	l := d.lane(sink)
	ld := d.stream(l, orders)
	direct := func(want bool) {
		t.Helper()
		if got := ld.(*loader).direct; got != want {
			t.Errorf("rows go straight in: %v", got)
		}
	}
	d.write(ld, many(1, 100, "a"))
	direct(false)
	d.commit(l, at(`{"v":1}`))
	d.write(ld, many(101, 100, "b"))
	direct(true)
	if ld.(*loader).stage != nil {
		t.Error("there is a stage")
	}
	d.commit(l, at(`{"v":2}`))
	d.want("select count(*), max(id) from raw.orders", "200|200")

	d.write(ld, many(201, 50, "c"))
	d.write(ld, many(41, 20, "again"))
	d.write(ld, many(51, 5, "last"))
	d.write(ld, many(251, 50, "c"))
	d.commit(l, at(`{"v":3}`))
	direct(false)
	d.want("select count(*), max(id), count(*) filter (where name = 'again'), count(*) filter (where name = 'last') from raw.orders", "300|300|15|5")
	d.write(ld, many(1, 3, "end"))
	d.end(l, ld)
	d.want("select count(*), count(*) filter (where name = 'end') from raw.orders", "300|3")
}

// A row that is bad for another reason is named as ever.
func TestABadRowOnItsStraightWayIsNamed(t *testing.T) {
	d := newDB(t)
	sink := d.sink(nil)
	l := d.lane(sink)
	ld := d.stream(l, orders)
	d.write(ld, many(1, 10, "a"))
	d.commit(l, at(`{"v":1}`))
	d.exec("alter table raw.orders add check (name <> 'bad')")
	d.write(ld, many(11, 2, "fine"))
	d.write(ld, batch(orders, []any{13, "bad"}))
	err := l.Commit(context.Background(), at(`{"v":2}`))
	if err == nil || !strings.Contains(err.Error(), `stream "orders", row with key id=13`) {
		t.Error(err)
	}
}

// Once a merge has found most rows as they are, the next looks for changes
// before it locks anything; it takes the last of a key all the same.
func TestMostlyUnchangedRows(t *testing.T) {
	d := newDB(t)
	for _, meta := range []bool{false, true} {
		d.exec("drop schema if exists raw cascade")
		set := map[string]any{"add_record_metadata": meta}
		sink := d.sink(set)
		l := d.lane(sink)
		ld := d.stream(l, orders)
		d.write(ld, many(1, 4000, "a"))
		d.end(l, ld)
		l.Close()
		sink.Abort()

		sink = d.sink(set)
		l = d.lane(sink)
		ld = d.stream(l, orders)
		round := func(batches ...*row.Batch) {
			t.Helper()
			for _, b := range batches {
				d.write(ld, b)
			}
			d.commit(l, targets.Commit{})
		}
		steady := func(want bool) {
			t.Helper()
			if got := ld.(*loader).steady; got != want {
				t.Errorf("metadata %v: expects unchanged rows: %v", meta, got)
			}
		}
		round(many(1, 4000, "a"))
		steady(true)
		untouched := d.rows("select md5(string_agg(xmin::text || xmax || ctid, '' order by id)) from raw.orders where id <= 3900")
		round(many(1, 4000, "a"), many(3901, 50, "changed"), many(3911, 5, "a"), many(4001, 10, "new"))
		steady(true)
		d.want("select md5(string_agg(xmin::text || xmax || ctid, '' order by id)) from raw.orders where id <= 3900", untouched)
		d.want("select name, count(*) from raw.orders group by name order by name", "a|3955\nchanged|45\nnew|10")
		round(many(1, 4000, "b"))
		steady(false)
		round(many(1, 4000, "b"))
		d.want("select name, count(*) from raw.orders group by name order by name", fmt.Sprintf("b|%d\nnew|10", 4000))
	}
}
