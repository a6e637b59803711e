package engine

import (
	"context"
	"fmt"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

// queryPlan is a query ready to run; its rows come encoded.
type queryPlan struct {
	cols       []OutColumn
	correlated bool
	run        func(ctx context.Context, outer *env) ([]string, error)
}

// cte is a WITH entry: its rows, once computed.
type cte struct {
	plan *queryPlan
	rows []string
	done bool
}

// plan compiles a query. outer is the scope it stands in, if it is a sub-query.
func (s *Session) plan(q *sql.Query, ctes map[string]*cte, outer *scope) (*queryPlan, error) {
	if len(q.With) > 0 {
		all := map[string]*cte{}
		for k, v := range ctes {
			all[k] = v
		}
		for _, w := range q.With {
			p, err := s.plan(w.Query, all, outer)
			if err != nil {
				return nil, err
			}
			if len(w.Columns) > 0 {
				if len(w.Columns) != len(p.cols) {
					return nil, sql.Compile(2057, "42601", "View definition for '%s' declares %d column(s), but view query produces %d column(s).", w.Name, len(w.Columns), len(p.cols))
				}
				p.cols = append([]OutColumn{}, p.cols...)
				for i, n := range w.Columns {
					p.cols[i].Name = n
				}
			}
			all[w.Name] = &cte{plan: p}
		}
		ctes = all
	}
	sel, ok := q.Body.(*sql.Select)
	if ok {
		return s.planSelect(sel, q, ctes, outer)
	}
	p, err := s.planBody(q.Body, ctes, outer)
	if err != nil {
		return nil, err
	}
	return s.ordered(p, q, ctes, outer)
}

func (s *Session) planBody(body any, ctes map[string]*cte, outer *scope) (*queryPlan, error) {
	switch b := body.(type) {
	case *sql.Select:
		return s.planSelect(b, &sql.Query{}, ctes, outer)
	case *sql.Query:
		return s.plan(b, ctes, outer)
	case *sql.Values:
		return s.planValues(b, ctes, outer)
	case *sql.SetOp:
		return s.planSetOp(b, ctes, outer)
	}
	return nil, sql.Unsupported("query %T", body)
}

// ordered sorts and cuts the rows of a set operation or VALUES.
func (s *Session) ordered(p *queryPlan, q *sql.Query, ctes map[string]*cte, outer *scope) (*queryPlan, error) {
	if q.Order == nil && q.Limit == nil && q.Offset == nil {
		return p, nil
	}
	sc := &scope{s: s, ctes: ctes, outer: outer}
	for _, c := range p.cols {
		sc.cols = append(sc.cols, relColumn{name: c.Name, t: c.Type})
	}
	var keys []sortKey
	for _, o := range q.Order {
		k, err := sc.orderKey(o, func(i int) (sortKey, error) {
			if i >= len(p.cols) {
				return sortKey{}, sql.Compile(2006, "42601", "ORDER BY position %d is out of range", i+1)
			}
			return sortKey{eval: func(e *env) (Value, error) { return e.row[i], nil }, desc: o.Desc, nullsFirst: o.Nulls == 'f' || o.Nulls == 0 && o.Desc}, nil
		})
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	cut, err := sc.limits(q)
	if err != nil {
		return nil, err
	}
	inner := p.run
	out := *p
	out.run = func(ctx context.Context, oe *env) ([]string, error) {
		rows, err := inner(ctx, oe)
		if err != nil {
			return nil, err
		}
		e := &env{ctx: ctx, row: make([]Value, len(p.cols)), outer: oe}
		list := make([]sortable, len(rows))
		for i, r := range rows {
			decodeRow(r, e.row)
			list[i].row = r
			for _, k := range keys {
				v, err := k.eval(e)
				if err != nil {
					return nil, err
				}
				list[i].keys = append(list[i].keys, v)
			}
		}
		if err := sortRows(list, keys); err != nil {
			return nil, err
		}
		return cut(list, e)
	}
	return &out, nil
}

// orderKey compiles one ORDER BY key: a position, or an expression.
func (sc *scope) orderKey(o sql.Order, position func(int) (sortKey, error)) (sortKey, error) {
	if l, ok := o.X.(*sql.Lit); ok && l.Kind == 'n' {
		n := 0
		fmt.Sscanf(l.Text, "%d", &n)
		return position(n - 1)
	}
	return sc.sortKey(o)
}

// limits gives the function that applies LIMIT and OFFSET.
func (sc *scope) limits(q *sql.Query) (func([]sortable, *env) ([]string, error), error) {
	get := func(x sql.Expr) (evaluator, error) {
		if x == nil {
			return nil, nil
		}
		c, err := (&scope{s: sc.s}).compile(x)
		return c.eval, err
	}
	limit, err := get(q.Limit)
	if err != nil {
		return nil, err
	}
	offset, err := get(q.Offset)
	if err != nil {
		return nil, err
	}
	return func(list []sortable, e *env) ([]string, error) {
		from, n := 0, len(list)
		if offset != nil {
			v, err := offset(e)
			if err != nil {
				return nil, err
			}
			from = min(int(v.I), len(list))
		}
		if limit != nil {
			v, err := limit(e)
			if err != nil {
				return nil, err
			}
			if !v.IsNull() {
				n = int(v.I)
			}
		}
		list = list[from:min(from+n, len(list))]
		out := make([]string, len(list))
		for i := range list {
			out[i] = list[i].row
		}
		return out, nil
	}, nil
}

func (s *Session) planValues(v *sql.Values, ctes map[string]*cte, outer *scope) (*queryPlan, error) {
	sc := &scope{s: s, ctes: ctes, outer: outer}
	rows := make([][]compiled, len(v.Rows))
	p := &queryPlan{}
	types := make([]Type, len(v.Rows[0]))
	for i, r := range v.Rows {
		if len(r) != len(types) {
			return nil, sql.Compile(1003, "42601", "VALUES clause has rows of different lengths")
		}
		for j, x := range r {
			c, err := sc.compile(x)
			if err != nil {
				return nil, err
			}
			if types[j], err = common(types[j], c.t); err != nil {
				return nil, err
			}
			rows[i] = append(rows[i], c)
		}
	}
	for j, t := range types {
		p.cols = append(p.cols, OutColumn{Name: fmt.Sprintf("COLUMN%d", j+1), Type: t, Nullable: true})
		for i := range rows {
			rows[i][j] = sc.convert(rows[i][j], t)
		}
	}
	p.run = func(ctx context.Context, oe *env) ([]string, error) {
		out := make([]string, len(rows))
		e := &env{ctx: ctx, outer: oe}
		cells := make([]Value, len(types))
		for i, r := range rows {
			for j, c := range r {
				var err error
				if cells[j], err = c.eval(e); err != nil {
					return nil, err
				}
			}
			out[i] = string(encodeRow(nil, cells))
		}
		return out, nil
	}
	return p, nil
}

func (s *Session) planSetOp(b *sql.SetOp, ctes map[string]*cte, outer *scope) (*queryPlan, error) {
	l, err := s.planBody(b.L, ctes, outer)
	if err != nil {
		return nil, err
	}
	r, err := s.planBody(b.R, ctes, outer)
	if err != nil {
		return nil, err
	}
	if len(l.cols) != len(r.cols) {
		return nil, sql.Compile(1789, "42601", "invalid number of result columns for set operator input branches, expected %d, got %d in branch {2}", len(l.cols), len(r.cols))
	}
	p := &queryPlan{correlated: l.correlated || r.correlated}
	for i := range l.cols {
		t, err := common(l.cols[i].Type, r.cols[i].Type)
		if err != nil {
			return nil, err
		}
		p.cols = append(p.cols, OutColumn{Name: l.cols[i].Name, Type: t, Nullable: true})
	}
	p.run = func(ctx context.Context, oe *env) ([]string, error) {
		left, err := l.run(ctx, oe)
		if err != nil {
			return nil, err
		}
		right, err := r.run(ctx, oe)
		if err != nil {
			return nil, err
		}
		left, err = s.convertRows(left, l.cols, p.cols)
		if err == nil {
			right, err = s.convertRows(right, r.cols, p.cols)
		}
		if err != nil {
			return nil, err
		}
		if b.Op == "UNION" && b.All {
			return append(left, right...), nil
		}
		return setOperation(b.Op, left, right, len(p.cols)), nil
	}
	return p, nil
}

func (s *Session) convertRows(rows []string, from, to []OutColumn) ([]string, error) {
	same := true
	for i := range from {
		same = same && from[i].Type.K == to[i].Type.K
	}
	if same {
		return rows, nil
	}
	how := s.casting()
	out := make([]string, len(rows))
	cells := make([]Value, len(from))
	for i, r := range rows {
		decodeRow(r, cells)
		for j := range cells {
			var err error
			if cells[j], err = cast(cells[j], to[j].Type, how); err != nil {
				return nil, err
			}
		}
		out[i] = string(encodeRow(nil, cells))
	}
	return out, nil
}

func rowKey(r string, cells []Value) string {
	decodeRow(r, cells)
	var k []byte
	for _, v := range cells {
		k = groupKey(k, v)
	}
	return string(k)
}

func setOperation(op string, left, right []string, width int) []string {
	cells := make([]Value, width)
	other := map[string]bool{}
	for _, r := range right {
		other[rowKey(r, cells)] = true
	}
	if op == "UNION" {
		left = append(left, right...)
	}
	seen := map[string]bool{}
	var out []string
	for _, r := range left {
		k := rowKey(r, cells)
		if seen[k] || op == "EXCEPT" && other[k] || op == "INTERSECT" && !other[k] {
			continue
		}
		seen[k] = true
		out = append(out, r)
	}
	return out
}

// outputName is the name of an output column without an alias.
func outputName(x sql.Expr) string {
	switch x := x.(type) {
	case *sql.Col:
		return x.Name[len(x.Name)-1]
	case *sql.Dollar:
		return fmt.Sprintf("$%d", x.N)
	case *sql.Func:
		if x.Star {
			return x.Name + "(*)"
		}
		var args []string
		for _, a := range x.Args {
			args = append(args, outputName(a))
		}
		return x.Name + "(" + strings.Join(args, ", ") + ")"
	case *sql.Lit:
		if x.Kind == 's' {
			return "'" + strings.ToUpper(x.Text) + "'"
		}
		if x.Kind == '0' {
			return "NULL"
		}
		return x.Text
	case *sql.Cast:
		return outputName(x.X) + "::" + x.To.Name
	case *sql.Path:
		out := outputName(x.X)
		for _, st := range x.Steps {
			if n, ok := st.(string); ok {
				out += ":" + strings.ToUpper(n)
			}
		}
		return out
	case *sql.Binary:
		return outputName(x.L) + " " + x.Op + " " + outputName(x.R)
	}
	return "EXPR"
}
