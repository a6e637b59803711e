package sqltarget

import (
	"strings"

	"elt/internal/row"
)

// KeyText is the key of row i for a message.
func KeyText(b *row.Batch, i int) string {
	if i >= b.Len() {
		return ""
	}
	var parts []string
	values := map[string]string{}
	fields := b.Fields(i)
	for c := range b.Schema.Columns {
		col := &b.Schema.Columns[c]
		v, state := fields.Next()
		if state != row.Value {
			values[col.Name] = "NULL"
			continue
		}
		values[col.Name] = string(row.AppendText(nil, col, v))
	}
	for _, k := range b.Schema.Key {
		parts = append(parts, k+"="+values[k])
	}
	return strings.Join(parts, ", ")
}
