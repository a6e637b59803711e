package engine

import (
	"context"

	"elt/internal/fake/snowflake/sql"
)

// conjuncts parts an expression at its ANDs.
func conjuncts(x sql.Expr) []sql.Expr {
	if b, ok := x.(*sql.Binary); ok && b.Op == "AND" {
		return append(conjuncts(b.L), conjuncts(b.R)...)
	}
	if x == nil {
		return nil
	}
	return []sql.Expr{x}
}

// equiKey is an equality between the two sides of a join, on which rows are
// found by hashing.
type equiKey struct {
	left, right compiled
	nulls       bool // EQUAL_NULL: two NULLs are equal
}

// equiKeys finds the equalities between sides in a condition; rest is what else
// must hold, over both.
func equiKeys(on sql.Expr, left, right, both *scope) (keys []equiKey, rest []compiled, err error) {
	for _, c := range conjuncts(on) {
		var l, r sql.Expr
		nulls := false
		switch x := c.(type) {
		case *sql.Binary:
			if x.Op == "=" {
				l, r = x.L, x.R
			}
		case *sql.Func:
			if x.Name == "EQUAL_NULL" && len(x.Args) == 2 {
				l, r, nulls = x.Args[0], x.Args[1], true
			}
		}
		if l != nil {
			if k, ok := equi(l, r, left, right, both); ok {
				k.nulls = nulls
				keys = append(keys, k)
				continue
			}
		}
		cc, err := both.compileAs(c, boolType)
		if err != nil {
			return nil, nil, err
		}
		rest = append(rest, cc)
	}
	return keys, rest, nil
}

func equi(a, b sql.Expr, left, right, both *scope) (equiKey, bool) {
	// An ambiguous or unknown name is an error of the condition as a whole.
	if _, err := both.compile(&sql.Binary{Op: "=", L: a, R: b}); err != nil {
		return equiKey{}, false
	}
	try := func(a, b sql.Expr) (equiKey, bool) {
		l, err := left.compile(a)
		if err != nil {
			return equiKey{}, false
		}
		r, err := right.compile(b)
		if err != nil || l.konst || r.konst {
			return equiKey{}, false
		}
		if l.t.K != r.t.K || isVariant(l.t.K) {
			return equiKey{}, false
		}
		return equiKey{left: l, right: r}, true
	}
	if k, ok := try(a, b); ok {
		return k, true
	}
	return try(b, a)
}

// keyOf is the hash key of a row, or false where a NULL keeps it from matching.
func keyOf(buf []byte, keys []equiKey, left bool, e *env) ([]byte, bool, error) {
	buf = buf[:0]
	for _, k := range keys {
		c := k.right
		if left {
			c = k.left
		}
		v, err := c.eval(e)
		if err != nil {
			return buf, false, err
		}
		if v.IsNull() && !k.nulls {
			return buf, false, nil
		}
		buf = groupKey(buf, v)
	}
	return buf, true, nil
}

func (s *Session) join(j *sql.Join, sc *scope) (*relation, error) {
	l, err := s.relation(j.L, sc)
	if err != nil {
		return nil, err
	}
	r, err := s.relation(j.R, sc)
	if err != nil {
		return nil, err
	}
	if l.positional != nil || r.positional != nil {
		return nil, sql.Unsupported("join of a stage")
	}
	on := j.On
	rcols := append([]relColumn{}, r.cols...)
	both := *sc
	ls, rs := *sc, *sc
	ls.cols, rs.cols = l.cols, rcols
	ls.outer, rs.outer = nil, nil
	ls.aliases, rs.aliases, both.aliases = nil, nil, nil
	both.cols = append(append([]relColumn{}, l.cols...), rcols...)
	var keys []equiKey
	var rest []compiled
	if len(j.Using) > 0 {
		for _, name := range j.Using {
			a, err := ls.compile(&sql.Col{Name: []string{name}})
			if err != nil {
				return nil, err
			}
			b, err := rs.compile(&sql.Col{Name: []string{name}})
			if err != nil {
				return nil, err
			}
			keys = append(keys, equiKey{left: a, right: b})
			for i := range rcols {
				if rcols[i].name == name {
					rcols[i].hidden = true
				}
			}
		}
		both.cols = append(append([]relColumn{}, l.cols...), rcols...)
	} else if keys, rest, err = equiKeys(on, &ls, &rs, &both); err != nil {
		return nil, err
	}
	out := &relation{cols: both.cols}
	out.each = func(ctx context.Context, outer *env, f func([]Value) error) error {
		return (&joining{kind: j.Kind, l: l, r: r, keys: keys, rest: rest}).run(ctx, outer, f)
	}
	return out, nil
}

// joining runs one join: the right side is kept, the left one streams.
type joining struct {
	kind string
	l, r *relation
	keys []equiKey
	rest []compiled
}

func (j *joining) run(ctx context.Context, outer *env, f func([]Value) error) error {
	var kept []string
	index := map[string][]int32{}
	e := &env{ctx: ctx, outer: outer}
	var buf, key []byte
	err := j.r.each(ctx, outer, func(row []Value) error {
		buf = encodeRow(buf, row)
		if len(j.keys) > 0 {
			e.row = row
			k, ok, err := keyOf(key, j.keys, false, e)
			key = k
			if err != nil {
				return err
			}
			if ok {
				index[string(k)] = append(index[string(k)], int32(len(kept)))
			}
		}
		kept = append(kept, string(buf))
		return nil
	})
	if err != nil {
		return err
	}
	var all []int32
	if len(j.keys) == 0 {
		for i := range kept {
			all = append(all, int32(i))
		}
	}
	matched := make([]bool, len(kept))
	nl, nr := len(j.l.cols), len(j.r.cols)
	row := make([]Value, nl+nr)
	err = j.l.each(ctx, outer, func(left []Value) error {
		copy(row, left)
		candidates := all
		if len(j.keys) > 0 {
			e.row = left
			k, ok, err := keyOf(key, j.keys, true, e)
			key = k
			if err != nil {
				return err
			}
			candidates = nil
			if ok {
				candidates = index[string(k)]
			}
		}
		found := false
		for n, i := range candidates {
			if n&1023 == 1023 && ctx.Err() != nil {
				return ctx.Err()
			}
			decodeRow(kept[i], row[nl:])
			e.row = row
			ok, err := allTrue(j.rest, e)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			found, matched[i] = true, true
			if err := f(row); err != nil {
				return err
			}
		}
		if !found && (j.kind == "LEFT" || j.kind == "FULL") {
			clear(row[nl:])
			return f(row)
		}
		return nil
	})
	if err != nil || j.kind != "RIGHT" && j.kind != "FULL" {
		return err
	}
	for i, m := range matched {
		if !m {
			clear(row[:nl])
			decodeRow(kept[i], row[nl:])
			if err := f(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// allTrue reports whether every condition is true (not NULL).
func allTrue(list []compiled, e *env) (bool, error) {
	for _, c := range list {
		v, err := c.eval(e)
		if err != nil || !v.isTrue() {
			return false, err
		}
	}
	return true, nil
}
