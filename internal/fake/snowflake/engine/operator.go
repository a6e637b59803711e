package engine

import (
	"elt/internal/fake/snowflake/sql"
)

func (sc *scope) unary(x *sql.Unary) (compiled, error) {
	if x.Op == "NOT" {
		in, err := sc.compileAs(x.X, boolType)
		return compiled{t: boolType, konst: in.konst, eval: func(e *env) (Value, error) {
			v, err := in.eval(e)
			if err != nil || v.IsNull() {
				return null, err
			}
			return boolean(!v.isTrue()), nil
		}}, err
	}
	return sc.compile(&sql.Binary{Op: "-", L: &sql.Lit{Kind: 'n', Text: "0"}, R: x.X})
}

func (sc *scope) binary(x *sql.Binary) (compiled, error) {
	switch x.Op {
	case "AND", "OR":
		return sc.logic(x)
	case "=", "<>", "<", "<=", ">", ">=":
		return sc.comparison(x)
	case "||":
		return sc.call(&sql.Func{Name: "CONCAT", Args: []sql.Expr{x.L, x.R}})
	}
	l, err := sc.compile(x.L)
	if err != nil {
		return l, err
	}
	r, err := sc.compile(x.R)
	if err != nil {
		return r, err
	}
	if l.t.K == Date && r.t.K == Number { // DATE ± days
		return compiled{t: l.t, konst: l.konst && r.konst, eval: func(e *env) (Value, error) {
			a, err := l.eval(e)
			b, err2 := r.eval(e)
			if err != nil || err2 != nil || a.IsNull() || b.IsNull() {
				return null, err
			}
			n := rescale(b, 0).I
			if x.Op == "-" {
				n = -n
			}
			a.I += n
			return a, nil
		}}, nil
	}
	numeric := func(c compiled) compiled {
		if c.t.K == Text || isVariant(c.t.K) || c.t.K == Null {
			t := Type{K: Number, Prec: 38, Scale: 5}
			if isVariant(c.t.K) {
				t = floatType
			}
			return sc.convert(c, t)
		}
		return c
	}
	l, r = numeric(l), numeric(r)
	if !isNumeric(l.t.K) || !isNumeric(r.t.K) {
		return l, sql.Compile(1044, "42P13", "Invalid argument types for function '%s': (%s, %s)", x.Op, l.t, r.t)
	}
	t := arithmeticType(x.Op, l.t, r.t)
	return compiled{t: t, konst: l.konst && r.konst, eval: func(e *env) (Value, error) {
		a, err := l.eval(e)
		if err != nil || a.IsNull() {
			return null, err
		}
		b, err := r.eval(e)
		if err != nil || b.IsNull() {
			return null, err
		}
		if t.K == Float {
			return floatArithmetic(x.Op, a.float(), b.float())
		}
		v, err := arithmetic(x.Op, a, b, t.Scale)
		if err == nil && !fits(v, 38) {
			return null, sql.Errorf(100132, "22003", "Number out of representable range: type FIXED[SB16](38,%d){nullable}, value %s", t.Scale, v.Text())
		}
		return v, err
	}}, nil
}

// arithmeticType follows docs.snowflake.com/en/sql-reference/operators-arithmetic.
func arithmeticType(op string, a, b Type) Type {
	if a.K == Float || b.K == Float {
		return floatType
	}
	switch op {
	case "*":
		return Type{K: Number, Prec: 38, Scale: min(a.Scale+b.Scale, max(a.Scale, b.Scale, 12))}
	case "/":
		return Type{K: Number, Prec: 38, Scale: max(a.Scale, min(a.Scale+6, 12))}
	}
	s := max(a.Scale, b.Scale)
	return Type{K: Number, Prec: min(38, max(a.Prec-a.Scale, b.Prec-b.Scale)+s+1), Scale: s}
}

func floatArithmetic(op string, a, b float64) (Value, error) {
	switch op {
	case "+":
		return float(a + b), nil
	case "-":
		return float(a - b), nil
	case "*":
		return float(a * b), nil
	case "/":
		if b == 0 {
			return null, errDivision
		}
		return float(a / b), nil
	}
	return null, sql.Unsupported("%% of floats")
}

func (sc *scope) logic(x *sql.Binary) (compiled, error) {
	l, err := sc.compileAs(x.L, boolType)
	if err != nil {
		return l, err
	}
	r, err := sc.compileAs(x.R, boolType)
	decides := x.Op == "OR" // the value that decides alone
	return compiled{t: boolType, konst: l.konst && r.konst, eval: func(e *env) (Value, error) {
		a, err := l.eval(e)
		if err != nil || !a.IsNull() && a.isTrue() == decides {
			return a, err
		}
		b, err := r.eval(e)
		if err != nil || !b.IsNull() && b.isTrue() == decides {
			return b, err
		}
		if a.IsNull() || b.IsNull() {
			return null, nil
		}
		return boolean(!decides), nil
	}}, err
}

func (sc *scope) comparison(x *sql.Binary) (compiled, error) {
	if lr, ok := x.L.(*sql.Row); ok {
		rr, ok := x.R.(*sql.Row)
		if !ok || len(rr.Items) != len(lr.Items) || x.Op != "=" {
			return compiled{}, sql.Unsupported("comparison of rows")
		}
		var all sql.Expr
		for i := range lr.Items {
			eq := &sql.Binary{Op: "=", L: lr.Items[i], R: rr.Items[i]}
			if all == nil {
				all = eq
			} else {
				all = &sql.Binary{Op: "AND", L: all, R: eq}
			}
		}
		return sc.compile(all)
	}
	l, r, err := sc.pair(x.L, x.R)
	if err != nil {
		return l, err
	}
	op := x.Op
	return compiled{t: boolType, konst: l.konst && r.konst, eval: func(e *env) (Value, error) {
		a, err := l.eval(e)
		if err != nil || a.IsNull() {
			return null, err
		}
		b, err := r.eval(e)
		if err != nil || b.IsNull() {
			return null, err
		}
		n, err := compare(a, b)
		if err != nil {
			return null, err
		}
		return boolean(holds(op, n)), nil
	}}, nil
}

func holds(op string, n int) bool {
	switch op {
	case "=":
		return n == 0
	case "<>":
		return n != 0
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	}
	return n >= 0
}

// pair compiles two expressions that are compared; a constant is converted
// once, and types that do not go together are refused.
func (sc *scope) pair(a, b sql.Expr) (l, r compiled, err error) {
	if l, err = sc.compile(a); err != nil {
		return
	}
	if r, err = sc.compile(b); err != nil {
		return
	}
	return sc.match(l, r)
}

func (sc *scope) match(l, r compiled) (compiled, compiled, error) {
	if l.t.K == r.t.K || l.t.K == Null || r.t.K == Null || isNumeric(l.t.K) && isNumeric(r.t.K) || isVariant(l.t.K) || isVariant(r.t.K) {
		return l, r, nil
	}
	if l.t.K == Text {
		return sc.convert(l, comparable(r.t)), r, nil
	}
	if r.t.K == Text {
		return l, sc.convert(r, comparable(l.t)), nil
	}
	t, err := common(l.t, r.t)
	if err != nil {
		return l, r, sql.Compile(1044, "42P13", "Can not convert parameter of type [%s] into expected type [%s]", r.t, l.t)
	}
	return sc.convert(l, t), sc.convert(r, t), nil
}

// comparable is the type a string takes beside a type: numbers keep all digits.
func comparable(t Type) Type {
	if t.K == Number {
		return Type{K: Number, Prec: 38, Scale: max(t.Scale, 5)}
	}
	return t
}
