package postgres

import "testing"

// Rows of a new table share their metadata as long as they can: it is then
// the value of added columns, and no part of the rows.
func TestSharedMetadata(t *testing.T) {
	d := newDB(t)
	ids := schema("orders", "id", "id int64")
	stored := `select count(*) filter (where atthasmissing), count(*) filter (where atthasdef) from pg_attribute where attrelid = 'raw.orders'::regclass and attname like '\_sdc\_%'`
	load := func(versions ...int64) {
		l := d.lane(d.sink(map[string]any{"add_record_metadata": true}))
		ld := d.stream(l, ids)
		for i, v := range versions {
			b := batch(ids, []any{i})
			b.Version = v
			d.write(ld, b)
		}
		d.end(l, ld)
	}
	all := `select id, _sdc_table_version, _sdc_received_at is not null, _sdc_extracted_at is not null, _sdc_sequence is not null, _sdc_deleted_at from raw.orders order by id`
	load(7, 7)
	d.want(all, "0|7|t|t|t|∅\n1|7|t|t|t|∅")
	d.want(stored, "6|0")
	d.exec("drop table raw.orders")
	load(7, 8) // the second row has another version, so its own metadata
	d.want(all, "0|7|t|t|t|∅\n1|8|t|t|t|∅")
	d.want(stored, "6|0")
	d.exec("drop table raw.orders")
	load(0, 0)
	d.want(all, "0|∅|t|t|t|∅\n1|∅|t|t|t|∅")
	d.want(stored, "5|0")
	d.exec("drop table raw.orders")
	load(0) // so few that they bring it with them
	d.want(all, "0|∅|t|t|t|∅")
	d.want(stored, "0|0")
}
