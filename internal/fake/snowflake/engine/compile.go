package engine

import (
	"context"
	"reflect"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

// relColumn is a column of a relation in FROM.
type relColumn struct {
	path     []string // qualifier parts that may stand before the name: DB.SCHEMA.TABLE or an alias
	name     string
	t        Type
	nullable bool
	hidden   bool // of a USING join's right side
}

// groupSlot says that column i is GROUP BY key number key.
type groupSlot struct{ i, key int }

// relation is something rows come from. each reuses the slice it hands out.
type relation struct {
	cols []relColumn
	each func(ctx context.Context, outer *env, f func(row []Value) error) error
	// positional is the type of $1, $2 … of a stage, whose rows begin with the
	// metadata columns and have any number of fields.
	positional *Type
}

// env is what an expression reads while it is evaluated.
type env struct {
	ctx   context.Context
	row   []Value
	group []Value // GROUP BY keys
	aggs  []Value
	wins  []Value
	outer *env
}

// evaluator computes an expression.
type evaluator func(*env) (Value, error)

// compiled is an expression with its type.
type compiled struct {
	t     Type
	eval  evaluator
	konst bool // reads no row
}

// scope resolves names while an expression is compiled.
type scope struct {
	s          *Session
	cols       []relColumn
	positional *Type
	outer      *scope
	aliases    map[string]sql.Expr // output names, usable where no column has the name
	resolving  map[string]bool
	ctes       map[string]*cte
	usesOuter  *bool // set when a column of the outer query is read

	// Set while the output of an aggregated query is compiled.
	grouped    bool
	keys       []sql.Expr
	keyTypes   []Type
	groupSlots []groupSlot
	aggs       *[]*aggregate
	wins       *[]*window
}

func constant(v Value) compiled {
	t := typeOf(v)
	if v.K == Number {
		t.Prec = max(1, len(strings.TrimLeft(bigOf(v).String(), "-")))
		t.Prec = max(t.Prec, t.Scale)
	}
	if v.K == Text {
		t.Length = max(1, len([]rune(v.S)))
	}
	return compiled{t: t, konst: true, eval: func(*env) (Value, error) { return v, nil }}
}

func (sc *scope) casting() *casting { return sc.s.casting() }

func (sc *scope) compile(x sql.Expr) (compiled, error) {
	if sc.grouped {
		for i, k := range sc.keys {
			if reflect.DeepEqual(k, x) {
				i := i
				return compiled{t: sc.keyTypes[i], eval: func(e *env) (Value, error) { return e.group[i], nil }}, nil
			}
		}
	}
	switch x := x.(type) {
	case *sql.Lit:
		return literal(x)
	case *sql.Bind:
		if x.N < 1 || x.N > len(sc.s.binds) {
			return compiled{}, sql.Compile(2049, "42601", "Bind variable %d not set.", x.N)
		}
		return sc.compile(sc.s.binds[x.N-1])
	case Value:
		return constant(x), nil
	case *sql.Col:
		return sc.column(x)
	case *slot:
		if sc.grouped {
			return sc.column(&sql.Col{Name: append(append([]string{}, x.c.path...), x.c.name)})
		}
		return compiled{t: x.c.t, eval: func(e *env) (Value, error) { return e.row[x.i], nil }}, nil
	case *sql.Dollar:
		return sc.dollar(x)
	case *sql.Path:
		return sc.path(x)
	case *sql.Cast:
		return sc.cast(x)
	case *sql.Unary:
		return sc.unary(x)
	case *sql.Binary:
		return sc.binary(x)
	case *sql.IsNull:
		in, err := sc.compile(x.X)
		return compiled{t: boolType, konst: in.konst, eval: func(e *env) (Value, error) {
			v, err := in.eval(e)
			return boolean(v.IsNull() != x.Not), err
		}}, err
	case *sql.IsBool:
		in, err := sc.compileAs(x.X, boolType)
		return compiled{t: boolType, konst: in.konst, eval: func(e *env) (Value, error) {
			v, err := in.eval(e)
			return boolean((!v.IsNull() && v.isTrue() == x.True) != x.Not), err
		}}, err
	case *sql.Between:
		return sc.compile(between(x))
	case *sql.In:
		return sc.in(x)
	case *sql.Like:
		return sc.like(x)
	case *sql.Case:
		return sc.caseWhen(x)
	case *sql.Func:
		return sc.call(x)
	case *sql.Scalar:
		return sc.scalar(x)
	case *sql.Exists:
		return sc.exists(x)
	case *sql.Star:
		return compiled{}, sql.Compile(1003, "42000", "syntax error: unexpected '*'.")
	}
	return compiled{}, sql.Unsupported("expression %T", x)
}

func between(x *sql.Between) sql.Expr {
	e := sql.Expr(&sql.Binary{Op: "AND", L: &sql.Binary{Op: ">=", L: x.X, R: x.Low}, R: &sql.Binary{Op: "<=", L: x.X, R: x.High}})
	if x.Not {
		e = &sql.Unary{Op: "NOT", X: e}
	}
	return e
}

// compileAs compiles and converts implicitly.
func (sc *scope) compileAs(x sql.Expr, t Type) (compiled, error) {
	c, err := sc.compile(x)
	if err != nil {
		return c, err
	}
	return sc.convert(c, t), nil
}

// convert adds a cast where types differ.
func (sc *scope) convert(c compiled, t Type) compiled {
	if c.t == t {
		return c
	}
	how := sc.casting()
	in := c.eval
	return compiled{t: t, konst: c.konst, eval: func(e *env) (Value, error) {
		v, err := in(e)
		if err != nil {
			return v, err
		}
		return cast(v, t, how)
	}}
}

func literal(x *sql.Lit) (compiled, error) {
	switch x.Kind {
	case 'n':
		v, ok := parseNumber(x.Text)
		if !ok || v.Scale > 37 || !fits(v, 38) || strings.ContainsAny(x.Text, "eE") {
			f, err := toFloat(text(x.Text))
			return constant(f), err
		}
		return constant(v), nil
	case 's':
		return constant(text(x.Text)), nil
	case 'b':
		return constant(boolean(x.Text != "")), nil
	}
	return constant(null), nil
}

func (sc *scope) find(name []string) (int, error) {
	last, qualifier := name[len(name)-1], name[:len(name)-1]
	found := -1
	for i, c := range sc.cols {
		if c.name != last || len(qualifier) == 0 && c.hidden || !qualifies(c.path, qualifier) {
			continue
		}
		if found >= 0 {
			return 0, sql.Compile(2028, "42601", "ambiguous column name '%s'", last)
		}
		found = i
	}
	return found, nil
}

func qualifies(path, by []string) bool {
	if len(by) > len(path) {
		return false
	}
	for i := range by {
		if path[len(path)-len(by)+i] != by[i] {
			return false
		}
	}
	return true
}

func (sc *scope) column(x *sql.Col) (compiled, error) {
	i, err := sc.find(x.Name)
	if err != nil {
		return compiled{}, err
	}
	if i >= 0 {
		if sc.grouped {
			for _, g := range sc.groupSlots {
				if g.i == i {
					return compiled{t: sc.keyTypes[g.key], eval: func(e *env) (Value, error) { return e.group[g.key], nil }}, nil
				}
			}
			return compiled{}, sql.Compile(979, "42601", "'%s' in select clause is neither an aggregate nor in the group by clause.", strings.Join(append(append([]string{}, sc.cols[i].path[max(0, len(sc.cols[i].path)-1):]...), sc.cols[i].name), "."))
		}
		return compiled{t: sc.cols[i].t, eval: func(e *env) (Value, error) { return e.row[i], nil }}, nil
	}
	if len(x.Name) == 1 {
		if a, ok := sc.aliases[x.Name[0]]; ok && !sc.resolving[x.Name[0]] {
			sc.resolving[x.Name[0]] = true
			defer delete(sc.resolving, x.Name[0])
			return sc.compile(a)
		}
	}
	if sc.outer != nil {
		c, err := sc.outer.column(x)
		if err == nil {
			in := c.eval
			c.konst = false
			if sc.usesOuter != nil {
				*sc.usesOuter = true
			}
			c.eval = func(e *env) (Value, error) { return in(e.outer) }
		}
		return c, err
	}
	return compiled{}, sql.Compile(904, "42000", "error line 1 at position 0\ninvalid identifier '%s'", display(x.Name...))
}

func (sc *scope) dollar(x *sql.Dollar) (compiled, error) {
	if sc.positional != nil {
		i := x.N - 1 + len(sc.cols)
		return compiled{t: *sc.positional, eval: func(e *env) (Value, error) {
			if i < len(e.row) {
				return e.row[i], nil
			}
			return null, nil
		}}, nil
	}
	n := 0
	for i, c := range sc.cols {
		if x.Qualifier != "" && !qualifies(c.path, []string{x.Qualifier}) {
			continue
		}
		if n++; n == x.N {
			if sc.grouped {
				return compiled{}, sql.Compile(979, "42601", "'$%d' is not a valid group by expression", x.N)
			}
			i := i
			return compiled{t: c.t, eval: func(e *env) (Value, error) { return e.row[i], nil }}, nil
		}
	}
	return compiled{}, sql.Compile(904, "42000", "error line 1 at position 0\ninvalid identifier '$%d'", x.N)
}

func (sc *scope) path(x *sql.Path) (compiled, error) {
	base, err := sc.compile(x.X)
	if err != nil {
		return base, err
	}
	if !isVariant(base.t.K) && base.t.K != Null {
		return base, sql.Compile(1044, "42P13", "Invalid argument types for function 'GET': (%s, VARCHAR)", base.t)
	}
	type keyed struct {
		name string
		by   compiled
	}
	var steps []keyed
	konst := base.konst
	for _, s := range x.Steps {
		if name, ok := s.(string); ok {
			steps = append(steps, keyed{name: name})
			continue
		}
		by, err := sc.compile(s)
		if err != nil {
			return base, err
		}
		konst = konst && by.konst
		steps = append(steps, keyed{by: by})
	}
	return compiled{t: variantType, konst: konst, eval: func(e *env) (Value, error) {
		v, err := base.eval(e)
		for _, s := range steps {
			if err != nil || v.IsNull() {
				return null, err
			}
			if s.by.eval == nil {
				v = step(v, s.name)
				continue
			}
			var k Value
			if k, err = s.by.eval(e); err == nil {
				if k.K == Number {
					v = step(v, rescale(k, 0).I)
				} else {
					v = step(v, k.Text())
				}
			}
		}
		return v, err
	}}, nil
}

func (sc *scope) cast(x *sql.Cast) (compiled, error) {
	to, err := sc.s.resolve(x.To)
	if err != nil {
		return compiled{}, err
	}
	in, err := sc.compile(x.X)
	if err != nil {
		return in, err
	}
	if x.Try && in.t.K != Text && in.t.K != Null {
		return in, sql.Compile(1065, "22023", "Function TRY_CAST cannot be used with arguments of types %s and %s", in.t, to)
	}
	how, eval := sc.casting(), in.eval
	return compiled{t: to, konst: in.konst, eval: func(e *env) (Value, error) {
		v, err := eval(e)
		if err != nil {
			return v, err
		}
		// An explicit cast to VARCHAR(n) of a longer text fails like an implicit one.
		out, err := cast(v, to, how)
		if err != nil && x.Try {
			return null, nil
		}
		return out, err
	}}, nil
}
