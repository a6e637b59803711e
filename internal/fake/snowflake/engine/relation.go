package engine

import (
	"context"

	"elt/internal/fake/snowflake/sql"
)

// relation finds what a table reference stands for.
func (s *Session) relation(ref any, sc *scope) (*relation, error) {
	switch r := ref.(type) {
	case *sql.TableRef:
		return s.named(r, sc)
	case *sql.SubRef:
		p, err := s.plan(r.Query, sc.ctes, sc.outer)
		if err != nil {
			return nil, err
		}
		cols := p.cols
		if len(r.Columns) > 0 {
			if len(r.Columns) != len(cols) {
				return nil, sql.Compile(2057, "42601", "'%s' declares %d column(s), but its query produces %d", r.Alias, len(r.Columns), len(cols))
			}
			cols = append([]OutColumn{}, cols...)
			for i := range cols {
				cols[i].Name = r.Columns[i]
			}
		}
		return planned(cols, alias(r.Alias), p.run), nil
	case *sql.StageRef:
		return s.stageRelation(r)
	case *sql.FuncRef:
		return s.tableFunction(r, sc)
	case *sql.Join:
		return s.join(r, sc)
	}
	return nil, sql.Unsupported("%T in FROM", ref)
}

func alias(a string) []string {
	if a == "" {
		return nil
	}
	return []string{a}
}

// planned is a relation of a query's rows.
func planned(cols []OutColumn, path []string, run func(context.Context, *env) ([]string, error)) *relation {
	r := &relation{}
	for _, c := range cols {
		r.cols = append(r.cols, relColumn{path: path, name: c.Name, t: c.Type, nullable: true})
	}
	r.each = func(ctx context.Context, outer *env, f func([]Value) error) error {
		var oe *env
		if outer != nil {
			oe = outer
		}
		rows, err := run(ctx, oe)
		if err != nil {
			return err
		}
		cells := make([]Value, len(cols))
		for i, row := range rows {
			if i&1023 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			decodeRow(row, cells)
			if err := f(cells); err != nil {
				return err
			}
		}
		return nil
	}
	return r
}

func (s *Session) named(r *sql.TableRef, sc *scope) (*relation, error) {
	if len(r.Name) == 1 {
		if c := sc.ctes[r.Name[0]]; c != nil {
			path := r.Name
			if r.Alias != "" {
				path = alias(r.Alias)
			}
			return planned(c.plan.cols, path, func(ctx context.Context, outer *env) ([]string, error) {
				if !c.done || c.plan.correlated {
					rows, err := c.plan.run(ctx, outer)
					if err != nil {
						return nil, err
					}
					c.rows, c.done = rows, true
				}
				return c.rows, nil
			}), nil
		}
	}
	if rel, ok, err := s.informationSchema(r); ok || err != nil {
		return rel, err
	}
	if rel, ok, err := s.view(r, sc); ok || err != nil {
		return rel, err
	}
	t, err := s.lookup(r.Name)
	if err != nil {
		return nil, err
	}
	path := []string{t.db, t.schema, t.name}
	if r.Alias != "" {
		path = alias(r.Alias)
	}
	return s.tableRelation(t, path), nil
}

func (s *Session) view(r *sql.TableRef, sc *scope) (*relation, bool, error) {
	db, sch, obj, err := s.full(r.Name, "SELECT")
	if err != nil {
		return nil, false, err
	}
	s.engine.mu.Lock()
	var v *view
	if d := s.engine.databases[db]; d != nil && d.schemas[sch] != nil && s.temporary[db+"."+sch+"."+obj] == nil {
		v = d.schemas[sch].views[obj]
	}
	s.engine.mu.Unlock()
	if v == nil {
		return nil, false, nil
	}
	p, err := s.plan(v.query, nil, nil)
	if err != nil {
		return nil, false, err
	}
	cols := append([]OutColumn{}, p.cols...)
	for i, n := range v.columns {
		cols[i].Name = n
	}
	path := []string{db, sch, obj}
	if r.Alias != "" {
		path = alias(r.Alias)
	}
	return planned(cols, path, p.run), true, nil
}

// reader decodes stored rows of a table into cells in the order of its columns.
func (t *table) reader() func(r *record, cells []Value) {
	wide := make([]Value, t.width)
	cols := append([]*column{}, t.columns...)
	straight := len(cols) == t.width
	for i, c := range cols {
		straight = straight && c.at == i
	}
	return func(r *record, cells []Value) {
		if straight {
			for n := decodeRow(r.data, cells); n < len(cols); n++ {
				cells[n] = cols[n].missing
			}
			return
		}
		n := decodeRow(r.data, wide)
		for i, c := range cols {
			if c.at < n {
				cells[i] = wide[c.at]
			} else {
				cells[i] = c.missing
			}
		}
	}
}

func (t *table) relColumns(path []string) (out []relColumn) {
	for _, c := range t.columns {
		out = append(out, relColumn{path: path, name: c.name, t: c.t, nullable: !c.notNull})
	}
	return out
}

func (s *Session) tableRelation(t *table, path []string) *relation {
	r := &relation{cols: t.relColumns(path)}
	r.each = func(ctx context.Context, _ *env, f func([]Value) error) error {
		read := t.reader()
		cells := make([]Value, len(t.columns))
		return s.scan(ctx, t, func(rec *record) error {
			read(rec, cells)
			return f(cells)
		})
	}
	return r
}

// tableFunction is TABLE(RESULT_SCAN(id)), TABLE(FLATTEN(…)) or TABLE(GENERATOR(…)).
func (s *Session) tableFunction(r *sql.FuncRef, sc *scope) (*relation, error) {
	if r.Call.Name != "RESULT_SCAN" || len(r.Call.Args) != 1 {
		return nil, sql.Unsupported("table function %s", r.Call.Name)
	}
	c, err := (&scope{s: s}).compile(r.Call.Args[0])
	if err != nil {
		return nil, err
	}
	id, err := c.eval(&env{})
	if err != nil {
		return nil, err
	}
	s.engine.mu.Lock()
	res := s.engine.results[id.Text()]
	s.engine.mu.Unlock()
	if res == nil {
		return nil, sql.Compile(707, "02000", "Result for query %s not found", id.Text())
	}
	return planned(res.Columns, alias(r.Alias), func(context.Context, *env) ([]string, error) { return res.Rows, nil }), nil
}
