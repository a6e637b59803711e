package postgres

import (
	"context"
	"strings"
	"testing"

	"elt/internal/row"
)

// A row that the table refuses when it is merged is named by stream, key and
// column, like one that COPY refuses, and no value but the key is shown.
func TestRefusedRowOfAMergeIsNamed(t *testing.T) {
	d := newDB(t)
	d.load(nil, orders, []any{1, "a"}, []any{2, "b"})
	rows := func(bad int, text string) [][]any {
		var all [][]any
		for i := range 50 {
			if i == bad {
				all = append(all, []any{i, text})
			} else {
				all = append(all, []any{i, "t" + strings.Repeat("x", i)})
			}
		}
		return all
	}
	for _, c := range []struct {
		name, table string
		rows        [][]any
		delete      bool // the last row is a deletion, which makes the stage another one
		says        string
	}{
		{"check", "alter table raw.orders add constraint c check (name not like 'secret%')", rows(37, "secret"), false, `row with key id=37: PostgreSQL refused the row: new row for relation "orders" violates check constraint "c"`},
		{"check, first row", "alter table raw.orders add constraint c check (name not like 'secret%')", rows(0, "secret"), false, `row with key id=0: `},
		{"check, last row", "alter table raw.orders add constraint c check (name not like 'secret%')", rows(49, "secret"), false, `row with key id=49: `},
		{"check, key twice", "alter table raw.orders add constraint c check (name not like 'secret%')", append(rows(5, "tt"), []any{5, "secret"}), false, `row with key id=5: `},
		{"check, with a deletion", "alter table raw.orders add constraint c check (name not like 'secret%')", rows(37, "secret"), true, `row with key id=37: `},
		{"unique", "create unique index c on raw.orders (name)", rows(41, "t"+strings.Repeat("x", 40)), false, `row with key id=41: PostgreSQL refused the row: duplicate key value violates unique constraint "c"`},
		{"not null", "alter table raw.orders alter name set not null", rows(12, ""), false, `row with key id=12, column "name": `},
		{"trigger", "create function raw.no() returns trigger language plpgsql as $$ begin if new.id = 20 then raise exception 'no: %', new.id; end if; return new; end $$; create trigger c before insert on raw.orders for each row execute function raw.no()",
			rows(20, "secret"), false, `row with key id=20: `},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.exec("drop table raw.orders")
			d.load(nil, orders, []any{100, "of before"}, []any{101, "b"})
			d.exec(c.table)
			l := d.lane(d.sink(nil))
			ld := d.stream(l, orders)
			if c.name == "not null" {
				c.rows[12][1] = nil
			}
			b := batch(orders, c.rows...)
			if c.delete {
				b.Ops = make([]row.Op, b.Len())
				b.Ops[b.Len()-1] = row.Delete
			}
			err := ld.Write(context.Background(), b)
			if err == nil {
				err = l.Commit(context.Background(), at(`{"v":1}`))
			}
			l.Close() // its transaction holds the table
			if err == nil || !strings.Contains(err.Error(), `stream "orders", `+c.says) || strings.Contains(err.Error(), "secret:") {
				t.Errorf("got %v, want …%s…", err, c.says)
			}
			d.want("select count(*) from raw.orders", "2")
		})
	}
}
