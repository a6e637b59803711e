package engine

import (
	"regexp"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

func (sc *scope) in(x *sql.In) (compiled, error) {
	if x.Sub != nil {
		return sc.inQuery(x)
	}
	var any sql.Expr
	for _, item := range x.List {
		eq := &sql.Binary{Op: "=", L: x.X, R: item}
		if any == nil {
			any = eq
		} else {
			any = &sql.Binary{Op: "OR", L: any, R: eq}
		}
	}
	if x.Not {
		any = &sql.Unary{Op: "NOT", X: any}
	}
	return sc.compile(any)
}

func (sc *scope) inQuery(x *sql.In) (compiled, error) {
	left := []sql.Expr{x.X}
	if r, ok := x.X.(*sql.Row); ok {
		left = r.Items
	}
	var ls []compiled
	for _, l := range left {
		c, err := sc.compile(l)
		if err != nil {
			return c, err
		}
		ls = append(ls, c)
	}
	q, err := sc.s.plan(x.Sub, sc.ctes, sc)
	if err != nil {
		return compiled{}, err
	}
	if len(q.cols) != len(ls) {
		return compiled{}, sql.Compile(2020, "21000", "invalid number of columns in IN sub-query")
	}
	run := sc.cached(q)
	return compiled{t: boolType, eval: func(e *env) (Value, error) {
		set, err := run(e)
		if err != nil {
			return null, err
		}
		var key []byte
		for i, l := range ls {
			v, err := l.eval(e)
			if err != nil || v.IsNull() {
				return null, err
			}
			if v, err = cast(v, q.cols[i].Type, nil); err != nil {
				return null, err
			}
			key = groupKey(key, v)
		}
		if set.has(key) {
			return boolean(!x.Not), nil
		}
		if set.nulls {
			return null, nil
		}
		return boolean(x.Not), nil
	}}, nil
}

// rowSet is the rows of a sub-query, as keys.
type rowSet struct {
	keys  map[string]bool
	nulls bool
	rows  []string
}

func (r *rowSet) has(key []byte) bool { return r.keys[string(key)] }

// cached runs a sub-query once if it does not read the outer row.
func (sc *scope) cached(q *queryPlan) func(*env) (*rowSet, error) {
	var kept *rowSet
	return func(e *env) (*rowSet, error) {
		if kept != nil && !q.correlated {
			return kept, nil
		}
		rows, err := q.run(e.ctx, e)
		if err != nil {
			return nil, err
		}
		set := &rowSet{keys: map[string]bool{}, rows: rows}
		cells := make([]Value, len(q.cols))
		for _, r := range rows {
			decodeRow(r, cells)
			var key []byte
			for _, v := range cells {
				set.nulls = set.nulls || v.IsNull()
				key = groupKey(key, v)
			}
			set.keys[string(key)] = true
		}
		kept = set
		return set, nil
	}
}

func (sc *scope) exists(x *sql.Exists) (compiled, error) {
	q, err := sc.s.plan(x.Sub, sc.ctes, sc)
	if err != nil {
		return compiled{}, err
	}
	run := sc.cached(q)
	return compiled{t: boolType, eval: func(e *env) (Value, error) {
		set, err := run(e)
		if err != nil {
			return null, err
		}
		return boolean(len(set.rows) > 0), nil
	}}, nil
}

func (sc *scope) scalar(x *sql.Scalar) (compiled, error) {
	q, err := sc.s.plan(x.Sub, sc.ctes, sc)
	if err != nil {
		return compiled{}, err
	}
	if len(q.cols) != 1 {
		return compiled{}, sql.Compile(2020, "21000", "Invalid sub-query: %d columns where one is expected", len(q.cols))
	}
	run := sc.cached(q)
	return compiled{t: q.cols[0].Type, eval: func(e *env) (Value, error) {
		set, err := run(e)
		if err != nil {
			return null, err
		}
		switch len(set.rows) {
		case 0:
			return null, nil
		case 1:
			cell := make([]Value, 1)
			decodeRow(set.rows[0], cell)
			return cell[0], nil
		}
		return null, sql.Errorf(90150, "22000", "Single-row subquery returns more than one row.")
	}}, nil
}

func (sc *scope) like(x *sql.Like) (compiled, error) {
	in, err := sc.compileAs(x.X, textType)
	if err != nil {
		return in, err
	}
	pattern, err := sc.compileAs(x.Pattern, textType)
	if err != nil {
		return in, err
	}
	esc := ""
	if l, ok := x.Escape.(*sql.Lit); ok {
		esc = l.Text
	}
	last, compiledLast := "", (*regexp.Regexp)(nil)
	return compiled{t: boolType, konst: in.konst && pattern.konst, eval: func(e *env) (Value, error) {
		v, err := in.eval(e)
		if err != nil || v.IsNull() {
			return null, err
		}
		p, err := pattern.eval(e)
		if err != nil || p.IsNull() {
			return null, err
		}
		if compiledLast == nil || p.S != last {
			re := "(?s)^(?:" + p.S + ")$"
			if x.Op != "RLIKE" {
				re = likePattern(p.S, esc, x.Op == "ILIKE")
			}
			if compiledLast, err = regexp.Compile(re); err != nil {
				return null, sql.Errorf(100048, "2201B", "Invalid regular expression: '%s'", p.S)
			}
			last = p.S
		}
		return boolean(compiledLast.MatchString(v.S) != x.Not), nil
	}}, nil
}

// likePattern translates % and _.
func likePattern(p, esc string, fold bool) string {
	var b strings.Builder
	b.WriteString("(?s)")
	if fold {
		b.WriteString("(?i)")
	}
	b.WriteByte('^')
	rs := []rune(p)
	for i := 0; i < len(rs); i++ {
		switch {
		case esc != "" && string(rs[i]) == esc && i+1 < len(rs):
			i++
			b.WriteString(regexp.QuoteMeta(string(rs[i])))
		case rs[i] == '%':
			b.WriteString(".*")
		case rs[i] == '_':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(rs[i])))
		}
	}
	b.WriteByte('$')
	return b.String()
}

func (sc *scope) caseWhen(x *sql.Case) (compiled, error) {
	type branch struct{ when, then compiled }
	var branches []branch
	t := Type{}
	add := func(c compiled) (err error) {
		t, err = common(t, c.t)
		return err
	}
	for _, w := range x.Whens {
		cond := w.If
		if x.X != nil {
			cond = &sql.Binary{Op: "=", L: x.X, R: w.If}
		}
		when, err := sc.compileAs(cond, boolType)
		if err != nil {
			return when, err
		}
		then, err := sc.compile(w.Then)
		if err != nil {
			return then, err
		}
		if err := add(then); err != nil {
			return then, err
		}
		branches = append(branches, branch{when, then})
	}
	otherwise := constant(null)
	if x.Else != nil {
		var err error
		if otherwise, err = sc.compile(x.Else); err != nil {
			return otherwise, err
		}
		if err := add(otherwise); err != nil {
			return otherwise, err
		}
	}
	for i := range branches {
		branches[i].then = sc.convert(branches[i].then, t)
	}
	otherwise = sc.convert(otherwise, t)
	return compiled{t: t, eval: func(e *env) (Value, error) {
		for _, b := range branches {
			v, err := b.when.eval(e)
			if err != nil {
				return null, err
			}
			if v.isTrue() {
				return b.then.eval(e)
			}
		}
		return otherwise.eval(e)
	}}, nil
}
