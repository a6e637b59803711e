package engine

import (
	"context"

	"elt/internal/fake/snowflake/sql"
)

// merged counts what a MERGE did.
type merged struct{ inserted, updated, deleted, multi int64 }

func (s *Session) merge(ctx context.Context, tx *transaction, d *sql.Merge) (*Result, error) {
	n, err := s.mergeRows(ctx, tx, d, s.on("ERROR_ON_NONDETERMINISTIC_MERGE"))
	if err != nil {
		return nil, err
	}
	var names []string
	var list []int64
	for _, c := range []struct {
		do, name string
		n        int64
	}{{"INSERT", "number of rows inserted", n.inserted}, {"UPDATE", "number of rows updated", n.updated}, {"DELETE", "number of rows deleted", n.deleted}} {
		for _, b := range d.Branches {
			if b.Do == c.do {
				names, list = append(names, c.name), append(list, c.n)
				break
			}
		}
	}
	return counts(typeMerge, names, list...), nil
}

// branch is one compiled WHEN.
type branch struct {
	sql.Branch
	cond   *compiled
	set    []assignment
	values []compiled
	w      *writer
}

// merging runs MERGE, and UPDATE and DELETE as special cases of it.
type merging struct {
	s        *Session
	t        *table
	source   *relation
	both     *scope
	keys     []equiKey
	rest     []compiled
	branches []branch
	strict   bool // a row matched twice is error 100090
}

func (s *Session) mergeRows(ctx context.Context, tx *transaction, d *sql.Merge, strict bool) (n merged, err error) {
	t, err := s.lookup(d.Table)
	if err != nil {
		return n, err
	}
	for _, b := range d.Branches {
		if err := s.mayWrite(t, b.Do); err != nil {
			return n, err
		}
	}
	m := &merging{s: s, t: t, strict: strict}
	path := []string{t.db, t.schema, t.name}
	if d.Alias != "" {
		path = alias(d.Alias)
	}
	sc := &scope{s: s}
	if d.Source != nil {
		if m.source, err = s.relation(d.Source, sc); err != nil {
			return n, err
		}
		if m.source.positional != nil {
			return n, sql.Unsupported("a stage as source of DML without a SELECT around it")
		}
	} else { // UPDATE or DELETE without a second table: one empty row
		m.source = &relation{each: func(_ context.Context, _ *env, f func([]Value) error) error { return f(nil) }}
	}
	target := t.relColumns(path)
	ts, ss := &scope{s: s, cols: target}, &scope{s: s, cols: m.source.cols}
	m.both = &scope{s: s, cols: append(append([]relColumn{}, target...), m.source.cols...)}
	if m.keys, m.rest, err = equiKeys(d.On, ts, ss, m.both); err != nil {
		return n, err
	}
	if m.branches, err = m.compile(d, ss); err != nil {
		return n, err
	}
	if err := tx.lock(ctx, t); err != nil {
		return n, err
	}
	deleted, added, n, err := m.run(ctx)
	if err != nil {
		return n, err
	}
	tx.apply(t, deleted, added)
	return n, nil
}

func (m *merging) compile(d *sql.Merge, ss *scope) (out []branch, err error) {
	for _, b := range d.Branches {
		c := branch{Branch: b}
		in := m.both
		if !b.Matched {
			in = ss
		}
		if b.If != nil {
			x, err := in.compileAs(b.If, boolType)
			if err != nil {
				return nil, err
			}
			c.cond = &x
		}
		switch b.Do {
		case "UPDATE":
			if b.All {
				return nil, sql.Unsupported("UPDATE ALL BY NAME")
			}
			if c.set, err = m.s.assignments(m.t, b.Set, m.both); err != nil {
				return nil, err
			}
			if c.w, err = m.s.writer(m.t, nil); err != nil {
				return nil, err
			}
		case "INSERT":
			if b.All {
				return nil, sql.Unsupported("INSERT ALL BY NAME")
			}
			if c.w, err = m.s.writer(m.t, b.Columns); err != nil {
				return nil, err
			}
			if len(b.Values) != len(c.w.cols) {
				return nil, sql.Compile(2020, "21S01", "Insert value list does not match column list expecting %d but got %d", len(c.w.cols), len(b.Values))
			}
			for i, x := range b.Values {
				v, err := ss.compile(x)
				if err != nil {
					return nil, err
				}
				if err := implicit(v.t, c.w.cols[i]); err != nil {
					return nil, err
				}
				c.values = append(c.values, v)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// run reads the source into memory, then streams the target past it.
func (m *merging) run(ctx context.Context) (deleted, added []*record, n merged, err error) {
	var source []string
	index := map[string][]int32{}
	var all []int32
	e := &env{ctx: ctx}
	var buf, key []byte
	err = m.source.each(ctx, nil, func(row []Value) error {
		buf = encodeRow(buf, row)
		e.row = row
		if len(m.keys) > 0 {
			k, ok, err := keyOf(key, m.keys, false, e)
			key = k
			if err != nil {
				return err
			}
			if ok {
				index[string(k)] = append(index[string(k)], int32(len(source)))
			}
		} else {
			all = append(all, int32(len(source)))
		}
		source = append(source, string(buf))
		return nil
	})
	if err != nil {
		return
	}
	matched := make([]bool, len(source))
	nt := len(m.t.columns)
	row := make([]Value, nt+len(m.source.cols))
	read := m.t.reader()
	err = m.s.scan(ctx, m.t, func(rec *record) error {
		read(rec, row[:nt])
		candidates := all
		if len(m.keys) > 0 {
			e.row = row
			k, ok, err := keyOf(key, m.keys, true, e)
			key = k
			if err != nil || !ok {
				return err
			}
			candidates = index[string(k)]
		}
		done := 0
		var chosen *record
		for _, i := range candidates {
			decodeRow(source[i], row[nt:])
			e.row = row
			ok, err := allTrue(m.rest, e)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			matched[i] = true
			b, err := m.choose(true, e)
			if err != nil {
				return err
			}
			if b == nil {
				continue
			}
			if done++; done > 1 {
				if m.strict {
					return sql.Errorf(100090, "42P18", "Duplicate row detected during DML action\nRow Values: %s", m.rowText(row[:nt]))
				}
				if done == 2 {
					n.multi++
				}
				continue
			}
			if b.Do == "DELETE" {
				n.deleted++
				continue
			}
			n.updated++
			if chosen, err = m.updated(b, e, row); err != nil {
				return err
			}
		}
		if done > 0 {
			deleted = append(deleted, rec)
			if chosen != nil {
				added = append(added, chosen)
			}
		}
		return nil
	})
	if err != nil {
		return
	}
	if !m.inserts() {
		return
	}
	cells := make([]Value, len(m.source.cols))
	for i, r := range source {
		if i&1023 == 0 && ctx.Err() != nil {
			return nil, nil, n, ctx.Err()
		}
		if matched[i] {
			continue
		}
		decodeRow(r, cells)
		e.row = cells
		b, cerr := m.choose(false, e)
		if cerr != nil {
			return nil, nil, n, cerr
		}
		if b == nil {
			continue
		}
		vals := make([]Value, len(b.values))
		for j, v := range b.values {
			if vals[j], err = v.eval(e); err != nil {
				return
			}
		}
		rec, rerr := b.w.record(vals)
		if rerr != nil {
			return nil, nil, n, rerr
		}
		added = append(added, rec)
		n.inserted++
	}
	return
}

func (m *merging) inserts() bool {
	for _, b := range m.branches {
		if !b.Matched {
			return true
		}
	}
	return false
}

// choose finds the first branch whose condition holds.
func (m *merging) choose(matched bool, e *env) (*branch, error) {
	for i := range m.branches {
		b := &m.branches[i]
		if b.Matched != matched {
			continue
		}
		if b.cond != nil {
			v, err := b.cond.eval(e)
			if err != nil {
				return nil, err
			}
			if !v.isTrue() {
				continue
			}
		}
		return b, nil
	}
	return nil, nil
}

func (m *merging) updated(b *branch, e *env, row []Value) (*record, error) {
	out := append([]Value{}, row[:len(m.t.columns)]...)
	for _, a := range b.set {
		v, err := a.value.eval(e)
		if err != nil {
			return nil, err
		}
		out[a.at] = v
	}
	return b.w.record(out)
}

func (m *merging) rowText(row []Value) string {
	out := "["
	for i, v := range row {
		if i > 0 {
			out += ", "
		}
		switch {
		case v.IsNull():
			out += "NULL"
		case v.K == Text:
			out += `"` + v.S + `"`
		default:
			out += v.Text()
		}
	}
	return out + "]"
}
