package engine

import (
	"context"

	"elt/internal/fake/snowflake/sql"
)

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
