package sqltarget

import (
	"bytes"
	"strings"

	"elt/internal/row"
)

// longestKey is how many bytes of a key's value a message shows.
const longestKey = 200

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
		text := row.AppendText(nil, col, v)
		if len(text) > longestKey {
			text = append(bytes.ToValidUTF8(text[:longestKey], nil), "…"...)
		}
		values[col.Name] = string(text)
	}
	for _, k := range b.Schema.Key {
		parts = append(parts, k+"="+values[k])
	}
	return strings.Join(parts, ", ")
}
