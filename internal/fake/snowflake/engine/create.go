package engine

import (
	"strings"

	"elt/internal/fake/snowflake/sql"
)

func (s *Session) create(d *sql.Create) (*Result, error) {
	e := s.engine
	shown := d.Name[len(d.Name)-1]
	made := status(typeDDL, title(d.What)+" "+shown+" successfully created.")
	there := func(has bool) (stop bool, res *Result, err error) {
		switch {
		case !has || d.Replace:
			return false, nil, nil
		case d.IfNotExists:
			return true, status(typeDDL, display(shown)+" already exists, statement succeeded."), nil
		}
		return true, nil, exists(d.Name...)
	}
	var planned *queryPlan
	if d.What == "VIEW" {
		var err error
		if planned, err = s.plan(d.Query, nil, nil); err != nil {
			return nil, err
		}
		if d.Columns != nil && len(d.Columns) != len(planned.cols) {
			return nil, sql.Compile(2057, "42601", "View definition for '%s' declares %d column(s), but view query produces %d column(s).", shown, len(d.Columns), len(planned.cols))
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch d.What {
	case "DATABASE":
		if stop, res, err := there(e.databases[shown] != nil); stop {
			return res, err
		}
		if e.lacks(s.Role, "CREATE DATABASE", "ACCOUNT") {
			return nil, insufficient("account", "TESTACCT")
		}
		e.addDatabase(shown)
		s.Database, s.Schema = shown, "PUBLIC" // a new database is used at once
		return made, nil
	case "WAREHOUSE":
		if stop, res, err := there(e.warehouses[shown] != nil); stop {
			return res, err
		}
		if e.lacks(s.Role, "CREATE WAREHOUSE", "ACCOUNT") {
			return nil, insufficient("account", "TESTACCT")
		}
		resume, _ := d.Options["AUTO_RESUME"].(string)
		e.warehouses[shown] = &warehouse{name: shown, autoResume: !strings.EqualFold(resume, "false")}
		s.Warehouse = shown
		return made, nil
	case "SCHEMA":
		db := s.Database
		if len(d.Name) == 2 {
			db = d.Name[0]
		}
		if db == "" {
			return nil, sql.Errorf(90105, "22000", "Cannot perform CREATE SCHEMA. This session does not have a current database. Call 'USE DATABASE', or use a qualified name.")
		}
		at := e.databases[db]
		if at == nil || e.lacks(s.Role, "USAGE", db) {
			return nil, missing("Database", display(db))
		}
		if stop, res, err := there(at.schemas[shown] != nil); stop {
			return res, err
		}
		if e.lacks(s.Role, "CREATE SCHEMA", db) {
			return nil, insufficient("database", db)
		}
		at.add(shown, e.now()).comment, _ = d.Options["COMMENT"].(string)
		s.Database, s.Schema = db, shown // a new schema is used at once
		return made, nil
	}
	db, sch, obj, err := s.full(d.Name, "CREATE "+d.What)
	if err != nil {
		return nil, err
	}
	at, err := s.schemaOf(db, sch)
	if err != nil {
		return nil, err
	}
	if e.lacks(s.Role, "CREATE "+d.What, db+"."+sch) && !d.Temporary {
		return nil, insufficient("schema", sch)
	}
	switch d.What {
	case "STAGE":
		stages, key := at.stages, obj
		if d.Temporary {
			stages, key = s.tempStages, db+"."+sch+"."+obj
		}
		if stop, res, err := there(stages[key] != nil); stop {
			return res, err
		}
		if old := stages[key]; old != nil {
			old.drop()
		}
		if d.Options["URL"] != nil {
			return nil, sql.Unsupported("external stage")
		}
		st := e.newStage()
		st.name, st.temporary = obj, d.Temporary
		st.format, _ = d.Options["FILE_FORMAT"].(sql.Options)
		st.comment, _ = d.Options["COMMENT"].(string)
		stages[key] = st
		made = status(typeDDL, "Stage area "+obj+" successfully created.")
	case "FILE FORMAT":
		if stop, res, err := there(at.formats[obj] != nil); stop {
			return res, err
		}
		if _, err := newFormat(d.Options); err != nil {
			return nil, err
		}
		at.formats[obj] = d.Options
	case "VIEW":
		if stop, res, err := there(at.views[obj] != nil); stop {
			return res, err
		}
		if at.tables[obj] != nil {
			return nil, exists(obj)
		}
		at.views[obj] = &view{name: obj, query: d.Query, columns: d.Columns}
	default:
		return nil, sql.Unsupported("CREATE %s", d.What)
	}
	return made, nil
}

func title(s string) string { return s[:1] + strings.ToLower(s[1:]) }
