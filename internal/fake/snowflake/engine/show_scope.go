package engine

import (
	"strings"

	"elt/internal/fake/snowflake/sql"
)

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
