package postgres

import (
	"context"
	"fmt"
	"testing"

	"elt/internal/row"
)

func TestMetadata(t *testing.T) {
	d := newDB(t)
	s := d.sink(map[string]any{"add_record_metadata": true})
	l := d.lane(s)
	ld := d.stream(l, orders)
	b := batch(orders, []any{1, "a"}, []any{2, "b"})
	b.Version = 1700000000
	b.Extracted = []int64{0, 1_000_000}
	d.write(ld, b)
	d.end(l, ld)
	d.exec("set timezone to 'UTC'")
	d.want(`select id, _sdc_extracted_at, now() - _sdc_received_at < '1 min', now() - _sdc_batched_at < '1 min', _sdc_deleted_at, _sdc_sequence > 1700000000000, _sdc_table_version, _sdc_sync_started_at > 1700000000000 from raw.orders order by id`,
		"1|2000-01-01 00:00:00+00|t|t|∅|t|1700000000|t\n2|2000-01-01 00:00:01+00|t|t|∅|t|1700000000|t")
}

func TestDeletesAndUnset(t *testing.T) {
	for _, hard := range []bool{false, true} {
		t.Run(fmt.Sprintf("hard=%v", hard), func(t *testing.T) {
			d := newDB(t)
			wide := schema("wide", "id", "id int64", "a text", "b text")
			set := map[string]any{"hard_delete": hard}
			d.load(set, wide, []any{1, "a1", "b1"}, []any{2, "a2", "b2"}, []any{3, "a3", "b3"})
			d.load(set, wide, []any{row.Delete, 1, nil, nil}, []any{row.Update, 2, "A2", unset{}}, []any{row.Update, 2, unset{}, "B2"},
				[]any{row.Insert, 4, "a4", unset{}}, []any{row.Delete, 3, nil, nil}, []any{row.Insert, 3, "again", nil}, []any{row.Delete, 9, nil, nil})
			if hard {
				d.want("select id, a, b from raw.wide order by id", "2|A2|B2\n3|again|∅\n4|a4|∅")
				return
			}
			d.want("select id, a, b, _sdc_deleted_at is not null from raw.wide order by id", "1|a1|b1|t\n2|A2|B2|f\n3|again|∅|f\n4|a4|∅|f\n9|∅|∅|t")
		})
	}
}

func TestDeletesInAFreshTable(t *testing.T) {
	d := newDB(t)
	d.load(map[string]any{"hard_delete": true}, orders, []any{1, "a"}, []any{2, "b"}, []any{row.Delete, 1, nil}, []any{row.Update, 2, unset{}})
	d.want("select id, name from raw.orders", "2|b")
}

func TestActivateVersion(t *testing.T) {
	for _, hard := range []bool{false, true} {
		t.Run(fmt.Sprintf("hard=%v", hard), func(t *testing.T) {
			d := newDB(t)
			set := map[string]any{"add_record_metadata": true, "hard_delete": hard}
			d.load(set, orders, []any{1, "none"})
			version := func(v int64, key int, activate int64) {
				s := d.sink(set)
				l := d.lane(s)
				ld := d.stream(l, orders)
				b := batch(orders, []any{key, fmt.Sprint(v)})
				b.Version = v
				d.write(ld, b)
				if activate > 0 {
					if err := ld.Activate(context.Background(), activate); err != nil {
						t.Fatal(err)
					}
				}
				d.end(l, ld)
			}
			version(1700000000123, 2, 0) // milliseconds
			version(1700000001, 3, 0)    // seconds, later
			version(1700000001, 4, 1700000001)
			if hard {
				d.want("select id from raw.orders order by id", "3\n4")
			} else {
				d.want("select id, _sdc_deleted_at is not null from raw.orders order by id", "1|t\n2|t\n3|f\n4|f")
			}
		})
	}
}

func TestHardDeleteKeepsTheVersionWithoutMetadata(t *testing.T) {
	d := newDB(t)
	s := d.sink(map[string]any{"hard_delete": true})
	l := d.lane(s)
	ld := d.stream(l, orders)
	for v := int64(1); v <= 2; v++ {
		b := batch(orders, []any{int(v), "x"})
		b.Version = v
		d.write(ld, b)
	}
	if err := ld.Activate(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	d.end(l, ld)
	d.want("select * from raw.orders", "2|x|2")
}
