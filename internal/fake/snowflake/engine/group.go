package engine

import (
	"context"
)

// groupRow is one group's keys and aggregates.
type groupRow struct {
	keys []Value
	accs []*accumulator
	aggs []Value
}

func (b *block) runGroups(ctx context.Context, outer *env, emit func(*env) error) error {
	groups := map[string]*groupRow{}
	var all []*groupRow
	start := func(keys []Value) *groupRow {
		g := &groupRow{keys: keys}
		for _, a := range b.aggs {
			g.accs = append(g.accs, a.start())
		}
		all = append(all, g)
		return g
	}
	var key []byte
	err := b.each(ctx, outer, func(e *env) error {
		key = key[:0]
		keys := make([]Value, len(b.keys))
		for i, k := range b.keys {
			v, err := k.eval(e)
			if err != nil {
				return err
			}
			keys[i] = v
			key = groupKey(key, v)
		}
		g := groups[string(key)]
		if g == nil {
			g = start(keys)
			groups[string(key)] = g
		}
		for _, a := range g.accs {
			if err := a.add(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(b.keys) == 0 && len(all) == 0 {
		start(nil)
	}
	e := &env{ctx: ctx, outer: outer}
	var kept []*groupRow
	for _, g := range all {
		for _, a := range g.accs {
			v, err := a.result(e)
			if err != nil {
				return err
			}
			g.aggs = append(g.aggs, v)
		}
		e.group, e.aggs = g.keys, g.aggs
		if b.having != nil {
			v, err := b.having.eval(e)
			if err != nil {
				return err
			}
			if !v.isTrue() {
				continue
			}
		}
		kept = append(kept, g)
	}
	if len(b.wins) > 0 {
		return b.runWindows(ctx, outer, kept, emit)
	}
	for _, g := range kept {
		e.group, e.aggs = g.keys, g.aggs
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}
