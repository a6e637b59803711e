package engine

import (
	"context"

	"elt/internal/fake/snowflake/sql"
)

func exists(name ...string) error {
	return sql.Compile(2002, "42710", "Object '%s' already exists.", display(name...))
}

func (s *Session) createTable(ctx context.Context, d *sql.CreateTable) (*Result, error) {
	db, sch, obj, err := s.full(d.Name, "CREATE TABLE")
	if err != nil {
		return nil, err
	}
	t := &table{db: db, schema: sch, name: obj, kind: d.Kind, comment: d.Comment, loaded: map[string]loadedFile{}, created: s.engine.now(), primaryKey: d.PrimaryKey}
	var rows []*record
	switch {
	case d.Like != nil, d.Clone != nil:
		from, err := s.lookup(append(d.Like, d.Clone...))
		if err != nil {
			return nil, err
		}
		for _, c := range from.columns {
			cc := *c
			t.columns = append(t.columns, &cc)
		}
		t.width, t.primaryKey = from.width, from.primaryKey
		if d.Clone != nil {
			if from.kind == "TEMPORARY" && d.Kind == "" || from.kind == "TRANSIENT" && d.Kind == "" {
				return nil, sql.Compile(2119, "0A000", "Temp table or transient table cannot be cloned to a permanent table; to transform table '%s' use CREATE TABLE AS SELECT.", from.name)
			}
			committed, _, _ := s.rows(from)
			rows = append(rows, committed...)
		}
	case d.As != nil:
		if rows, err = s.createAs(ctx, t, d); err != nil {
			return nil, err
		}
	default:
		for _, c := range d.Columns {
			if err := s.addColumn(t, c); err != nil {
				return nil, err
			}
		}
	}
	for _, k := range t.primaryKey {
		c := t.column(k)
		if c == nil {
			return nil, sql.Compile(904, "42000", "error line 1 at position 0\ninvalid identifier '%s'", display(k))
		}
		c.notNull = true
	}
	t.rows = rows
	t.stage = s.engine.newStage()
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	at, err := s.schemaOf(db, sch)
	if err != nil {
		return nil, err
	}
	key := db + "." + sch + "." + obj
	old := at.tables[obj]
	if d.Kind == "TEMPORARY" {
		old = s.temporary[key]
	} else if s.engine.lacks(s.Role, "CREATE TABLE", db+"."+sch) {
		return nil, insufficient("schema", sch)
	}
	if old == nil && at.views[obj] != nil && d.Kind != "TEMPORARY" {
		return nil, exists(obj)
	}
	if old != nil {
		switch {
		case d.IfNotExists:
			return status(typeDDL, display(obj)+" already exists, statement succeeded."), nil
		case !d.Replace:
			return nil, exists(d.Name...)
		}
		old.dropped = true
		old.stage.drop()
	}
	if d.Kind == "TEMPORARY" {
		s.temporary[key] = t
	} else {
		at.tables[obj] = t
	}
	return status(typeDDL, "Table "+obj+" successfully created."), nil
}

func (s *Session) createAs(ctx context.Context, t *table, d *sql.CreateTable) ([]*record, error) {
	p, err := s.plan(d.As, nil, nil)
	if err != nil {
		return nil, err
	}
	if len(d.Columns) > 0 && len(d.Columns) != len(p.cols) {
		return nil, sql.Compile(2026, "42601", "Invalid column definition list")
	}
	for i, c := range p.cols {
		def := sql.ColumnDef{Name: c.Name}
		col := &column{name: c.Name, t: c.Type, at: i}
		if len(d.Columns) > 0 {
			def = d.Columns[i]
			col.name, col.notNull = def.Name, def.NotNull
			if def.Type.Name != "" {
				if col.t, err = s.resolve(def.Type); err != nil {
					return nil, err
				}
			}
		}
		if col.t.K == Null {
			col.t = textType
		}
		if col.t.K == Text && c.Type.K == Text && def.Type.Name == "" && col.t.Length == 0 {
			col.t.Length = MaxText
		}
		if t.column(col.name) != nil {
			return nil, sql.Compile(2025, "42S21", "duplicate column name '%s'", col.name)
		}
		t.columns = append(t.columns, col)
	}
	t.width = len(t.columns)
	raw, err := p.run(ctx, nil)
	if err != nil {
		return nil, err
	}
	w, err := s.writer(t, nil)
	if err != nil {
		return nil, err
	}
	cells := make([]Value, len(p.cols))
	rows := make([]*record, 0, len(raw))
	for _, r := range raw {
		decodeRow(r, cells)
		rec, err := w.record(cells)
		if err != nil {
			return nil, err
		}
		rows = append(rows, rec)
	}
	return rows, nil
}

// addColumn adds a column's definition.
func (s *Session) addColumn(t *table, d sql.ColumnDef) error {
	if t.column(d.Name) != nil {
		return sql.Compile(2025, "42S21", "duplicate column name '%s'", d.Name)
	}
	if d.Type.Name == "" {
		return sql.Compile(1003, "42000", "syntax error: column '%s' has no data type.", d.Name)
	}
	typ, err := s.resolve(d.Type)
	if err != nil {
		return err
	}
	c := &column{name: d.Name, t: typ, notNull: d.NotNull, deflt: d.Default, identity: d.Identity, comment: d.Comment, at: t.width}
	if d.Default != nil {
		x, err := (&scope{s: s}).compileAs(d.Default, typ)
		if err != nil {
			return err
		}
		if x.konst {
			if c.missing, err = x.eval(&env{}); err != nil {
				return err
			}
		}
	}
	t.columns = append(t.columns, c)
	t.width++
	return nil
}

// truncate is DML (docs.snowflake.com/en/sql-reference/transactions,
// "Terminology"): it can be rolled back, and waits for locks. The load history
// goes with the rows.
func (s *Session) truncate(ctx context.Context, tx *transaction, d *sql.Truncate) (*Result, error) {
	done := status(typeDDL, "Statement executed successfully.")
	t, err := s.lookup(d.Name)
	if err != nil {
		if d.IfExists {
			return done, nil
		}
		return nil, err
	}
	if err := s.mayWrite(t, "TRUNCATE"); err != nil {
		return nil, err
	}
	if err := tx.lock(ctx, t); err != nil {
		return nil, err
	}
	var deleted []*record
	if err := s.scan(ctx, t, func(r *record) error { deleted = append(deleted, r); return nil }); err != nil {
		return nil, err
	}
	tx.apply(t, deleted, nil)
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	c := tx.change(t)
	c.truncated, c.loaded = true, map[string]loadedFile{}
	return done, nil
}

func (s *Session) drop(d *sql.Drop) (*Result, error) {
	e := s.engine
	shown := d.Name[len(d.Name)-1]
	done := status(typeDDL, shown+" successfully dropped.")
	gone := status(typeDDL, "Drop statement executed successfully ("+shown+" already dropped).")
	miss := func(err error) (*Result, error) {
		if d.IfExists {
			return gone, nil
		}
		return nil, err
	}
	if d.What == "TABLE" {
		t, err := s.lookup(d.Name)
		if err != nil {
			return miss(missing("Table", display(d.Name...)))
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		t.dropped = true
		t.stage.drop()
		if t.kind == "TEMPORARY" {
			delete(s.temporary, t.fullName())
		} else {
			delete(e.databases[t.db].schemas[t.schema].tables, t.name)
		}
		return done, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch d.What {
	case "DATABASE":
		if e.databases[shown] == nil {
			return miss(missing("Database", display(shown)))
		}
		delete(e.databases, shown)
		if s.Database == shown {
			s.Database, s.Schema = "", ""
		}
		return done, nil
	case "WAREHOUSE":
		if e.warehouses[shown] == nil {
			return miss(missing("Warehouse", display(shown)))
		}
		delete(e.warehouses, shown)
		return done, nil
	case "SCHEMA":
		db := s.Database
		if len(d.Name) == 2 {
			db = d.Name[0]
		}
		if e.databases[db] == nil || e.databases[db].schemas[shown] == nil {
			return miss(missing("Schema", display(d.Name...)))
		}
		delete(e.databases[db].schemas, shown)
		if s.Schema == shown && s.Database == db {
			s.Schema = ""
		}
		return done, nil
	}
	db, sch, obj, err := s.full(d.Name, "DROP "+d.What)
	if err != nil {
		return nil, err
	}
	at, err := s.schemaOf(db, sch)
	if err != nil {
		return miss(err)
	}
	switch d.What {
	case "STAGE":
		key := db + "." + sch + "." + obj
		if st := s.tempStages[key]; st != nil {
			st.drop()
			delete(s.tempStages, key)
			return done, nil
		}
		if at.stages[obj] == nil {
			return miss(missing("Stage", display(d.Name...)))
		}
		at.stages[obj].drop()
		delete(at.stages, obj)
	case "FILE FORMAT":
		if at.formats[obj] == nil {
			return miss(missing("File format", display(d.Name...)))
		}
		delete(at.formats, obj)
	case "VIEW":
		if at.views[obj] == nil {
			return miss(missing("View", display(d.Name...)))
		}
		delete(at.views, obj)
	default:
		return nil, sql.Unsupported("DROP %s", d.What)
	}
	return done, nil
}
