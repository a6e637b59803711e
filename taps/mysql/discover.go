package mysql

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
)

// relation is a table or view.
type relation struct {
	schema, name string
	view         bool
	count        int64 // as the server estimates it
	columns      []attribute
	key          []string // the primary key
}

func (r *relation) id() string    { return r.schema + "-" + r.name }
func (r *relation) table() string { return quote(r.schema) + "." + quote(r.name) }

func (r *relation) column(name string) *attribute {
	if i := slices.IndexFunc(r.columns, func(a attribute) bool { return a.Name == name }); i >= 0 {
		return &r.columns[i]
	}
	return nil
}

// discover lists the tables that the user may read; of the databases dbs, or
// of all but the system's.
func (s *session) discover(ctx context.Context, set settings, dbs []string) ([]*relation, error) {
	where, args := "t.table_schema not in ('information_schema', 'performance_schema', 'mysql', 'sys')", dbs
	if len(dbs) > 0 {
		where = "t.table_schema in (?" + strings.Repeat(", ?", len(dbs)-1) + ")"
	}
	if len(set.Tables) > 0 {
		where += " and t.table_name in (?" + strings.Repeat(", ?", len(set.Tables)-1) + ")"
		args = slices.Concat(dbs, set.Tables)
	}
	rows, err := s.query(ctx, `select t.table_schema, t.table_name, t.table_type, coalesce(t.table_rows, 0), c.column_name, c.data_type, lower(c.column_type),
		coalesce(c.numeric_precision, 0), coalesce(c.numeric_scale, 0), c.is_nullable, coalesce(k.ordinal_position, 0),
		coalesce(c.character_set_name, ''), case when c.data_type in ('enum', 'set') then c.column_type else '' end
		from information_schema.tables t join information_schema.columns c on c.table_schema = t.table_schema and c.table_name = t.table_name
		left join information_schema.key_column_usage k on k.table_schema = c.table_schema and k.table_name = c.table_name and k.column_name = c.column_name and k.constraint_name = 'PRIMARY'
		where `+where+" and t.table_type <> 'SEQUENCE' order by t.table_schema, t.table_name, c.ordinal_position", args...)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "tap-mysql: the tables cannot be listed")
	}
	var out []*relation
	keys := map[*relation]map[string]string{}
	for _, r := range rows {
		rel := (*relation)(nil)
		if n := len(out); n > 0 && out[n-1].schema == r[0] && out[n-1].name == r[1] {
			rel = out[n-1]
		} else {
			count, _ := strconv.ParseInt(r[3], 10, 64)
			rel = &relation{schema: r[0], name: r[1], view: strings.Contains(r[2], "VIEW"), count: count}
			keys[rel] = map[string]string{}
			out = append(out, rel)
		}
		a := attribute{Column: row.Column{Name: r[4], Nullable: r[9] == "YES"}}
		a.charset, a.members = strings.ToLower(r[11]), members(r[12])
		a.of(strings.ToLower(r[5]), r[6], r[7], r[8], set)
		rel.columns = append(rel.columns, a)
		if r[10] != "0" {
			keys[rel][r[10]] = a.Name
		}
	}
	for rel, key := range keys {
		for i := range key {
			n, _ := strconv.Atoi(i)
			for len(rel.key) < n {
				rel.key = append(rel.key, "")
			}
			rel.key[n-1] = key[i]
		}
	}
	return out, nil
}

// catalog is what discovery prints, with the metadata of the dialect.
func catalog(relations []*relation, s settings) (*singer.Catalog, error) {
	c := &singer.Catalog{}
	seen := map[string]bool{}
	for _, rel := range relations {
		id := rel.id()
		if seen[id] { // database "a-b" with table "c" beside "a" with "b-c"
			id = quote(rel.schema) + "-" + quote(rel.name)
		}
		seen[id] = true
		schema := &row.Schema{Stream: id, Key: rel.key}
		for _, a := range rel.columns {
			schema.Columns = append(schema.Columns, a.Column)
		}
		cs, err := singer.NewCatalogStream(schema)
		if err != nil {
			return nil, err
		}
		cs.TableName = rel.name
		cs.SetMeta("schema-name", rel.schema)
		if s.Dialect == transferwise {
			cs.Stream, cs.KeyProperties = rel.name, nil
			root := cs.Meta()
			delete(root, "inclusion")
			delete(root, "schema-name")
			cs.SetMeta("selected-by-default", false)
			cs.SetMeta("database-name", rel.schema)
			cs.SetMeta("row-count", rel.count)
			cs.SetMeta("is-view", rel.view)
			for _, a := range rel.columns {
				dataType, _, _ := strings.Cut(a.sqlType, "(")
				dataType, _, _ = strings.Cut(dataType, " ")
				cs.SetMeta("selected-by-default", true, a.Name)
				cs.SetMeta("sql-datatype", a.sqlType, a.Name)
				cs.SetMeta("datatype", dataType, a.Name)
			}
		}
		c.Streams = append(c.Streams, cs)
	}
	return c, nil
}

// databaseOf is the database of a catalog's stream, "" when it does not say.
func databaseOf(cs *singer.CatalogStream) string {
	for _, name := range []string{"database-name", "schema-name"} {
		if db, ok := cs.Meta()[name].(string); ok && db != "" {
			return db
		}
	}
	return ""
}

// find is the relation that a catalog's stream means, nil when it is not there.
func find(relations []*relation, cs *singer.CatalogStream) *relation {
	db := databaseOf(cs)
	for _, rel := range relations {
		if rel.name == cs.TableName && rel.schema == db || (cs.TableName == "" || db == "") && rel.id() == cs.ID() {
			return rel
		}
	}
	return nil
}
