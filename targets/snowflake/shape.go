package snowflake

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// namespace is what is known of a schema. All its tables are looked up by one
// statement, which takes no warehouse.
type namespace struct {
	name   string
	exists bool
	tables map[string]*table
	// some: there are more columns than one answer shows, or the service does
	// not list them; tables are described one by one.
	some  bool
	asked map[string]bool
}

// table is a table as the account describes it.
type table struct {
	sqltarget.Table
}

// shownMost is how many rows SHOW answers at most.
const shownMost = 10_000

// namespace looks a schema up once per run.
func (s *sink) namespace(ctx context.Context, c *session, name string) (*namespace, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.schemas[name]; n != nil {
		return n, nil
	}
	n := &namespace{name: name, exists: true, tables: map[string]*table{}, asked: map[string]bool{}}
	rows, err := c.query(ctx, "SHOW COLUMNS IN SCHEMA "+sqltarget.Quote(name))
	switch {
	case missing(err):
		n.exists = false
	case err != nil && !alive(err):
		return nil, err
	case err != nil, len(rows) >= shownMost:
		n.some, rows = true, nil
	}
	for _, r := range rows {
		t := n.tables[r["TABLE_NAME"]]
		if t == nil {
			t = &table{Table: sqltarget.Table{Schema: name, Name: r["TABLE_NAME"]}}
			n.tables[t.Name] = t
		}
		column, err := shownColumn(r)
		if err != nil {
			return nil, err
		}
		t.Columns = append(t.Columns, column)
	}
	if n.exists && len(rows) == 0 && !n.some {
		if n.exists, err = c.hasSchema(ctx, name); err != nil {
			return nil, err
		}
	}
	s.schemas[name] = n
	return n, nil
}

// hasSchema says whether there is a schema; one without tables shows no columns.
func (c *session) hasSchema(ctx context.Context, name string) (bool, error) {
	rows, err := c.query(ctx, "SHOW SCHEMAS LIKE "+literal(name))
	if err != nil && alive(err) {
		return true, nil // whatever is missing will say so itself
	}
	for _, r := range rows {
		if r["NAME"] == name {
			return true, nil
		}
	}
	return false, err
}

// lookup is a table of a schema, nil when there is none of that name.
func (s *sink) lookup(ctx context.Context, c *session, schema, name string) (*table, error) {
	n, err := s.namespace(ctx, c, schema)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !n.some || n.asked[name] || n.tables[name] != nil {
		return n.tables[name], nil
	}
	t := &table{Table: sqltarget.Table{Schema: schema, Name: name}}
	rows, err := c.query(ctx, "DESCRIBE TABLE "+t.Ref())
	switch {
	case missing(err):
		n.asked[name] = true
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, r := range rows {
		t.Columns = append(t.Columns, described(r["NAME"], r["TYPE"], !strings.EqualFold(r["NULL?"], "N")))
	}
	n.asked[name], n.tables[name] = true, t
	return t, nil
}

// shownColumn is a row of SHOW COLUMNS.
func shownColumn(r map[string]string) (sqltarget.Column, error) {
	var t struct {
		Type      string `json:"type"`
		Precision int    `json:"precision"`
		Scale     int    `json:"scale"`
		Length    int    `json:"length"`
		Nullable  *bool  `json:"nullable"`
	}
	text := r["DATA_TYPE"]
	if !strings.HasPrefix(text, "{") {
		return described(r["COLUMN_NAME"], text, true), nil
	}
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return sqltarget.Column{}, fmt.Errorf("SHOW COLUMNS: the type of column %q: %w", r["COLUMN_NAME"], err)
	}
	sqlType := t.Type
	switch t.Type {
	case "FIXED":
		sqlType = fmt.Sprintf("NUMBER(%d,%d)", t.Precision, t.Scale)
	case "TEXT":
		sqlType = fmt.Sprintf("VARCHAR(%d)", t.Length)
	case "REAL":
		sqlType = "FLOAT"
	}
	return described(r["COLUMN_NAME"], sqlType, t.Nullable == nil || *t.Nullable), nil
}

// ensureSchema makes a schema that is missing.
func (s *sink) ensureSchema(ctx context.Context, c *session, name string, grantees []string) error {
	n, err := s.namespace(ctx, c, name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.exists {
		return nil
	}
	if _, err := c.exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+sqltarget.Quote(name)); err != nil {
		return fault.Wrap(fault.BadConfig, err, "target-snowflake: schema %s does not exist, or role %s may not use it, and it cannot be created", name, s.set.roleName()).
			WithHint("GRANT CREATE SCHEMA ON DATABASE %s TO ROLE …; or create it yourself and GRANT USAGE, CREATE TABLE, CREATE STAGE ON SCHEMA", s.set.Database).WithKind(fault.KindPermission)
	}
	for _, g := range grantees {
		if _, err := c.exec(ctx, "GRANT USAGE ON SCHEMA "+sqltarget.Quote(name)+" TO ROLE "+role(g)); err != nil {
			return err
		}
	}
	n.exists = true
	return nil
}

// role writes a role's name as an identifier; a plain one is upper case.
func role(name string) string { return sqltarget.Quote(strings.ToUpper(name)) }

// ensureTable makes one of elt's own tables.
func (s *sink) ensureTable(ctx context.Context, c *session, name, create string) error {
	if err := s.ensureSchema(ctx, c, s.set.home(), nil); err != nil {
		return err
	}
	if t, err := s.lookup(ctx, c, s.set.home(), name); err != nil || t != nil {
		return err
	}
	if _, err := c.exec(ctx, create); err != nil {
		return err
	}
	s.remember(&table{Table: sqltarget.Table{Schema: s.set.home(), Name: name}})
	return nil
}

// remember keeps what this run made or changed.
func (s *sink) remember(t *table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schemas[t.Schema].tables[t.Name] = t
}

func (s *sink) forget(t *table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.schemas[t.Schema].tables, t.Name)
}

// create makes a table.
func (s *sink) create(ctx context.Context, c *session, t *table, stream string, grantees []string) error {
	var parts []string
	for _, column := range t.Columns {
		parts = append(parts, sqltarget.Quote(column.Name)+" "+column.Type)
	}
	sql := "CREATE TABLE " + t.Ref() + " (" + strings.Join(parts, ", ") + ") COMMENT = " + literal("elt stream "+stream)
	if _, err := c.exec(ctx, sql); err != nil {
		return fmt.Errorf("create table %s: %w", t.Ref(), err)
	}
	for _, g := range grantees {
		if _, err := c.exec(ctx, "GRANT SELECT ON TABLE "+t.Ref()+" TO ROLE "+role(g)); err != nil {
			return err
		}
	}
	for i := range t.Columns {
		capacity(&t.Columns[i])
	}
	s.remember(t)
	return nil
}

// evolve makes changes to a table; each is a statement that commits itself.
func (s *sink) evolve(ctx context.Context, c *session, t *table, stream string, changes []sqltarget.Change) error {
	for _, change := range changes {
		name := sqltarget.Quote(change.Column.Name)
		if change.Widens() {
			at := t.Index(change.Column.Name)
			sql := "ALTER TABLE " + t.Ref() + " ALTER COLUMN " + name + " SET DATA TYPE " + change.Column.Type
			if change.Column.Kind == row.Text {
				sql += fmt.Sprintf("(%d)", anyLength)
			}
			if _, err := c.exec(ctx, sql); err != nil {
				return fmt.Errorf("change column %q to %s: %w", change.Column.Name, change.Column.Type, err)
			}
			s.changed(targets.Change{Stream: stream, Kind: "widen", Column: change.Column.Name, Detail: t.Columns[at].Type + " -> " + change.Column.Type})
			capacity(&change.Column)
			t.Columns[at] = change.Column
			continue
		}
		if _, err := c.exec(ctx, "ALTER TABLE "+t.Ref()+" ADD COLUMN "+name+" "+change.Column.Type); err != nil {
			return fmt.Errorf("add column %q: %w", change.Column.Name, err)
		}
		kind := "add"
		if change.For != "" {
			kind = "version"
		}
		s.changed(targets.Change{Stream: stream, Kind: kind, Column: change.Column.Name, Detail: change.String()})
		capacity(&change.Column)
		t.Columns = append(t.Columns, change.Column)
	}
	return nil
}

// capacity makes what a NUMBER column was needed for what it can hold.
func capacity(c *sqltarget.Column) {
	if c.Kind == row.Numeric {
		c.Precision = maxDigits
	}
}

// literal is text as an SQL string.
func literal(text string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "'", "''") + "'"
}
