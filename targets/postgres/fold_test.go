package postgres

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"elt/internal/row"
)

// Many changes of few rows in one batch leave what the same changes leave one
// by one, in batches of their own.
func TestChangesOfOneBatchAreFolded(t *testing.T) {
	for _, hard := range []bool{false, true} {
		t.Run(fmt.Sprintf("hard=%v", hard), func(t *testing.T) {
			random := rand.New(rand.NewPCG(7, 7))
			d := newDB(t)
			set := map[string]any{"hard_delete": hard}
			one := schema("one", "id", "id int64", "a text", "b text", "_sdc_deleted_at timestamptz")
			all := schema("all", "id", "id int64", "a text", "b text", "_sdc_deleted_at timestamptz")
			var rows [][]any
			value := func(n int) any {
				switch random.IntN(3) {
				case 0:
					return nil
				case 1:
					return unset{}
				}
				return fmt.Sprint("v", n)
			}
			for n := range 300 {
				id := random.IntN(12)
				switch random.IntN(5) {
				case 0:
					rows = append(rows, []any{row.Delete, id, unset{}, unset{}, "2024-01-02T03:04:05Z"})
				case 1:
					rows = append(rows, []any{row.Update, id, value(n), value(n), nil})
				default:
					rows = append(rows, []any{row.Insert, id, fmt.Sprint("a", n), nil, nil})
				}
			}
			s := d.sink(set)
			l := d.lane(s)
			ld := d.stream(l, one)
			for _, r := range rows {
				d.write(ld, batch(one, r))
			}
			d.end(l, ld)
			for n := 0; n < len(rows); n += 50 {
				d.load(set, all, rows[n:n+50]...)
			}
			d.want("select count(*) > 5 from raw.one", "t")
			d.want("(select * from raw.one except select * from raw.all) union all (select * from raw.all except select * from raw.one)", "")
		})
	}
}
