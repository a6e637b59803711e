package postgres

import (
	"encoding/json"

	"elt/internal/row"
	"elt/internal/singer"
)

// stream is a relation under the id that it has in catalogs.
type stream struct {
	id  string
	rel *relation
}

// streams names all relations. Two names that would fall together (schema
// "a", table "b-c"; schema "a-b", table "c") are kept apart: all but the first
// are quoted.
func (db *database) streams() []stream {
	seen := map[string]bool{}
	out := make([]stream, len(db.relations))
	for i, rel := range db.relations {
		id := rel.id()
		if seen[id] {
			id = identifier(rel.schema) + "-" + identifier(rel.name)
		}
		seen[id] = true
		out[i] = stream{id, rel}
	}
	return out
}

// keys are the key properties by default. PipelineWise knows primary keys
// only, MeltanoLabs falls back on a unique index.
func (r *relation) keys(s settings) []string {
	if s.Dialect == transferwise && !r.primary {
		return nil
	}
	return r.key
}

// catalog is what discovery prints, with the metadata of the dialect.
func (db *database) catalog(s settings) (*singer.Catalog, error) {
	c := &singer.Catalog{}
	for _, named := range db.streams() {
		rel := named.rel
		schema := &row.Schema{Stream: named.id, Key: rel.keys(s)}
		for _, col := range rel.columns {
			schema.Columns = append(schema.Columns, db.read(col, s).Column)
		}
		cs, err := singer.NewCatalogStream(schema)
		if err != nil {
			return nil, err
		}
		cs.TableName = rel.name
		cs.SetMeta("schema-name", rel.schema)
		if rel.partition {
			cs.SetMeta("selected-by-default", false)
		}
		if s.Dialect == transferwise {
			cs.Stream, cs.KeyProperties = rel.name, nil
			root := cs.Meta()
			delete(root, "selected-by-default") // a table is read only when it is selected
			delete(root, "inclusion")
			cs.SetMeta("database-name", db.name)
			cs.SetMeta("row-count", rel.rows)
			cs.SetMeta("is-view", rel.view())
			for _, col := range rel.columns {
				cs.SetMeta("sql-datatype", col.sqlType, col.name)
				cs.SetMeta("selected-by-default", true, col.name)
			}
		} else {
			cs.Extra = map[string]json.RawMessage{"is_view": mustJSON(rel.view())}
		}
		c.Streams = append(c.Streams, cs)
	}
	return c, nil
}

// find is the relation that a catalog's stream means, nil when it is not there.
func (db *database) find(cs *singer.CatalogStream) *relation {
	schema, table := tableOf(cs)
	for _, rel := range db.relations {
		if rel.schema == schema && rel.name == table {
			return rel
		}
	}
	if schema != "" && table != "" {
		return nil
	}
	for _, named := range db.streams() {
		if named.id == cs.ID() {
			return named.rel
		}
	}
	return nil
}

// tableOf is schema and table as the catalog's metadata says them; either may be "".
func tableOf(cs *singer.CatalogStream) (schema, table string) {
	schema, _ = cs.Meta()["schema-name"].(string)
	return schema, cs.TableName
}

// selectionOf is what the catalog says of a stream that is selected.
func selectionOf(cs *singer.CatalogStream, rel *relation, s settings) selection {
	sel := selection{id: cs.ID(), name: cs.Name(), keys: cs.Keys()}
	if s.Dialect == transferwise {
		sel.name = rel.schema + "-" + cs.Name()
	}
	sel.method, sel.replicationKey = cs.Replication()
	if len(cs.Properties()) > 0 {
		sel.known = cs.Properties()
		sel.columns = append([]string{}, cs.SelectedProperties()...)
	}
	return sel
}
