package jdbc

import (
	"path"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
)

// found is a stream of discovery.
type found struct {
	selection
	columns []column
	view    bool
}

// discover lists the user's own streams and, where they are asked for or
// there are no others, the database's tables.
func (w *worker) discover() (streams []found, err error) {
	b := w.bridge
	for _, e := range w.set.Streams {
		f := found{selection: e.selection()}
		p := &plan{selection: f.selection, set: w.set, bridge: b}
		if f.columns, err = b.describe(p.everything()); err != nil {
			return nil, describing(e.Name, p.explain(err))
		}
		for i, k := range f.keys {
			c := named(f.columns, k)
			if c == nil {
				return nil, describing(e.Name, missing(f.columns, "key property", k))
			}
			f.keys[i] = c.Name
		}
		if f.key != "" {
			c := named(f.columns, f.key)
			if c == nil {
				return nil, describing(e.Name, missing(f.columns, "replication key", f.key))
			}
			f.key = c.Name
		}
		streams = append(streams, f)
	}
	if len(w.set.Streams) > 0 && len(w.set.Schemas) == 0 && len(w.set.Tables) == 0 {
		return streams, nil
	}
	if err := b.ask(append([]string{"tables"}, w.set.Schemas...)...); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, f := range streams {
		seen[f.id] = true
	}
	var next *found
	for {
		kind, payload, err := b.next()
		if err != nil {
			return nil, fault.Wrap(fault.Failed, memory(err), "the tables cannot be listed")
		}
		switch words := texts(payload); {
		case kind == 'E':
			return streams, nil
		case kind == 'D' && len(words) == 4 && w.wanted(words[0], words[1]):
			next = &found{view: strings.Contains(words[2], "VIEW")}
			next.schema, next.table = words[0], words[1]
			if words[3] != "" {
				next.keys = strings.Split(words[3], "\x00")
			}
		case kind == 'D':
			next = nil
		case kind == 'T' && next != nil:
			if next.columns, err = columnsOf(payload); err != nil {
				return nil, describing(next.table, err)
			}
			next.id = streamID(next.schema, next.table)
			if seen[next.id] {
				next.id = b.quoted(next.schema) + "-" + b.quoted(next.table) // as schema "a-b" with table "c" beside "a" with "b-c"
			}
			seen[next.id], next.name = true, next.id
			streams = append(streams, *next)
		}
	}
}

func describing(stream string, err error) error {
	return fault.Wrap(fault.CodeOf(err), err, "stream %q", stream)
}

// wanted says whether a table matches the setting tables.
func (w *worker) wanted(schema, table string) bool {
	if len(w.set.Tables) == 0 {
		return true
	}
	for _, pattern := range w.set.Tables {
		for _, name := range []string{table, schema + "." + table, streamID(schema, table)} {
			if ok, err := path.Match(strings.ToLower(strings.TrimSpace(pattern)), strings.ToLower(name)); ok && err == nil {
				return true
			}
		}
	}
	return false
}

func streamID(schema, table string) string { return strings.TrimPrefix(schema+"-"+table, "-") }

func (e *entry) selection() selection {
	return selection{id: e.Name, name: e.Name, schema: e.Schema, table: e.Table, query: e.Query, method: strings.ToUpper(e.Method), key: e.Key, keys: append([]string(nil), e.Keys...)}
}

// catalog is what discovery prints.
func catalog(streams []found) (*singer.Catalog, error) {
	c := &singer.Catalog{}
	for _, f := range streams {
		schema := &row.Schema{Stream: f.id, Key: f.keys}
		for _, col := range f.columns {
			schema.Columns = append(schema.Columns, col.Column)
		}
		cs, err := singer.NewCatalogStream(schema)
		if err != nil {
			return nil, err
		}
		if f.table != "" {
			cs.TableName = f.table
			cs.SetMeta("schema-name", f.schema)
			cs.SetMeta("is-view", f.view)
		}
		for _, col := range f.columns {
			cs.SetMeta("sql-datatype", col.sqlType, col.Name)
		}
		if f.key != "" {
			cs.SetMeta("replication-key", f.key)
			cs.SetMeta("inclusion", singer.Automatic, f.key)
		}
		if f.method != "" {
			cs.SetMeta("replication-method", f.method)
		}
		c.Streams = append(c.Streams, cs)
	}
	return c, nil
}

// selectionOf is what a catalog says of a stream that is selected: the user's
// own of that name, else the table that discovery noted.
func selectionOf(cs *singer.CatalogStream, s *settings) selection {
	sel := selection{}
	if e := s.entry(cs.ID()); e != nil {
		sel = e.selection()
	} else {
		sel.schema, _ = cs.Meta()["schema-name"].(string)
		if sel.table = cs.TableName; sel.table == "" {
			sel.table = cs.ID()
			if schema, table, ok := strings.Cut(cs.ID(), "-"); ok && sel.schema == "" {
				sel.schema, sel.table = schema, table
			}
		}
	}
	sel.id, sel.name = cs.ID(), cs.Name()
	if keys := cs.Keys(); len(keys) > 0 {
		sel.keys = append([]string(nil), keys...)
	}
	if method, key := cs.Replication(); method != "" || key != "" {
		if method != "" {
			sel.method = method
		}
		if key != "" {
			sel.key = key
		}
	}
	if len(cs.Properties()) > 0 {
		selected := cs.SelectedProperties()
		if len(selected) < len(cs.Properties()) {
			sel.columns = append([]string{}, selected...)
		}
	}
	return sel
}
