package engine

import "elt/internal/fake/snowflake/sql"

// Functions whose result type depends on their arguments'.

// unify compiles expressions and brings them to one type.
func (sc *scope) unify(list []sql.Expr) ([]compiled, Type, error) {
	var out []compiled
	t := Type{}
	for _, x := range list {
		c, err := sc.compile(x)
		if err != nil {
			return nil, t, err
		}
		if t, err = common(t, c.t); err != nil {
			return nil, t, err
		}
		out = append(out, c)
	}
	for i := range out {
		out[i] = sc.convert(out[i], t)
	}
	return out, t, nil
}

func (sc *scope) coalesce(list []sql.Expr) (compiled, error) {
	args, t, err := sc.unify(list)
	if err != nil || len(args) == 0 {
		return compiled{}, err
	}
	konst := true
	for _, a := range args {
		konst = konst && a.konst
	}
	return compiled{t: t, konst: konst, eval: func(e *env) (Value, error) {
		for _, a := range args {
			v, err := a.eval(e)
			if err != nil || !v.IsNull() {
				return v, err
			}
		}
		return null, nil
	}}, nil
}

func (sc *scope) decode(args []sql.Expr) (compiled, error) {
	c := &sql.Case{}
	i := 1
	for ; i+1 < len(args); i += 2 {
		c.Whens = append(c.Whens, sql.When{If: &sql.Func{Name: "EQUAL_NULL", Args: []sql.Expr{args[0], args[i]}}, Then: args[i+1]})
	}
	if i < len(args) {
		c.Else = args[i]
	}
	return sc.caseWhen(c)
}

func (sc *scope) equalNull(x *sql.Func) (compiled, error) {
	if len(x.Args) != 2 {
		return compiled{}, sql.Compile(938, "22023", "not enough arguments for function [EQUAL_NULL], expected 2, got %d", len(x.Args))
	}
	l, r, err := sc.pair(x.Args[0], x.Args[1])
	return compiled{t: boolType, konst: l.konst && r.konst, eval: func(e *env) (Value, error) {
		a, err := l.eval(e)
		if err != nil {
			return null, err
		}
		b, err := r.eval(e)
		if err != nil || a.IsNull() || b.IsNull() {
			return boolean(a.IsNull() && b.IsNull()), err
		}
		n, err := compare(a, b)
		return boolean(n == 0), err
	}}, err
}

func (sc *scope) extreme(x *sql.Func) (compiled, error) {
	args, t, err := sc.unify(x.Args)
	least := x.Name[0] == 'L'
	ignore := len(x.Name) > 10
	return compiled{t: t, eval: func(e *env) (Value, error) {
		best := null
		for _, a := range args {
			v, err := a.eval(e)
			if err != nil {
				return null, err
			}
			if v.IsNull() {
				if ignore {
					continue
				}
				return null, nil
			}
			if best.IsNull() {
				best = v
				continue
			}
			n, err := compare(v, best)
			if err != nil {
				return null, err
			}
			if n < 0 == least && n != 0 {
				best = v
			}
		}
		return best, nil
	}}, err
}

func (sc *scope) concat(x *sql.Func) (compiled, error) {
	var args []compiled
	konst := true
	for _, a := range x.Args {
		c, err := sc.compileAs(a, textType)
		if err != nil {
			return c, err
		}
		konst = konst && c.konst
		args = append(args, c)
	}
	return compiled{t: textType, konst: konst, eval: func(e *env) (Value, error) {
		var b []byte
		for _, a := range args {
			v, err := a.eval(e)
			if err != nil || v.IsNull() {
				return null, err
			}
			b = append(b, v.S...)
		}
		return text(string(b)), nil
	}}, nil
}
