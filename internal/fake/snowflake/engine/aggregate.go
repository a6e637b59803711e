package engine

import (
	"strings"

	"elt/internal/fake/snowflake/sql"
)

// aggregate is one aggregate function of a query.
type aggregate struct {
	name     string
	args     []compiled
	distinct bool
	order    []sortKey
	t        Type
}

func isAggregate(x *sql.Func) bool {
	switch x.Name {
	case "COUNT", "SUM", "MIN", "MAX", "AVG", "COUNT_IF", "ANY_VALUE", "LISTAGG", "ARRAY_AGG", "BOOLOR_AGG", "BOOLAND_AGG", "MAX_BY", "MIN_BY", "APPROX_COUNT_DISTINCT":
		return true
	}
	return false
}

func (sc *scope) aggregate(x *sql.Func) (compiled, error) {
	if sc.aggs == nil {
		return compiled{}, sql.Compile(2035, "42601", "Invalid aggregate function in this position: [%s]", x.Name)
	}
	inner := *sc
	inner.grouped, inner.aggs, inner.wins = false, nil, nil
	a := &aggregate{name: x.Name, distinct: x.Distinct}
	if !x.Star {
		for _, arg := range x.Args {
			c, err := inner.compile(arg)
			if err != nil {
				return c, err
			}
			a.args = append(a.args, c)
		}
		if len(a.args) == 0 {
			return compiled{}, sql.Compile(938, "22023", "not enough arguments for function [%s()], expected 1, got 0", x.Name)
		}
	}
	for _, o := range x.Order {
		k, err := inner.sortKey(o)
		if err != nil {
			return compiled{}, err
		}
		a.order = append(a.order, k)
	}
	if err := a.resultType(); err != nil {
		return compiled{}, err
	}
	i := len(*sc.aggs)
	*sc.aggs = append(*sc.aggs, a)
	return compiled{t: a.t, eval: func(e *env) (Value, error) { return e.aggs[i], nil }}, nil
}

func (a *aggregate) resultType() error {
	switch a.name {
	case "COUNT", "COUNT_IF", "APPROX_COUNT_DISTINCT":
		a.t = Type{K: Number, Prec: 18}
	case "SUM", "AVG":
		in := a.args[0].t
		switch {
		case in.K == Number && a.name == "SUM":
			a.t = Type{K: Number, Prec: 38, Scale: in.Scale}
		case in.K == Number:
			a.t = Type{K: Number, Prec: 38, Scale: min(max(in.Scale+6, 6), 12)}
		case in.K == Float || isVariant(in.K):
			a.t = floatType
		default:
			return sql.Unsupported("%s of %s", a.name, in)
		}
	case "LISTAGG":
		a.t = textType
	case "ARRAY_AGG":
		a.t = Type{K: Array}
	case "BOOLOR_AGG", "BOOLAND_AGG":
		a.t = boolType
	default:
		a.t = a.args[0].t
	}
	return nil
}

// accumulator is an aggregate's state in one group.
type accumulator struct {
	a     *aggregate
	n     int64
	best  Value
	by    Value
	seen  map[string]bool
	items []Value
	list  []sortable
}

func (a *aggregate) start() *accumulator {
	acc := &accumulator{a: a}
	if a.distinct || a.name == "APPROX_COUNT_DISTINCT" {
		acc.seen = map[string]bool{}
	}
	return acc
}

func (c *accumulator) add(e *env) error {
	if len(c.a.args) == 0 { // COUNT(*)
		c.n++
		return nil
	}
	v, err := c.a.args[0].eval(e)
	if err != nil {
		return err
	}
	if v.IsNull() && c.a.name != "ANY_VALUE" {
		return nil
	}
	if c.seen != nil {
		var key []byte
		for _, arg := range c.a.args[:max(1, len(c.a.args))] {
			if c.a.name == "LISTAGG" {
				key = groupKey(key, v)
				break
			}
			w, err := arg.eval(e)
			if err != nil {
				return err
			}
			key = groupKey(key, w)
		}
		if c.seen[string(key)] {
			return nil
		}
		c.seen[string(key)] = true
	}
	c.n++
	switch c.a.name {
	case "SUM", "AVG":
		if c.a.t.K == Float {
			f, err := toFloat(v)
			if isVariant(v.K) {
				f, err = cast(v, floatType, nil)
			}
			if err != nil {
				return err
			}
			c.best = float(c.best.float() + f.float())
			return nil
		}
		if c.best.IsNull() {
			c.best = v
			return nil
		}
		c.best, err = arithmetic("+", c.best, v, 0)
		return err
	case "MIN", "MAX":
		if c.best.IsNull() {
			c.best = v
			return nil
		}
		n, err := compare(v, c.best)
		if err == nil && (n < 0) == (c.a.name == "MIN") && n != 0 {
			c.best = v
		}
		return err
	case "MIN_BY", "MAX_BY":
		by, err := c.a.args[1].eval(e)
		if err != nil || by.IsNull() {
			return err
		}
		n := 1
		if !c.by.IsNull() {
			if n, err = compare(by, c.by); err != nil {
				return err
			}
			if c.a.name == "MIN_BY" {
				n = -n
			}
		}
		if n > 0 {
			c.best, c.by = v, by
		}
	case "ANY_VALUE":
		if c.best.IsNull() {
			c.best = v
		}
	case "COUNT_IF":
		if !v.isTrue() {
			c.n--
		}
	case "BOOLOR_AGG", "BOOLAND_AGG":
		b, err := cast(v, boolType, nil)
		if err != nil {
			return err
		}
		if c.best.IsNull() || b.isTrue() == (c.a.name == "BOOLOR_AGG") {
			c.best = b
		}
	case "LISTAGG", "ARRAY_AGG":
		keys := make([]Value, len(c.a.order))
		for i, k := range c.a.order {
			if keys[i], err = k.eval(e); err != nil {
				return err
			}
		}
		c.list = append(c.list, sortable{row: string(appendValue(nil, v)), keys: keys})
	}
	return nil
}

func (c *accumulator) result(e *env) (Value, error) {
	switch c.a.name {
	case "COUNT", "COUNT_IF", "APPROX_COUNT_DISTINCT":
		return integer(c.n), nil
	case "SUM":
		if c.n == 0 {
			return null, nil
		}
		return c.best, nil
	case "AVG":
		if c.n == 0 {
			return null, nil
		}
		if c.a.t.K == Float {
			return float(c.best.float() / float64(c.n)), nil
		}
		return arithmetic("/", c.best, integer(c.n), c.a.t.Scale)
	case "LISTAGG", "ARRAY_AGG":
		if err := sortRows(c.list, c.a.order); err != nil {
			return null, err
		}
		sep := ""
		if len(c.a.args) > 1 {
			v, err := c.a.args[1].eval(e)
			if err != nil {
				return null, err
			}
			sep = v.Text()
		}
		var parts []string
		list := []any{}
		for _, it := range c.list {
			v, _ := readValue(it.row)
			parts = append(parts, v.Text())
			list = append(list, tree(toVariant(v)))
		}
		if c.a.name == "ARRAY_AGG" {
			return Value{K: Array, X: list}, nil
		}
		return text(strings.Join(parts, sep)), nil
	}
	return c.best, nil
}
