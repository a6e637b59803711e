package engine

import (
	"strings"

	"elt/internal/fake/snowflake/sql"
)

func (s *Session) alterWarehouse(d *sql.Alter) (*Result, error) {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.warehouses[d.Name[0]]
	if w == nil || e.lacks(s.Role, "USAGE", d.Name[0]) {
		if d.IfExists {
			return status(typeDDL, "Statement executed successfully."), nil
		}
		return nil, missing("Warehouse", display(d.Name...))
	}
	switch d.Action {
	case "SUSPEND":
		if !w.running {
			return nil, sql.Errorf(90064, "22000", "Invalid state. Warehouse '%s' cannot be suspended.", w.name)
		}
		w.running = false
	case "RESUME":
		if !w.running {
			w.running = true
			e.starts++
		}
	case "SET":
		if v, ok := d.Options["AUTO_RESUME"].(string); ok {
			w.autoResume = strings.EqualFold(v, "true")
		}
	default:
		return nil, sql.Unsupported("ALTER WAREHOUSE %s", d.Action)
	}
	return status(typeDDL, "Statement executed successfully."), nil
}

func (s *Session) use(d *sql.Use) (*Result, error) {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	name := d.Name[len(d.Name)-1]
	none := func() (*Result, error) {
		return nil, sql.Compile(2043, "02000", "Object does not exist, or operation cannot be performed.")
	}
	switch d.What {
	case "ROLE":
		if !contains(s.Roles, name) {
			return nil, sql.Errorf(3001, "42501", "SQL access control error:\nRequested role '%s' is not assigned to the executing user. Specify another role to activate.", name)
		}
		s.Role = name
	case "WAREHOUSE":
		if e.warehouses[name] == nil || e.lacks(s.Role, "USAGE", name) {
			return none()
		}
		s.Warehouse = name
	case "DATABASE":
		if e.databases[name] == nil || e.lacks(s.Role, "USAGE", name) {
			return none()
		}
		s.Database, s.Schema = name, ""
		if e.databases[name].schemas["PUBLIC"] != nil {
			s.Schema = "PUBLIC"
		}
	case "SCHEMA":
		db := s.Database
		if len(d.Name) == 2 {
			db = d.Name[0]
		}
		if db == "" {
			return nil, sql.Errorf(90105, "22000", "Cannot perform USE SCHEMA. This session does not have a current database. Call 'USE DATABASE', or use a qualified name.")
		}
		if _, err := s.schemaOf(db, name); err != nil {
			return none()
		}
		s.Database, s.Schema = db, name
	}
	return status(typeSession, "Statement executed successfully."), nil
}

func (s *Session) alterSession(d *sql.AlterSession) (*Result, error) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	for k, v := range d.Set {
		if _, known := defaults[k]; !known {
			return nil, sql.Compile(1420, "22023", "invalid property '%s' for 'SESSION'", k)
		}
		value, ok := v.(string)
		if !ok {
			return nil, sql.Compile(1003, "42000", "invalid value for '%s'", k)
		}
		if k == "QUERY_TAG" && len([]rune(value)) > 2000 {
			return nil, sql.Compile(1424, "22023", "invalid value for parameter 'QUERY_TAG': longer than 2000 characters")
		}
		s.parameters[k] = value
	}
	for _, k := range d.Unset {
		delete(s.parameters, k)
	}
	return status(typeSession, "Statement executed successfully."), nil
}
