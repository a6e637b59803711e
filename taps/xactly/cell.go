package xactly

import (
	"bytes"
	"encoding/json"
	"slices"

	"elt/internal/row"
	"elt/internal/singer"
)

// selected is a column that is asked for.
type selected struct {
	column
	json   []byte // its name as JSON, and a colon
	hidden bool   // nobody wants it, but rows are sorted by it
}

// choose are the columns to ask for: those of the schema that is announced,
// and those that rows are sorted by.
func choose(cs *singer.CatalogStream, announced, sorted []string) []selected {
	var out []selected
	for _, name := range append(slices.Clone(announced), sorted...) {
		if slices.ContainsFunc(out, func(c selected) bool { return c.name == name }) {
			continue
		}
		out = append(out, selected{
			column: column{name, kindOf(cs.Property(name))},
			json:   append(row.AppendJSONString(nil, []byte(name)), ':'),
			hidden: !slices.Contains(announced, name),
		})
	}
	return out
}

// kindOf is how values of a property are to be written.
func kindOf(schema json.RawMessage) kind {
	var s struct{ Type any }
	if json.Unmarshal(schema, &s) != nil {
		return text
	}
	types, ok := s.Type.([]any)
	if !ok {
		types = []any{s.Type}
	}
	switch {
	case slices.Contains(types, any("string")):
		return text
	case slices.Contains(types, any("number")):
		return number
	case slices.Contains(types, any("integer")):
		return integer
	}
	return text
}

// append appends the record of a row.
func (r *reader) append(dst []byte, cells [][]byte) []byte {
	dst = append(dst, '{')
	first := true
	for i := range r.columns {
		c := &r.columns[i]
		if c.hidden {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = c.append(append(dst, c.json...), cells[i])
	}
	return append(dst, '}')
}

// append appends a cell as its column's type wants it: a number in a text
// column is a text, a text in a number column a number where it is one and
// NULL where it is empty, what JSON nests is its text. What fits in no way
// stays as it is and widens the column.
func (c *selected) append(dst, cell []byte) []byte {
	switch quoted := cell[0] == '"'; {
	case cell[0] == 'n': // null
	case cell[0] == '{', cell[0] == '[':
		return row.AppendJSONString(dst, cell)
	case c.kind == text && !quoted:
		if plain, ok := digits(cell); ok {
			return append(append(append(dst, '"'), plain...), '"')
		}
		return row.AppendJSONString(dst, cell) // true
	case c.kind != text && quoted:
		inner := bytes.TrimSpace(cell[1 : len(cell)-1])
		if len(inner) == 0 {
			return append(dst, "null"...)
		}
		if _, ok := digits(inner); ok && json.Valid(inner) {
			return append(dst, inner...)
		}
	}
	return append(dst, cell...)
}
