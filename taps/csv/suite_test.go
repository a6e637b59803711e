package csv

import (
	"path/filepath"
	"testing"

	"elt/taps/taptest"
)

func TestSuite(t *testing.T) {
	dir := t.TempDir()
	orders, lines := filepath.Join(dir, "orders.csv"), filepath.Join(dir, "lines.csv")
	put1(t, orders, "id,customer,total,placed\n1,Ada,12.50,2024-02-29\n2,\"two\nlines\",0.10,2024-03-01\n3,,7,\n")
	put1(t, lines, "order,note\n1,a\n1,a\n")
	for _, infer := range []bool{false, true} {
		taptest.Run(t, New(), map[string]any{"infer": infer, "add_file_columns": infer, "files": []any{
			map[string]any{"entity": "orders", "path": orders, "keys": []any{"id"}},
			map[string]any{"entity": "lines", "path": lines},
		}}, taptest.Expect{Rows: map[string]int{"orders": 3, "lines": 2}, Resumed: map[string]int{"orders": 0, "lines": 0}})
	}
}
