package engine

import (
	"sort"

	"elt/internal/fake/snowflake/sql"
)

// window is one window function of a query.
type window struct {
	name      string
	partition []compiled
	order     []sortKey
	agg       *aggregate
	args      []compiled
}

// sortKey is one key of an ORDER BY.
type sortKey struct {
	eval       evaluator
	desc       bool
	nullsFirst bool
}

type sortable struct {
	row  string
	keys []Value
	at   int
}

func (sc *scope) sortKey(o sql.Order) (sortKey, error) {
	c, err := sc.compile(o.X)
	return sortKey{c.eval, o.Desc, o.Nulls == 'f' || o.Nulls == 0 && o.Desc}, err
}

func sortRows(list []sortable, by []sortKey) (err error) {
	if len(by) == 0 {
		return nil
	}
	sort.SliceStable(list, func(i, j int) bool {
		n, e := compareKeys(list[i].keys, list[j].keys, by)
		if e != nil && err == nil {
			err = e
		}
		return n < 0
	})
	return err
}

func compareKeys(a, b []Value, by []sortKey) (int, error) {
	for k := range by {
		x, y := a[k], b[k]
		switch {
		case x.IsNull() && y.IsNull():
			continue
		case x.IsNull():
			return sign(by[k].nullsFirst), nil
		case y.IsNull():
			return -sign(by[k].nullsFirst), nil
		}
		n, err := compare(x, y)
		if err != nil {
			return 0, err
		}
		if n != 0 {
			if by[k].desc {
				n = -n
			}
			return n, nil
		}
	}
	return 0, nil
}

// sign is -1 for a NULL that comes first.
func sign(first bool) int {
	if first {
		return -1
	}
	return 1
}

func (sc *scope) window(x *sql.Func) (compiled, error) {
	if sc.wins == nil {
		return compiled{}, sql.Compile(2035, "42601", "Window function [%s] appears outside of SELECT, QUALIFY, and ORDER BY clauses.", x.Name)
	}
	inner := *sc
	inner.wins = nil
	w := &window{name: x.Name}
	for _, p := range x.Over.Partition {
		c, err := inner.compile(p)
		if err != nil {
			return c, err
		}
		w.partition = append(w.partition, c)
	}
	for _, o := range x.Over.Order {
		k, err := inner.sortKey(o)
		if err != nil {
			return compiled{}, err
		}
		w.order = append(w.order, k)
	}
	t := integerType
	switch x.Name {
	case "ROW_NUMBER", "RANK", "DENSE_RANK":
		if len(w.order) == 0 {
			return compiled{}, sql.Compile(2303, "42601", "Window function type [%s] requires ORDER BY in window specification", x.Name)
		}
	case "FIRST_VALUE", "LAST_VALUE", "LAG", "LEAD":
		for _, a := range x.Args {
			c, err := inner.compile(a)
			if err != nil {
				return c, err
			}
			w.args = append(w.args, c)
		}
		if len(w.args) == 0 {
			return compiled{}, sql.Compile(938, "22023", "not enough arguments for function [%s]", x.Name)
		}
		t = w.args[0].t
	default:
		if !isAggregate(x) {
			return compiled{}, sql.Unsupported("window function %s", x.Name)
		}
		if len(w.order) > 0 {
			return compiled{}, sql.Unsupported("running %s", x.Name)
		}
		var aggs []*aggregate
		one := inner
		one.aggs = &aggs
		plain := *x
		plain.Over = nil
		if _, err := one.aggregate(&plain); err != nil {
			return compiled{}, err
		}
		w.agg = aggs[0]
		t = w.agg.t
	}
	i := len(*sc.wins)
	*sc.wins = append(*sc.wins, w)
	return compiled{t: t, eval: func(e *env) (Value, error) { return e.wins[i], nil }}, nil
}

// run computes the window over rows; load makes row i the environment's.
func (w *window) run(n int, load func(i int) *env) ([]Value, error) {
	parts := map[string][]sortable{}
	var names []string
	for i := 0; i < n; i++ {
		e := load(i)
		var key []byte
		for _, p := range w.partition {
			v, err := p.eval(e)
			if err != nil {
				return nil, err
			}
			key = groupKey(key, v)
		}
		s := sortable{at: i}
		for _, k := range w.order {
			v, err := k.eval(e)
			if err != nil {
				return nil, err
			}
			s.keys = append(s.keys, v)
		}
		if _, ok := parts[string(key)]; !ok {
			names = append(names, string(key))
		}
		parts[string(key)] = append(parts[string(key)], s)
	}
	out := make([]Value, n)
	for _, name := range names {
		list := parts[name]
		if err := sortRows(list, w.order); err != nil {
			return nil, err
		}
		if err := w.fill(list, out, load); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (w *window) fill(list []sortable, out []Value, load func(int) *env) error {
	switch w.name {
	case "ROW_NUMBER":
		for i, s := range list {
			out[s.at] = integer(int64(i + 1))
		}
		return nil
	case "RANK", "DENSE_RANK":
		rank, dense := int64(0), int64(0)
		for i, s := range list {
			same := false
			if i > 0 {
				n, err := compareKeys(list[i-1].keys, s.keys, w.order)
				if err != nil {
					return err
				}
				same = n == 0
			}
			if !same {
				rank, dense = int64(i+1), dense+1
			}
			out[s.at] = integer(rank)
			if w.name == "DENSE_RANK" {
				out[s.at] = integer(dense)
			}
		}
		return nil
	}
	if w.agg != nil {
		acc := w.agg.start()
		for _, s := range list {
			if err := acc.add(load(s.at)); err != nil {
				return err
			}
		}
		v, err := acc.result(load(list[0].at))
		for _, s := range list {
			out[s.at] = v
		}
		return err
	}
	for i, s := range list {
		from := 0
		switch w.name {
		case "LAST_VALUE":
			from = len(list) - 1
		case "LAG", "LEAD":
			from = i - 1
			if w.name == "LEAD" {
				from = i + 1
			}
		}
		if from < 0 || from >= len(list) {
			continue
		}
		v, err := w.args[0].eval(load(list[from].at))
		if err != nil {
			return err
		}
		out[s.at] = v
	}
	return nil
}
