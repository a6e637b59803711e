package postgres

import (
	"context"
	"encoding/json"
	"testing"

	"elt/internal/pgtest"
	"elt/targets"
)

// What a stream asks of the server is counted, since on a quick network and a
// slow one alike it is what many small streams take.
func TestRoundTrips(t *testing.T) {
	d := newDB(t)
	traffic, through := pgtest.Count(t, d.url)
	s := d.sink(map[string]any{"sqlalchemy_url": through, "add_record_metadata": true})
	last := traffic.Trips()
	took := func(what string, want int) {
		t.Helper()
		now := traffic.Trips()
		if now-last != want {
			t.Errorf("%s took %d round trips, not %d", what, now-last, want)
		}
		last = now
	}
	d.claim(s)
	took("the first claim of all", 6) // it makes schema and table
	d.claim(s)
	took("a claim", 2)
	l := d.lane(s)
	stream := func(rows ...[]any) {
		ld := d.stream(l, orders)
		if rows != nil {
			d.write(ld, batch(orders, rows...))
		}
		if err := ld.End(context.Background()); err != nil {
			t.Fatal(err)
		}
		d.commit(l, targets.Commit{Streams: map[string]json.RawMessage{"orders": json.RawMessage(`{}`)}})
	}
	stream()
	took("an empty stream, its table new", 2)
	stream()
	took("an empty stream", 2)
	stream([]any{1, "a"}, []any{2, "b"})
	took("rows for a table that is there", 4)
	d.exec("drop table raw.orders")
	stream([]any{1, "a"}, []any{2, "b"})
	took("rows for a table that is gone", 4) // as far as the sink knows it is there
	if n := traffic.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	d.want("select count(*), count(_sdc_received_at), (select count(*) from raw._elt_state where part = 'stream') from raw.orders", "2|2|1")
}

func TestRoundTripsOfASmallNewTable(t *testing.T) {
	d := newDB(t)
	traffic, through := pgtest.Count(t, d.url)
	s := d.sink(map[string]any{"sqlalchemy_url": through})
	d.claim(s)
	l := d.lane(s)
	last := traffic.Trips()
	ld := d.stream(l, orders)
	d.write(ld, batch(orders, []any{1, "a"}, []any{2, "b"}))
	d.end(l, ld)
	if n := traffic.Trips() - last; n != 3 {
		t.Errorf("%d round trips, not 3", n)
	}
	d.want("select * from raw.orders order by id", "1|a\n2|b")
}

// A table that somebody makes while the stream is on its way is kept: the
// rows are merged into it.
func TestATableThatSomebodyMakesMeanwhile(t *testing.T) {
	for name, rows := range map[string][][]any{"empty": nil, "rows": {{1, "a"}, {2, "b"}}} {
		t.Run(name, func(t *testing.T) {
			d := newDB(t)
			s := d.sink(map[string]any{"add_record_metadata": true})
			d.claim(s)
			l := d.lane(s)
			ld := d.stream(l, orders)
			if rows != nil {
				d.write(ld, batch(orders, rows...))
			}
			d.exec("create table raw.orders (id bigint primary key, name text, note text default 'theirs'); insert into raw.orders values (2, 'x'), (3, 'c')")
			d.end(l, ld)
			if rows == nil {
				d.want("select id, name, note, _sdc_received_at from raw.orders order by id", "2|x|theirs|∅\n3|c|theirs|∅")
			} else {
				d.want("select id, name, note, _sdc_received_at is null from raw.orders order by id", "1|a|theirs|f\n2|b|theirs|f\n3|c|theirs|t")
			}
			d.want("select relname from pg_class where relname like '%elt_new%'", "")
		})
	}
}

// Of rows that share a key the last one stays, in a table that is made when
// all of them are there, too.
func TestLastOfAKeyWinsInASmallTable(t *testing.T) {
	d := newDB(t)
	d.load(map[string]any{"add_record_metadata": true}, orders, []any{1, "a"}, []any{2, "b"}, []any{1, "c"})
	d.want("select id, name, _sdc_received_at is null from raw.orders order by id", "1|c|f\n2|b|f")
	d.want("select conname from pg_constraint where conrelid = 'raw.orders'::regclass and contype = 'p'", "orders_pkey")
}

// A name that is taken for the key does not matter.
func TestTheKeysNameIsTaken(t *testing.T) {
	d := newDB(t)
	d.exec("create schema raw; create sequence raw.orders_pkey")
	d.load(nil, orders, []any{1, "a"})
	d.want("select * from raw.orders", "1|a")
	d.load(nil, orders, []any{1, "b"})
	d.want("select * from raw.orders", "1|b")
}
