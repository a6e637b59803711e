package engine

import (
	"context"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

func (s *Session) alterTable(ctx context.Context, d *sql.AlterTable) (*Result, error) {
	done := status(typeDDL, "Statement executed successfully.")
	t, err := s.lookup(d.Name)
	if err != nil {
		if d.IfExists {
			return done, nil
		}
		return nil, err
	}
	// All actions or none: they work on copies of the columns.
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if s.engine.lacks(s.Role, "OWNERSHIP", t.fullName()) {
		return nil, insufficient("table", t.name)
	}
	draft := *t
	draft.columns = nil
	for _, c := range t.columns {
		cc := *c
		draft.columns = append(draft.columns, &cc)
	}
	for _, do := range d.Do {
		if err := s.alterOne(t, &draft, do); err != nil {
			return nil, err
		}
	}
	t.columns, t.width, t.primaryKey, t.comment = draft.columns, draft.width, draft.primaryKey, draft.comment
	return done, nil
}

func invalid(name string) error {
	return sql.Compile(904, "42000", "error line 1 at position 0\ninvalid identifier '%s'", display(name))
}

// alterOne applies an action to the draft; the engine's lock is held.
func (s *Session) alterOne(t, draft *table, do any) error {
	switch a := do.(type) {
	case *sql.AddColumn:
		if a.IfNotExists && draft.column(a.Column.Name) != nil {
			return nil
		}
		if a.Column.NotNull && a.Column.Default == nil && len(t.rows) > 0 {
			return sql.Compile(2055, "42601", "Non-nullable column '%s' cannot be added to non-empty table '%s' unless it has a non-null default value.", a.Column.Name, t.name)
		}
		if draft.column(a.Column.Name) != nil {
			return sql.Compile(1430, "42601", "column '%s' already exists", a.Column.Name)
		}
		mapping := NTZ
		switch strings.ToUpper(s.parameterLocked("TIMESTAMP_TYPE_MAPPING")) {
		case "TIMESTAMP_LTZ":
			mapping = LTZ
		case "TIMESTAMP_TZ":
			mapping = TZ
		}
		typ, err := resolve(a.Column.Type, mapping)
		if err != nil {
			return err
		}
		c := &column{name: a.Column.Name, t: typ, notNull: a.Column.NotNull, deflt: a.Column.Default, comment: a.Column.Comment, at: draft.width}
		if l, ok := a.Column.Default.(*sql.Lit); ok {
			x, err := literal(l)
			if err != nil {
				return err
			}
			v, _ := x.eval(nil)
			if c.missing, err = cast(v, typ, nil); err != nil {
				return err
			}
		} else if a.Column.Default != nil {
			return sql.Compile(2089, "0A000", "Invalid column default expression [%s]: ALTER TABLE ADD COLUMN takes constants only", outputName(a.Column.Default))
		}
		draft.columns = append(draft.columns, c)
		draft.width++
	case *sql.DropColumn:
		for i, c := range draft.columns {
			if c.name == a.Name {
				if len(draft.columns) == 1 {
					return sql.Compile(2262, "0A000", "Data cannot be stored in table '%s' without columns", t.name)
				}
				draft.columns = append(draft.columns[:i], draft.columns[i+1:]...)
				return nil
			}
		}
		if !a.IfExists {
			return sql.Compile(904, "42000", "column '%s' does not exist", display(a.Name))
		}
	case *sql.RenameColumn:
		c := draft.column(a.From)
		switch {
		case c == nil:
			return sql.Compile(904, "42000", "column '%s' does not exist", display(a.From))
		case draft.column(a.To) != nil:
			return sql.Compile(2025, "42S21", "column '%s' already exists", display(a.To))
		}
		c.name = a.To
		for i, k := range draft.primaryKey {
			if k == a.From {
				draft.primaryKey = append([]string{}, draft.primaryKey...)
				draft.primaryKey[i] = a.To
			}
		}
	case *sql.AlterColumn:
		c := draft.column(a.Name)
		if c == nil {
			return sql.Compile(904, "42000", "column '%s' does not exist", display(a.Name))
		}
		return alterColumn(c, t, a)
	case *sql.RenameTable:
		return s.rename(t, a.To)
	case *sql.SwapWith:
		return s.swap(t, draft, a.Other)
	case *sql.SetTable:
		for k, v := range a.Options {
			switch k {
			case "COMMENT":
				draft.comment, _ = v.(string)
			case "DATA_RETENTION_TIME_IN_DAYS", "CHANGE_TRACKING", "MAX_DATA_EXTENSION_TIME_IN_DAYS", "ENABLE_SCHEMA_EVOLUTION":
			default:
				return sql.Unsupported("ALTER TABLE SET %s", k)
			}
		}
	case *sql.DropPrimaryKey:
		draft.primaryKey = nil
	case *sql.AddPrimaryKey:
		for _, k := range a.Columns {
			if draft.column(k) == nil {
				return invalid(k)
			}
		}
		if draft.primaryKey != nil {
			return sql.Compile(2200, "42710", "Primary key already exists for table '%s'", t.name)
		}
		draft.primaryKey = a.Columns
	default:
		return sql.Unsupported("%T", do)
	}
	return nil
}

// alterColumn allows the changes of type that Snowflake allows: a longer text
// or binary, a number of higher precision (docs: ALTER TABLE … ALTER COLUMN).
func alterColumn(c *column, t *table, a *sql.AlterColumn) error {
	switch {
	case a.DropNotNull:
		c.notNull = false
	case a.SetNotNull:
		read := t.reader()
		cells := make([]Value, len(t.columns))
		for _, r := range t.rows {
			read(r, cells)
			for i, tc := range t.columns {
				if tc.name == c.name && cells[i].IsNull() {
					return sql.Compile(2108, "22000", "Column '%s' contains null values. Not null constraint cannot be added.", c.name)
				}
			}
		}
		c.notNull = true
	case a.DropDefault:
		c.deflt = nil
	case a.Comment != nil:
		c.comment = *a.Comment
	case a.Type != nil:
		to, err := resolve(*a.Type, NTZ)
		if err != nil {
			return err
		}
		ok := c.t.K == to.K
		switch to.K {
		case Number:
			ok = ok && c.t.Scale == to.Scale && narrowFits(c, t, to)
		case Text, Binary:
			ok = ok && to.Length >= c.t.Length
		case Time, NTZ, LTZ, TZ:
			ok = ok && to.Scale == c.t.Scale
		}
		if !ok {
			return sql.Compile(2108, "22000", "cannot change column %s from type %s to %s because %s", c.name, c.t, to, why(c.t, to))
		}
		c.t = to
	}
	return nil
}

func why(from, to Type) string {
	switch {
	case from.K != to.K:
		return "they have incompatible types."
	case from.K == Number && from.Scale != to.Scale:
		return "changing the scale of a number is not supported."
	case from.K == Number:
		return "reducing the precision is not possible for the values in the column."
	case from.K == Text || from.K == Binary:
		return "reducing the byte-length of a varchar is not supported."
	}
	return "they have incompatible types."
}

// narrowFits allows a lower precision where all values have it.
func narrowFits(c *column, t *table, to Type) bool {
	if to.Prec >= c.t.Prec {
		return true
	}
	read := t.reader()
	cells := make([]Value, len(t.columns))
	for _, r := range t.rows {
		read(r, cells)
		for i, tc := range t.columns {
			if tc.name == c.name && !cells[i].IsNull() && !fits(cells[i], to.Prec) {
				return false
			}
		}
	}
	return true
}

// rename moves a table; the lock is held.
func (s *Session) rename(t *table, to []string) error {
	db, sch, obj := t.db, t.schema, to[len(to)-1]
	if len(to) > 1 {
		sch = to[len(to)-2]
	}
	if len(to) > 2 {
		db = to[0]
	}
	at, err := s.schemaOf(db, sch)
	if err != nil {
		return err
	}
	if t.kind == "TEMPORARY" {
		delete(s.temporary, t.fullName())
		t.db, t.schema, t.name = db, sch, obj
		s.temporary[t.fullName()] = t
		return nil
	}
	if at.tables[obj] != nil {
		return exists(to...)
	}
	delete(s.engine.databases[t.db].schemas[t.schema].tables, t.name)
	t.db, t.schema, t.name = db, sch, obj
	at.tables[obj] = t
	return nil
}

// swap exchanges two tables' contents and definitions; each keeps its name.
func (s *Session) swap(t, draft *table, name []string) error {
	other, err := s.table(name)
	if err != nil {
		return err
	}
	if (t.kind == "TEMPORARY") != (other.kind == "TEMPORARY") {
		return sql.Compile(2119, "0A000", "Cannot swap a temporary table with one that is not.")
	}
	tables := func(x *table) map[string]*table {
		if x.kind == "TEMPORARY" {
			return nil
		}
		return s.engine.databases[x.db].schemas[x.schema].tables
	}
	tk, ok := t.fullName(), other.fullName()
	a, b := tables(t), tables(other)
	t.db, t.schema, t.name, other.db, other.schema, other.name = other.db, other.schema, other.name, t.db, t.schema, t.name
	if a == nil {
		s.temporary[tk], s.temporary[ok] = other, t
		return nil
	}
	a[other.name], b[t.name] = other, t
	return nil
}

func (s *Session) comment(d *sql.Comment) (*Result, error) {
	done := status(typeDDL, "Statement executed successfully.")
	name := d.Name
	col := ""
	if d.What == "COLUMN" {
		if len(name) < 2 {
			return nil, invalid(name[0])
		}
		name, col = name[:len(name)-1], name[len(name)-1]
	}
	if d.What == "TABLE" || d.What == "COLUMN" {
		t, err := s.lookup(name)
		if err != nil {
			if d.IfExists {
				return done, nil
			}
			return nil, err
		}
		s.engine.mu.Lock()
		defer s.engine.mu.Unlock()
		if col == "" {
			t.comment = d.Text
			return done, nil
		}
		c := t.column(col)
		if c == nil {
			return nil, invalid(col)
		}
		c.comment = d.Text
		return done, nil
	}
	if d.What == "SCHEMA" {
		db := s.Database
		if len(name) == 2 {
			db = name[0]
		}
		s.engine.mu.Lock()
		defer s.engine.mu.Unlock()
		at, err := s.schemaOf(db, name[len(name)-1])
		if err != nil {
			return nil, err
		}
		at.comment = d.Text
		return done, nil
	}
	return nil, sql.Unsupported("COMMENT ON %s", d.What)
}

func (s *Session) alter(d *sql.Alter) (*Result, error) {
	return nil, sql.Unsupported("ALTER %s %s", d.What, d.Action)
}
