package engine

import (
	"context"

	"elt/internal/fake/snowflake/sql"
)

// writer makes stored rows of a table: it casts to the columns' types, checks
// NOT NULL, and fills what is not given with defaults.
type writer struct {
	s     *Session
	t     *table
	cols  []*column // that are given, in the order of the cells
	how   *casting
	fill  []filled
	wide  []Value
	buf   []byte
	given []int // places of cols
}

type filled struct {
	c    *column
	eval evaluator
}

func (s *Session) writer(t *table, names []string) (*writer, error) {
	w := &writer{s: s, t: t, how: s.casting(), wide: make([]Value, t.width)}
	if names == nil {
		w.cols = t.columns
	}
	seen := map[string]bool{}
	for _, n := range names {
		c := t.column(n)
		if c == nil {
			return nil, sql.Compile(904, "42000", "error line 1 at position 0\ninvalid identifier '%s'", display(n))
		}
		if seen[n] {
			return nil, sql.Compile(2025, "42S21", "duplicate column name '%s'", n)
		}
		seen[n] = true
		w.cols = append(w.cols, c)
	}
	for _, c := range w.cols {
		w.given = append(w.given, c.at)
	}
	if names == nil {
		return w, nil
	}
	for _, c := range t.columns {
		if seen[c.name] {
			continue
		}
		f := filled{c: c}
		if c.deflt != nil {
			x, err := (&scope{s: s}).compileAs(c.deflt, c.t)
			if err != nil {
				return nil, err
			}
			f.eval = x.eval
		}
		w.fill = append(w.fill, f)
	}
	return w, nil
}

// record makes a row; cells are in the order of the writer's columns.
func (w *writer) record(cells []Value) (*record, error) {
	if len(w.cols) < len(w.wide) {
		clear(w.wide)
	}
	for i, c := range w.cols {
		v, err := w.cell(c, cells[i])
		if err != nil {
			return nil, err
		}
		w.wide[w.given[i]] = v
	}
	for _, f := range w.fill {
		v := null
		var err error
		switch {
		case f.eval != nil:
			if v, err = f.eval(&env{}); err != nil {
				return nil, err
			}
		case f.c.identity:
			w.s.engine.mu.Lock()
			w.t.identity++
			v = integer(w.t.identity)
			w.s.engine.mu.Unlock()
		}
		if v, err = w.cell(f.c, v); err != nil {
			return nil, err
		}
		w.wide[f.c.at] = v
	}
	w.buf = encodeRow(w.buf, w.wide)
	return &record{string(w.buf)}, nil
}

func (w *writer) cell(c *column, v Value) (Value, error) {
	v, err := store(v, c.t, w.how)
	if err != nil {
		return v, err
	}
	if v.IsNull() && c.notNull {
		return v, sql.Errorf(100072, "22000", "NULL result in a non-nullable column")
	}
	return v, nil
}

// store is the cast a column applies.
func store(v Value, t Type, how *casting) (Value, error) {
	if v.K == Number && t.K == Number && int(v.Scale) == t.Scale && v.X == nil && t.Prec >= 19 {
		return v, nil
	}
	return cast(v, t, how)
}

// implicit refuses what is not converted implicitly (002023), as a string
// constant into VARIANT in VALUES: that needs PARSE_JSON and SELECT.
func implicit(from Type, to *column) error {
	bad := false
	switch {
	case from.K == Null || from.K == to.t.K:
	case to.t.K == Variant:
		bad = from.K == Text || from.K == Binary
	case to.t.K == Object, to.t.K == Array:
		bad = !isVariant(from.K)
	case to.t.K == Binary:
		bad = from.K != Text && !isVariant(from.K)
	case isTimestamp(to.t.K) || to.t.K == Date || to.t.K == Time:
		bad = from.K == Bool || isNumeric(from.K) || from.K == Binary
	case isNumeric(to.t.K):
		bad = isTimestamp(from.K) || from.K == Date || from.K == Time || from.K == Binary || from.K == Bool
	}
	if bad {
		return sql.Compile(2023, "22000", "Expression type does not match column data type, expecting %s but got %s for column %s", to.t, from, to.name)
	}
	return nil
}

func (s *Session) mayWrite(t *table, privilege string) error {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if s.engine.lacks(s.Role, privilege, t.fullName()) {
		return insufficient("table", t.name)
	}
	return nil
}

func (s *Session) insert(ctx context.Context, tx *transaction, d *sql.Insert) (*Result, error) {
	t, err := s.lookup(d.Table)
	if err != nil {
		return nil, err
	}
	if err := s.mayWrite(t, "INSERT"); err != nil {
		return nil, err
	}
	w, err := s.writer(t, d.Columns)
	if err != nil {
		return nil, err
	}
	var deleted []*record
	if d.Overwrite {
		if err := tx.lock(ctx, t); err != nil {
			return nil, err
		}
	}
	var added []*record
	if v, ok := d.Query.Body.(*sql.Values); ok {
		if err := noFunctions(v); err != nil {
			return nil, err
		}
	}
	each := func() error {
		p, err := s.plan(d.Query, nil, nil)
		if err != nil {
			return err
		}
		if len(p.cols) != len(w.cols) {
			return sql.Compile(2020, "21S01", "Insert value list does not match column list expecting %d but got %d", len(w.cols), len(p.cols))
		}
		for i, c := range p.cols {
			if err := implicit(c.Type, w.cols[i]); err != nil {
				return err
			}
		}
		rows, err := p.run(ctx, nil)
		if err != nil {
			return err
		}
		cells := make([]Value, len(p.cols))
		for i, r := range rows {
			if i&1023 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			decodeRow(r, cells)
			rec, err := w.record(cells)
			if err != nil {
				return err
			}
			added = append(added, rec)
		}
		return nil
	}
	if s.bindRows == nil {
		err = each()
	} else {
		for _, row := range s.bindRows { // array binding: one row of values at a time
			s.binds = row
			if err = each(); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if d.Overwrite {
		err = s.scan(ctx, t, func(r *record) error { deleted = append(deleted, r); return nil })
		if err != nil {
			return nil, err
		}
	}
	tx.apply(t, deleted, added)
	return counts(typeInsert, []string{"number of rows inserted"}, int64(len(added))), nil
}

// noFunctions refuses in VALUES what Snowflake refuses there: semi-structured functions.
func noFunctions(v *sql.Values) error {
	for _, r := range v.Rows {
		for _, x := range r {
			if f, ok := x.(*sql.Func); ok {
				switch f.Name {
				case "PARSE_JSON", "TRY_PARSE_JSON", "TO_VARIANT", "ARRAY_CONSTRUCT", "OBJECT_CONSTRUCT", "TO_OBJECT", "TO_ARRAY":
					return sql.Compile(2014, "22000", "Invalid expression [%s] in VALUES clause", outputName(x))
				}
			}
			if c, ok := x.(*sql.Cast); ok && c.To.Name == "VARIANT" {
				return sql.Compile(2014, "22000", "Invalid expression [%s] in VALUES clause", outputName(x))
			}
		}
	}
	return nil
}

// assignment is one compiled SET.
type assignment struct {
	at    int // in the table's columns
	c     *column
	value compiled
}

func (s *Session) assignments(t *table, set []sql.Assign, sc *scope) ([]assignment, error) {
	var out []assignment
	for _, a := range set {
		c := t.column(a.Column)
		if c == nil {
			return nil, sql.Compile(904, "42000", "error line 1 at position 0\ninvalid identifier '%s'", display(a.Column))
		}
		x := a.X
		if x == nil {
			if x = c.deflt; x == nil {
				x = &sql.Lit{Kind: '0'}
			}
		}
		v, err := sc.compile(x)
		if err != nil {
			return nil, err
		}
		if err := implicit(v.t, c); err != nil {
			return nil, err
		}
		as := assignment{c: c, value: v}
		for i := range t.columns {
			if t.columns[i] == c {
				as.at = i
			}
		}
		out = append(out, as)
	}
	return out, nil
}

func (s *Session) update(ctx context.Context, tx *transaction, d *sql.Update) (*Result, error) {
	m := &sql.Merge{Table: d.Table, Alias: d.Alias, Source: d.From, On: d.Where, Branches: []sql.Branch{{Matched: true, Do: "UPDATE", Set: d.Set}}}
	n, err := s.mergeRows(ctx, tx, m, s.on("ERROR_ON_NONDETERMINISTIC_UPDATE"))
	if err != nil {
		return nil, err
	}
	res := counts(typeUpdate, []string{"number of rows updated", "number of multi-joined rows updated"}, n.updated, n.multi)
	res.Changed = n.updated
	return res, nil
}

func (s *Session) delete(ctx context.Context, tx *transaction, d *sql.Delete) (*Result, error) {
	m := &sql.Merge{Table: d.Table, Alias: d.Alias, Source: d.Using, On: d.Where, Branches: []sql.Branch{{Matched: true, Do: "DELETE"}}}
	n, err := s.mergeRows(ctx, tx, m, false)
	if err != nil {
		return nil, err
	}
	return counts(typeDelete, []string{"number of rows deleted"}, n.deleted), nil
}
