package rest

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps/httpapi"
)

// contexts calls visit once for a stream without parent, else once per record
// of the parent, with variables parent.NAME and members to add to each record.
// The parent is read in full, since an old record may have new children.
func (r *reader) contexts(ctx context.Context, src *source, visit func(vars variables, more []byte) error) error {
	base := r.set.variables()
	base["start"], base["end"] = nil, nil
	if src.parent == nil {
		return visit(base, nil)
	}
	up := &reader{src: src.parent, set: r.set, client: r.client, empty: r.empty}
	whole := slice{start: src.parent.start, until: r.set.now}
	return up.contexts(ctx, src.parent, func(vars variables, _ []byte) error {
		var below error // of visit, which is no fault of the parent
		p := &pages{src: src.parent, set: r.set, client: r.client, vars: windowed(vars, src.parent, whole)}
		err := p.each(ctx, func(ctx context.Context, pg *page, _ int) (int, error) {
			n := 0
			return n, up.records(pg, func(record []byte) error {
				n++
				own, more, err := src.child(vars, record)
				if err == nil {
					below = visit(own, more)
					err = below
				}
				return err
			})
		})
		if below != nil || err == nil {
			return below
		}
		return fmt.Errorf("parent %q: %w", src.parent.Name, err)
	})
}

// child is what a record of the parent gives to the requests and the records
// of its children.
func (src *source) child(vars variables, record []byte) (variables, []byte, error) {
	own := maps.Clone(vars)
	err := singer.EachMember(record, func(key string, value []byte) error {
		switch value[0] {
		case '{', '[':
		case 'n':
			own["parent."+key] = nil
		default:
			own["parent."+key] = httpapi.Text(value)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var more []byte
	for _, name := range slices.Sorted(maps.Keys(src.fields)) {
		value, err := src.fields[name].Value(record)
		if err != nil {
			return nil, nil, err
		}
		if value == nil {
			value = []byte("null")
		}
		if more != nil {
			more = append(more, ',')
		}
		more = append(append(row.AppendJSONString(more, []byte(name)), ':'), value...)
	}
	return own, more, nil
}
