package engine

import (
	"context"
	"fmt"

	"elt/internal/fake/snowflake/sql"
)

// block is one SELECT, compiled.
type block struct {
	from     *relation
	where    *compiled
	grouped  bool
	keys     []compiled
	aggs     []*aggregate
	having   *compiled
	wins     []*window
	qualify  *compiled
	items    []compiled
	order    []sortKey
	distinct bool
	cut      func([]sortable, *env) ([]string, error)
}

func (s *Session) planSelect(sel *sql.Select, q *sql.Query, ctes map[string]*cte, outer *scope) (*queryPlan, error) {
	b := &block{distinct: sel.Distinct}
	p := &queryPlan{}
	sc := &scope{s: s, ctes: ctes, outer: outer, aliases: map[string]sql.Expr{}, resolving: map[string]bool{}, usesOuter: &p.correlated}
	var err error
	if sel.From != nil {
		if b.from, err = s.relation(sel.From, sc); err != nil {
			return nil, err
		}
		sc.cols, sc.positional = b.from.cols, b.from.positional
	}
	items, err := sc.expandStars(sel.Items)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if it.Alias != "" {
			sc.aliases[it.Alias] = it.X
		}
	}
	if sel.Where != nil {
		c, err := sc.compileAs(sel.Where, boolType)
		if err != nil {
			return nil, err
		}
		b.where = &c
	}
	out := *sc
	if err := b.group(sel, items, sc, &out); err != nil {
		return nil, err
	}
	out.wins = &b.wins
	if sel.Having != nil {
		c, err := out.compileAs(sel.Having, boolType)
		if err != nil {
			return nil, err
		}
		b.having = &c
	}
	for _, it := range items {
		c, err := out.compile(it.X)
		if err != nil {
			return nil, err
		}
		name := it.Alias
		if name == "" {
			name = outputName(it.X)
		}
		b.items = append(b.items, c)
		p.cols = append(p.cols, OutColumn{Name: name, Type: c.t, Nullable: true})
	}
	if sel.Qualify != nil {
		c, err := out.compileAs(sel.Qualify, boolType)
		if err != nil {
			return nil, err
		}
		if len(b.wins) == 0 {
			return nil, sql.Compile(2304, "42601", "QUALIFY clause requires at least one window function in the SELECT list or the predicate.")
		}
		b.qualify = &c
	}
	for _, o := range q.Order {
		k, err := out.orderKey(o, func(i int) (sortKey, error) {
			if i < 0 || i >= len(b.items) {
				return sortKey{}, sql.Compile(2006, "42601", "ORDER BY position %d is out of range", i+1)
			}
			return sortKey{b.items[i].eval, o.Desc, o.Nulls == 'f' || o.Nulls == 0 && o.Desc}, nil
		})
		if err != nil {
			return nil, err
		}
		b.order = append(b.order, k)
	}
	if b.cut, err = sc.limits(q); err != nil {
		return nil, err
	}
	p.run = b.run
	return p, nil
}

// expandStars replaces * and T.* by columns.
func (sc *scope) expandStars(items []sql.Item) (out []sql.Item, err error) {
	for _, it := range items {
		star, ok := it.X.(*sql.Star)
		if !ok {
			out = append(out, it)
			continue
		}
		n := 0
		for i, c := range sc.cols {
			if !qualifies(c.path, star.Qualifier) || c.hidden && len(star.Qualifier) == 0 {
				continue
			}
			n++
			if contains(star.Exclude, c.name) {
				continue
			}
			out = append(out, sql.Item{X: &slot{i, c}, Alias: c.name})
		}
		if n == 0 {
			return nil, sql.Compile(2079, "42601", "SELECT with no columns")
		}
	}
	return out, nil
}

// slot is a column by its place, which an expanded star refers to.
type slot struct {
	i int
	c relColumn
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// group sets up aggregation: keys, and the scope in which the output is compiled.
func (b *block) group(sel *sql.Select, items []sql.Item, sc, out *scope) error {
	has := false
	for _, it := range items {
		has = has || hasAggregate(it.X)
	}
	has = has || hasAggregate(sel.Having) || hasAggregate(sel.Qualify)
	if sel.Group == nil && !sel.GroupAll && !has {
		return nil
	}
	b.grouped = true
	group := sel.Group
	if sel.GroupAll {
		for _, it := range items {
			if !hasAggregate(it.X) {
				group = append(group, it.X)
			}
		}
	}
	out.grouped, out.aggs = true, &b.aggs
	for _, g := range group {
		if l, ok := g.(*sql.Lit); ok && l.Kind == 'n' {
			n := 0
			fmt.Sscanf(l.Text, "%d", &n)
			if n < 1 || n > len(items) {
				return sql.Compile(2005, "42601", "GROUP BY position %d is out of range", n)
			}
			g = items[n-1].X
		}
		if c, ok := g.(*sql.Col); ok && len(c.Name) == 1 {
			if i, _ := sc.find(c.Name); i < 0 && sc.aliases[c.Name[0]] != nil {
				g = sc.aliases[c.Name[0]]
			}
		}
		c, err := sc.compile(g)
		if err != nil {
			return err
		}
		b.keys = append(b.keys, c)
		out.keys, out.keyTypes = append(out.keys, g), append(out.keyTypes, c.t)
		// A column may be written with and without its qualifier.
		if col, ok := g.(*sql.Col); ok {
			if i, _ := sc.find(col.Name); i >= 0 {
				out.groupSlots = append(out.groupSlots, groupSlot{i, len(out.keyTypes) - 1})
			}
		} else if sl, ok := g.(*slot); ok {
			out.groupSlots = append(out.groupSlots, groupSlot{sl.i, len(out.keyTypes) - 1})
		}
	}
	return nil
}

// hasAggregate reports whether an expression of this query aggregates.
func hasAggregate(x any) bool {
	switch x := x.(type) {
	case *sql.Func:
		if isAggregate(x) && x.Over == nil {
			return true
		}
		for _, a := range x.Args {
			if hasAggregate(a) {
				return true
			}
		}
		if x.Over != nil {
			for _, o := range x.Over.Order {
				if hasAggregate(o.X) {
					return true
				}
			}
		}
	case *sql.Binary:
		return hasAggregate(x.L) || hasAggregate(x.R)
	case *sql.Unary:
		return hasAggregate(x.X)
	case *sql.Cast:
		return hasAggregate(x.X)
	case *sql.Path:
		return hasAggregate(x.X)
	case *sql.IsNull:
		return hasAggregate(x.X)
	case *sql.Between:
		return hasAggregate(x.X) || hasAggregate(x.Low) || hasAggregate(x.High)
	case *sql.In:
		return hasAggregate(x.X)
	case *sql.Case:
		for _, w := range x.Whens {
			if hasAggregate(w.If) || hasAggregate(w.Then) {
				return true
			}
		}
		return hasAggregate(x.X) || hasAggregate(x.Else)
	}
	return false
}

// each calls f with every row after WHERE.
func (b *block) each(ctx context.Context, outer *env, f func(*env) error) error {
	e := &env{ctx: ctx, outer: outer}
	one := func(row []Value) error {
		e.row = row
		if b.where != nil {
			v, err := b.where.eval(e)
			if err != nil || !v.isTrue() {
				return err
			}
		}
		return f(e)
	}
	if b.from == nil {
		return one(nil)
	}
	return b.from.each(ctx, outer, one)
}

func (b *block) run(ctx context.Context, outer *env) ([]string, error) {
	var list []sortable
	seen := map[string]bool{}
	var buf []byte
	cells := make([]Value, len(b.items))
	emit := func(e *env) error {
		if b.qualify != nil {
			v, err := b.qualify.eval(e)
			if err != nil || !v.isTrue() {
				return err
			}
		}
		for i, it := range b.items {
			v, err := it.eval(e)
			if err != nil {
				return err
			}
			cells[i] = v
		}
		if b.distinct {
			var k []byte
			for _, v := range cells {
				k = groupKey(k, v)
			}
			if seen[string(k)] {
				return nil
			}
			seen[string(k)] = true
		}
		buf = encodeRow(buf, cells)
		s := sortable{row: string(buf)}
		for _, k := range b.order {
			v, err := k.eval(e)
			if err != nil {
				return err
			}
			s.keys = append(s.keys, v)
		}
		list = append(list, s)
		return nil
	}
	var err error
	switch {
	case b.grouped:
		err = b.runGroups(ctx, outer, emit)
	case len(b.wins) > 0:
		err = b.runWindows(ctx, outer, nil, emit)
	default:
		err = b.each(ctx, outer, emit)
	}
	if err != nil {
		return nil, err
	}
	if err := sortRows(list, b.order); err != nil {
		return nil, err
	}
	return b.cut(list, &env{ctx: ctx, outer: outer})
}

// runWindows computes window functions over the rows, or over groups.
func (b *block) runWindows(ctx context.Context, outer *env, groups []*groupRow, emit func(*env) error) error {
	e := &env{ctx: ctx, outer: outer}
	var rows []string
	if !b.grouped {
		var buf []byte
		width := 0
		err := b.each(ctx, outer, func(re *env) error {
			width = max(width, len(re.row))
			buf = encodeRow(buf, re.row)
			rows = append(rows, string(buf))
			return nil
		})
		if err != nil {
			return err
		}
		e.row = make([]Value, width)
	}
	n := max(len(rows), len(groups))
	load := func(i int) *env {
		if b.grouped {
			e.group, e.aggs = groups[i].keys, groups[i].aggs
		} else {
			clear(e.row[decodeRow(rows[i], e.row):])
		}
		return e
	}
	results := make([][]Value, len(b.wins))
	for w, win := range b.wins {
		var err error
		if results[w], err = win.run(n, load); err != nil {
			return err
		}
	}
	e.wins = make([]Value, len(b.wins))
	for i := 0; i < n; i++ {
		load(i)
		for w := range results {
			e.wins[w] = results[w][i]
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}
