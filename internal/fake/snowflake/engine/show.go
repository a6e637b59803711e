package engine

import (
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
