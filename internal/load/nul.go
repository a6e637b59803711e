package load

import (
	"bytes"
	"fmt"

	"elt/internal/row"
	"elt/internal/singer"
)

// cleaner applies the setting "nul" to the rows of a fused tap: in two
// processes the reader of the messages does. A batch without the character
// stays the batch that it is.
type cleaner struct {
	policy   singer.NULPolicy
	textFree bool // taps.NULFree
	warn     func(format string, args ...any)

	schema *row.Schema
	kinds  []row.Kind // per column: Text, JSON, or 0 for one that needs no look
	any    bool       // some column does
	warned bool
}

func (c *cleaner) announce(s *row.Schema) {
	c.schema, c.kinds, c.any = s, c.kinds[:0], false
	for _, col := range s.Columns {
		kind := row.Kind(0)
		if col.Kind == row.Text && !c.textFree || col.Wire == row.WireJSON { // jsonb cannot hold it
			kind, c.any = col.Kind, true
		}
		c.kinds = append(c.kinds, kind)
	}
}

var nulEscaped = []byte(`\u0000`)

// clean returns b, or a batch in its place.
func (c *cleaner) clean(b *row.Batch) (*row.Batch, error) {
	if c.policy == singer.NULKeep {
		return b, nil
	}
	if b.Schema != c.schema {
		c.announce(b.Schema)
	}
	if !c.any {
		return b, nil
	}
	for i := range b.Len() {
		fields := b.Fields(i)
		for n, kind := range c.kinds {
			field, _ := fields.Next()
			if kind != 0 && holdsNUL(kind, field) {
				return c.repair(b, n)
			}
		}
	}
	return b, nil
}

func holdsNUL(kind row.Kind, field []byte) bool {
	if kind == row.Text {
		return bytes.IndexByte(field, 0) >= 0
	}
	return bytes.Contains(field, nulEscaped)
}

// repair builds the batch anew; column is the first that holds the character.
func (c *cleaner) repair(b *row.Batch, column int) (*row.Batch, error) {
	defer b.Release()
	name := c.schema.Columns[column].Name
	if !c.warned && c.policy == singer.NULReplace {
		c.warned = true
		c.warn("stream %q: property %q has NUL characters: replaced by U+FFFD", c.schema.Stream, name)
	}
	out := &row.Batch{Schema: b.Schema, Version: b.Version, Data: make([]byte, 0, len(b.Data)+1024)}
	for i := range b.Len() {
		out.Begin()
		fields := b.Fields(i)
		for n, kind := range c.kinds {
			field, state := fields.Next()
			switch {
			case state == row.IsNull:
				out.Null()
			case state == row.IsUnset:
				out.SkipField()
			case kind == 0 || !holdsNUL(kind, field):
				out.Field(field)
			default:
				if err := c.put(out, kind, field); err != nil {
					return nil, fmt.Errorf("property %q: %w", c.schema.Columns[n].Name, err)
				}
			}
		}
		out.EndAs(b.Op(i))
		if b.Extracted != nil {
			out.ExtractedAt(b.Extracted[i])
		}
	}
	return out, nil
}

// put appends a field without the character.
func (c *cleaner) put(out *row.Batch, kind row.Kind, field []byte) (err error) {
	if kind == row.Text && c.policy == singer.NULFail {
		return singer.ErrNUL
	}
	out.Open()
	defer out.Close()
	if kind == row.JSON {
		out.Data, err = singer.AppendCleanJSON(out.Data, field, c.policy)
		return err
	}
	for {
		at := bytes.IndexByte(field, 0)
		if at < 0 {
			out.Data = append(out.Data, field...)
			return nil
		}
		out.Data = append(append(out.Data, field[:at]...), "\ufffd"...)
		field = field[at+1:]
	}
}
