package singer

import (
	"context"
	"fmt"
	"slices"

	"elt/internal/row"
)

func (s *stream) note(field string, n notice) {
	why := map[notice]string{
		noticeUTF8:    "has text that is no UTF-8 or half a surrogate pair: replaced by U+FFFD",
		noticeNUL:     "has NUL characters: replaced by U+FFFD",
		noticeNaN:     "has NaN or infinities, which JSON has not: read as NULL",
		noticeUnknown: "is not in its schema: dropped",
	}[n]
	s.r.warn(fmt.Sprint("field ", n, " ", s.name, " ", field), "stream %q: property %q %s (first in %s)", s.name, field, why, s.r.place())
}

// widen decodes a record that does not fit into a wider schema, hands over
// the rows before it and announces that schema. A record that is bad in
// another way changes nothing.
func (s *stream) widen(ctx context.Context, line []byte, i int) (int, error) {
	dec := s.dec
	var changed []row.Column
	b := &row.Batch{}
	for {
		schema := *dec.schema
		schema.Columns, schema.Source = slices.Clone(schema.Columns), nil
		if n := dec.misfit.column; n < 0 {
			c := row.Column{Name: DeletedAt, Kind: row.TimestampTZ, Wire: row.WireTimestampExt, Nullable: true}
			schema.Columns = append(schema.Columns, c)
			changed = append(changed, c)
		} else {
			have := schema.Columns[n]
			wide := row.Widen(have, dec.misfit.want)
			if wide == have { // Widen and the decoder disagree: text holds all
				wide = row.Widen(have, row.Column{Kind: row.Text, Wire: row.WireText})
			}
			schema.Columns[n] = wide
			changed = append(changed, wide)
		}
		root := dec.root
		if len(schema.Columns) > len(dec.schema.Columns) {
			root = root.with(DeletedAt, len(dec.schema.Columns))
		}
		dec = s.decoder(&schema, root)
		b.Reset(&schema)
		end, err := dec.record(b, line, i)
		if err == errMisfit {
			continue
		}
		if err != nil {
			return end, err
		}
		if err := s.change(ctx, &schema); err != nil {
			return end, err
		}
		for _, c := range changed {
			s.widened[c.Name] = c
			s.r.warn("widened "+s.name+" "+c.Name+" "+c.Kind.String(), "stream %q: property %q becomes %s from %s on, where a value does not fit its schema", s.name, c.Name, c.Kind, s.r.place())
		}
		s.dec, s.batch = dec, b
		s.r.open++
		return end, nil
	}
}
