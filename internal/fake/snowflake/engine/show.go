package engine

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"elt/internal/fake/snowflake/sql"
)

// listing builds SHOW's and DESCRIBE's answers.
type listing struct{ r *Result }

func columnsOf(names ...string) *listing {
	l := &listing{&Result{Type: typeShow}}
	for _, n := range names {
		l.r.Columns = append(l.r.Columns, OutColumn{Name: n, Type: textType, Nullable: true})
	}
	return l
}

func (l *listing) add(cells ...any) {
	row := make([]Value, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case string:
			row[i] = text(c)
		case nil:
		case int:
			row[i] = text(fmt.Sprint(c))
		case time.Time:
			row[i] = text(c.UTC().Format("2006-01-02 15:04:05.000 -0700"))
		}
	}
	l.r.Rows = append(l.r.Rows, rowOf(row...))
}

func yes(b bool) string {
	if b {
		return "Y"
	}
	return "N"
}

// show answers SHOW (docs.snowflake.com/en/sql-reference/sql/show).
func (s *Session) show(d *sql.Show) (*Result, error) {
	var like *regexp.Regexp
	if d.HasLike {
		like = regexp.MustCompile(likePattern(d.Like, "", true))
	}
	match := func(name string) bool {
		return (like == nil || like.MatchString(name)) && strings.HasPrefix(name, d.StartsWith)
	}
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	l, err := s.showLocked(d, match)
	if err != nil {
		return nil, err
	}
	if d.From != "" {
		l.after(d.From)
	}
	limit := shownMost
	if d.Limit > 0 {
		limit = min(limit, d.Limit)
	}
	l.r.Rows = l.r.Rows[:min(limit, len(l.r.Rows))]
	return l.r, nil
}

// shownMost: "The command returns a maximum of ten thousand records for the
// specified object type" (every SHOW page). LIMIT … FROM 'name' pages on.
const shownMost = 10000

// after drops the rows up to the first whose name begins with a text.
func (l *listing) after(name string) {
	at := -1
	for i, c := range l.r.Columns {
		if c.Name == "name" || c.Name == "column_name" && at < 0 {
			at = i
		}
	}
	cells := make([]Value, len(l.r.Columns))
	for i, r := range l.r.Rows {
		decodeRow(r, cells)
		if at >= 0 && strings.HasPrefix(cells[at].S, name) {
			l.r.Rows = l.r.Rows[i+1:]
			return
		}
	}
}

func (s *Session) showLocked(d *sql.Show, match func(string) bool) (*listing, error) {
	e := s.engine
	switch d.What {
	case "TABLES", "OBJECTS":
		l := columnsOf("created_on", "name", "database_name", "schema_name", "kind", "comment", "cluster_by", "rows", "bytes", "owner", "retention_time")
		tables, err := s.showTables(d)
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			if match(t.name) {
				kind := t.kind
				if kind == "" {
					kind = "TABLE"
				}
				l.add(t.created, t.name, t.db, t.schema, kind, t.comment, "", len(t.rows), 0, "ELT_ROLE", "1")
			}
		}
		return l, nil
	case "COLUMNS":
		l := columnsOf("table_name", "schema_name", "column_name", "data_type", "null?", "default", "kind", "expression", "comment", "database_name", "autoincrement")
		tables, err := s.showTables(d)
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			for _, c := range t.columns {
				if match(c.name) {
					l.add(t.name, t.schema, c.name, typeJSON(c), map[bool]string{true: "NOT_NULL", false: "true"}[c.notNull], defaultText(c), "COLUMN", "", c.comment, t.db, "")
				}
			}
		}
		return l, nil
	case "PRIMARY KEYS":
		l := columnsOf("created_on", "database_name", "schema_name", "table_name", "column_name", "key_sequence", "constraint_name", "rely", "comment")
		tables, err := s.showTables(d)
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			for i, k := range t.primaryKey {
				l.add(t.created, t.db, t.schema, t.name, k, i+1, "SYS_CONSTRAINT_"+t.name, "false", nil)
			}
		}
		return l, nil
	case "SCHEMAS":
		l := columnsOf("created_on", "name", "is_default", "is_current", "database_name", "owner", "comment", "options", "retention_time")
		name := s.Database
		if len(d.Name) > 0 {
			name = d.Name[0]
		}
		for _, db := range sortedKeys(e.databases) {
			if d.In != "ACCOUNT" && name != "" && db != name || e.lacks(s.Role, "USAGE", db) {
				continue
			}
			for _, n := range append([]string{"INFORMATION_SCHEMA"}, sortedKeys(e.databases[db].schemas)...) {
				if match(n) && !e.lacks(s.Role, "USAGE", db+"."+n) {
					comment, created := "", e.databases[db].created
					if sch := e.databases[db].schemas[n]; sch != nil {
						comment, created = sch.comment, sch.created
					}
					l.add(created, n, "N", yes(n == s.Schema && db == s.Database), db, "ELT_ROLE", comment, "", "1")
				}
			}
		}
		if name != "" && d.In != "ACCOUNT" && e.databases[name] == nil {
			return nil, missing("Database", display(name))
		}
		return l, nil
	case "DATABASES":
		l := columnsOf("created_on", "name", "is_default", "is_current", "origin", "owner", "comment", "options", "retention_time", "kind")
		for _, n := range sortedKeys(e.databases) {
			if match(n) && !e.lacks(s.Role, "USAGE", n) {
				l.add(e.databases[n].created, n, "N", yes(n == s.Database), "", "ELT_ROLE", e.databases[n].comment, "", "1", "STANDARD")
			}
		}
		return l, nil
	case "STAGES":
		l := columnsOf("created_on", "name", "database_name", "schema_name", "url", "has_credentials", "has_encryption_key", "owner", "comment", "region", "type", "cloud")
		schemas, err := s.showSchemas(d)
		if err != nil {
			return nil, err
		}
		for _, at := range schemas {
			for _, n := range sortedKeys(at.schema.stages) {
				if match(n) {
					l.add(e.now(), n, at.db, at.schema.name, "", "N", "N", "ELT_ROLE", at.schema.stages[n].comment, nil, "INTERNAL", nil)
				}
			}
			prefix := at.db + "." + at.schema.name + "."
			for _, key := range sortedKeys(s.tempStages) {
				if n, ok := strings.CutPrefix(key, prefix); ok && match(n) {
					l.add(e.now(), n, at.db, at.schema.name, "", "N", "N", "ELT_ROLE", s.tempStages[key].comment, nil, "INTERNAL TEMPORARY", nil)
				}
			}
		}
		return l, nil
	case "FILE FORMATS":
		l := columnsOf("created_on", "name", "database_name", "schema_name", "type", "owner", "comment", "format_options")
		schemas, err := s.showSchemas(d)
		if err != nil {
			return nil, err
		}
		for _, at := range schemas {
			for _, n := range sortedKeys(at.schema.formats) {
				if match(n) {
					typ, _ := at.schema.formats[n]["TYPE"].(string)
					l.add(e.now(), n, at.db, at.schema.name, typ, "ELT_ROLE", "", "")
				}
			}
		}
		return l, nil
	case "WAREHOUSES":
		l := columnsOf("name", "state", "type", "size", "running", "queued", "is_default", "is_current", "auto_suspend", "auto_resume")
		for _, n := range sortedKeys(e.warehouses) {
			w := e.warehouses[n]
			if match(n) && !e.lacks(s.Role, "USAGE", n) {
				l.add(n, map[bool]string{true: "STARTED", false: "SUSPENDED"}[w.running], "STANDARD", "X-Small", 0, 0, "N", yes(n == s.Warehouse), "600", fmt.Sprint(w.autoResume))
			}
		}
		return l, nil
	case "PARAMETERS":
		l := columnsOf("key", "value", "default", "level", "description", "type")
		for _, k := range sortedKeys(defaults) {
			if match(k) {
				level := ""
				if _, set := s.parameters[k]; set {
					level = "SESSION"
				}
				l.add(k, s.parameterLocked(k), defaults[k], level, "", "STRING")
			}
		}
		return l, nil
	case "VIEWS":
		l := columnsOf("created_on", "name", "reserved", "database_name", "schema_name", "owner", "comment", "text")
		schemas, err := s.showSchemas(d)
		if err != nil {
			return nil, err
		}
		for _, at := range schemas {
			for _, n := range sortedKeys(at.schema.views) {
				if match(n) {
					l.add(e.now(), n, "", at.db, at.schema.name, "ELT_ROLE", "", "")
				}
			}
		}
		return l, nil
	case "TRANSACTIONS":
		l := columnsOf("id", "user", "session", "name", "started_on", "state", "scope")
		if s.tx != nil && s.explicit {
			l.add(fmt.Sprint(s.tx.id), s.User, fmt.Sprint(s.ID), "", e.now(), "running", "0")
		}
		return l, nil
	}
	return nil, sql.Unsupported("SHOW %s", d.What)
}

type shownSchema struct {
	db     string
	schema *schema
}

// showSchemas finds the schemas a SHOW … IN looks into; the lock is held.
func (s *Session) showSchemas(d *sql.Show) (out []shownSchema, err error) {
	e := s.engine
	db, sch := s.Database, s.Schema
	switch {
	case d.In == "ACCOUNT":
		db, sch = "", ""
	case d.In == "DATABASE":
		sch = ""
		if len(d.Name) > 0 {
			db = d.Name[0]
		}
	case len(d.Name) == 2:
		db, sch = d.Name[0], d.Name[1]
	case len(d.Name) == 1 && d.In == "SCHEMA", len(d.Name) == 1 && d.In == "":
		sch = d.Name[0]
		if d.In == "" && e.databases[sch] != nil && (e.databases[db] == nil || e.databases[db].schemas[sch] == nil) {
			db, sch = sch, ""
		}
	}
	if db != "" && sch != "" {
		at, err := s.schemaOf(db, sch)
		if err != nil {
			if d.In == "" && d.Name == nil {
				return nil, nil
			}
			return nil, sql.Compile(2043, "02000", "Object does not exist, or operation cannot be performed.")
		}
		return []shownSchema{{db, at}}, nil
	}
	if db != "" && (e.databases[db] == nil || e.lacks(s.Role, "USAGE", db)) {
		return nil, sql.Compile(2043, "02000", "Object does not exist, or operation cannot be performed.")
	}
	for _, name := range sortedKeys(e.databases) {
		if db != "" && name != db || e.lacks(s.Role, "USAGE", name) {
			continue
		}
		for _, n := range sortedKeys(e.databases[name].schemas) {
			if !e.lacks(s.Role, "USAGE", name+"."+n) {
				out = append(out, shownSchema{name, e.databases[name].schemas[n]})
			}
		}
	}
	return out, nil
}

// showTables finds the tables a SHOW … IN means, temporary ones of the session too.
func (s *Session) showTables(d *sql.Show) (out []*table, err error) {
	if d.In == "TABLE" || d.What == "COLUMNS" && d.In == "" && len(d.Name) > 0 || d.What == "PRIMARY KEYS" && d.In == "" && len(d.Name) > 0 {
		t, err := s.table(d.Name)
		if err != nil {
			return nil, missing("Table", display(d.Name...))
		}
		return []*table{t}, nil
	}
	schemas, err := s.showSchemas(d)
	if err != nil {
		return nil, err
	}
	for _, at := range schemas {
		prefix := at.db + "." + at.schema.name + "."
		for _, n := range sortedKeys(at.schema.tables) {
			if s.temporary[prefix+n] == nil {
				out = append(out, at.schema.tables[n])
			}
		}
		for _, key := range sortedKeys(s.temporary) {
			if strings.HasPrefix(key, prefix) {
				out = append(out, s.temporary[key])
			}
		}
	}
	return out, nil
}

// typeJSON is the data_type of SHOW COLUMNS.
func typeJSON(c *column) string {
	n := fmt.Sprint(!c.notNull)
	switch c.t.K {
	case Number:
		return fmt.Sprintf(`{"type":"FIXED","precision":%d,"scale":%d,"nullable":%s}`, c.t.Prec, c.t.Scale, n)
	case Text:
		return fmt.Sprintf(`{"type":"TEXT","length":%d,"byteLength":%d,"nullable":%s,"fixed":false}`, c.t.Length, min(c.t.Length*4, limitText), n)
	case Binary:
		return fmt.Sprintf(`{"type":"BINARY","length":%d,"byteLength":%d,"nullable":%s,"fixed":false}`, c.t.Length, c.t.Length, n)
	case Time, NTZ, LTZ, TZ:
		return fmt.Sprintf(`{"type":"%s","precision":0,"scale":%d,"nullable":%s}`, c.t.Name(), c.t.Scale, n)
	}
	return fmt.Sprintf(`{"type":"%s","nullable":%s}`, c.t.Name(), n)
}

func defaultText(c *column) any {
	if c.deflt == nil {
		return nil
	}
	return outputName(c.deflt)
}

func (s *Session) describe(d *sql.Describe) (*Result, error) {
	if d.What == "STAGE" {
		return nil, sql.Unsupported("DESCRIBE STAGE")
	}
	t, err := s.lookup(d.Name)
	if err != nil {
		return nil, missing("Table", display(d.Name...))
	}
	l := columnsOf("name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression", "comment", "policy name", "privacy domain")
	for _, c := range t.columns {
		var comment any
		if c.comment != "" {
			comment = c.comment
		}
		l.add(c.name, c.t.String(), "COLUMN", yes(!c.notNull), defaultText(c), yes(contains(t.primaryKey, c.name)), "N", nil, nil, comment, nil, nil)
	}
	return l.r, nil
}

// informationSchema gives INFORMATION_SCHEMA's views TABLES, COLUMNS and SCHEMATA.
func (s *Session) informationSchema(r *sql.TableRef) (*relation, bool, error) {
	n := len(r.Name)
	if n < 2 || r.Name[n-2] != "INFORMATION_SCHEMA" {
		return nil, false, nil
	}
	db := s.Database
	if n == 3 {
		db = r.Name[0]
	}
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.databases[db] == nil || e.lacks(s.Role, "USAGE", db) {
		return nil, true, missing("Database", display(db))
	}
	tables, err := s.showTables(&sql.Show{What: "TABLES", In: "DATABASE", Name: []string{db}})
	if err != nil {
		return nil, true, err
	}
	var l *listing
	switch r.Name[n-1] {
	case "TABLES":
		l = columnsOf("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_OWNER", "TABLE_TYPE", "IS_TRANSIENT", "ROW_COUNT", "COMMENT")
		for _, t := range tables {
			kind := map[string]string{"": "BASE TABLE", "TRANSIENT": "BASE TABLE", "TEMPORARY": "LOCAL TEMPORARY"}[t.kind]
			l.add(t.db, t.schema, t.name, "ELT_ROLE", kind, map[bool]string{true: "YES", false: "NO"}[t.kind == "TRANSIENT"], len(t.rows), t.comment)
		}
		l.retype("ROW_COUNT")
	case "COLUMNS":
		l = columnsOf("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "ORDINAL_POSITION", "COLUMN_DEFAULT", "IS_NULLABLE", "DATA_TYPE",
			"CHARACTER_MAXIMUM_LENGTH", "CHARACTER_OCTET_LENGTH", "NUMERIC_PRECISION", "NUMERIC_SCALE", "DATETIME_PRECISION", "COMMENT")
		for _, t := range tables {
			for i, c := range t.columns {
				var length, octets, prec, scale, dt any
				typ := c.t.Name()
				switch c.t.K {
				case Number:
					typ, prec, scale = "NUMBER", c.t.Prec, c.t.Scale
				case Float:
					typ = "FLOAT"
				case Text:
					length, octets = c.t.Length, min(c.t.Length*4, limitText)
				case Binary:
					octets = c.t.Length
				case Time, NTZ, LTZ, TZ:
					dt = c.t.Scale
				}
				l.add(t.db, t.schema, t.name, c.name, i+1, defaultText(c), map[bool]string{true: "NO", false: "YES"}[c.notNull], typ, length, octets, prec, scale, dt, c.comment)
			}
		}
		l.retype("ORDINAL_POSITION", "CHARACTER_MAXIMUM_LENGTH", "CHARACTER_OCTET_LENGTH", "NUMERIC_PRECISION", "NUMERIC_SCALE", "DATETIME_PRECISION")
	case "SCHEMATA":
		l = columnsOf("CATALOG_NAME", "SCHEMA_NAME", "SCHEMA_OWNER", "COMMENT")
		for _, name := range sortedKeys(e.databases[db].schemas) {
			l.add(db, name, "ELT_ROLE", e.databases[db].schemas[name].comment)
		}
	default:
		return nil, true, sql.Unsupported("INFORMATION_SCHEMA.%s", r.Name[n-1])
	}
	path := r.Name
	if r.Alias != "" {
		path = alias(r.Alias)
	}
	rows := l.r.Rows
	return planned(l.r.Columns, path, func(ctx context.Context, _ *env) ([]string, error) { return rows, nil }), true, nil
}

// retype makes columns of a listing numbers.
func (l *listing) retype(names ...string) {
	for j := range l.r.Columns {
		if contains(names, l.r.Columns[j].Name) {
			l.r.Columns[j].Type = integerType
		}
	}
	cells := make([]Value, len(l.r.Columns))
	for i, r := range l.r.Rows {
		decodeRow(r, cells)
		for j := range cells {
			if contains(names, l.r.Columns[j].Name) && cells[j].K == Text {
				cells[j], _ = parseNumber(cells[j].S)
			}
		}
		l.r.Rows[i] = rowOf(cells...)
	}
}
