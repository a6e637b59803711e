package postgres

import (
	"context"
	"testing"
)

// A stream that marks deletions itself keeps its versions, so that a table
// which was emptied at the source is emptied here.
func TestATruncatedStream(t *testing.T) {
	d := newDB(t)
	marked := schema("marked", "id", "id int64", "_sdc_deleted_at timestamptz")
	set := map[string]any{"hard_delete": false, "add_record_metadata": false}
	d.load(set, marked, []any{1, nil}, []any{2, nil})
	s := d.sink(set)
	l := d.lane(s)
	ld := d.stream(l, marked)
	if err := ld.Activate(context.Background(), 1700000000123); err != nil {
		t.Fatal(err)
	}
	d.end(l, ld)
	d.load(set, marked, []any{2, nil}, []any{3, nil})
	d.want("select id, _sdc_deleted_at is not null from raw.marked order by id", "1|t\n2|f\n3|f")
}
