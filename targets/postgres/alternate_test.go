package postgres

import (
	"encoding/json"
	"testing"

	"elt/internal/row"
	"elt/targets"
)

// Rows of new tables that come in turn on one connection: a table is made
// while the rows of another are on their way.
func TestNewTablesInTurn(t *testing.T) {
	d := newDB(t)
	s := d.sink(nil)
	d.claim(s)
	l := d.lane(s)
	named := func(stream string) *row.Schema {
		copied := *orders
		copied.Stream = stream
		return &copied
	}
	a, b, c := named("a"), named("b"), named("c")
	la, lb, lc := d.stream(l, a), d.stream(l, b), d.stream(l, c)
	for i := range 4 {
		d.write(la, batch(a, []any{2 * i, "a"}, []any{2*i + 1, "a"}))
		if i != 1 {
			d.write(lb, batch(b, []any{i, "b"}))
		}
		if i == 2 {
			d.write(lc, batch(c, []any{1, "c"}))
		}
	}
	wider := *c
	wider.Columns = append(wider.Columns[:len(wider.Columns):len(wider.Columns)], row.Column{Name: "more", Kind: row.Int64, Wire: row.WireInt8, Nullable: true})
	if err := lc.Schema(t.Context(), &wider); err != nil { // a is being copied, and c's row waits
		t.Fatal(err)
	}
	marks := map[string]json.RawMessage{}
	for stream, ld := range map[string]targets.Loader{"a": la, "b": lb, "c": lc} {
		if err := ld.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		marks[stream] = json.RawMessage(`{}`)
	}
	d.commit(l, targets.Commit{Streams: marks})
	d.want("select (select count(*) from raw.a), (select count(*) from raw.b), (select count(*) from raw.c where more is null)", "8|3|1")
}
