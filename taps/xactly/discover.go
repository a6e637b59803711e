package xactly

import (
	"bytes"
	"slices"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
)

const metaTable = "table-name"

// catalog is all tables that are known.
func (s *settings) catalog() (*singer.Catalog, error) {
	catalog := &singer.Catalog{}
	for _, t := range s.tables {
		if catalog.Stream(t.stream()) != nil {
			return nil, fault.New(fault.BadConfig, "tap-xactly: two tables make a stream called %q", t.stream())
		}
		catalog.Streams = append(catalog.Streams, t.entry())
	}
	return catalog, nil
}

// entry is the catalog's entry of a table. Every column may be NULL; dates are
// texts, as the service writes them.
func (t table) entry() *singer.CatalogStream {
	var schema bytes.Buffer
	schema.WriteString(`{"type":"object","properties":{`)
	for n, c := range t.columns {
		if n > 0 {
			schema.WriteByte(',')
		}
		schema.Write(row.AppendJSONString(nil, []byte(c.name)))
		schema.WriteString(`:{"type":["null","` + [...]string{text: "string", number: "number", integer: "integer"}[c.kind] + `"]}`)
	}
	schema.WriteString("}}")
	cs := &singer.CatalogStream{TapStreamID: t.stream(), Stream: t.stream(), Schema: schema.Bytes(), KeyProperties: t.keys}
	cs.SetMeta("inclusion", singer.Available)
	cs.SetMeta("selected-by-default", true)
	cs.SetMeta(metaTable, t.name)
	if len(t.keys) > 0 {
		cs.SetMeta("table-key-properties", t.keys)
	}
	for _, c := range t.columns {
		inclusion := singer.Available
		if slices.Contains(t.keys, c.name) || c.name == t.date {
			inclusion = singer.Automatic
		}
		cs.SetMeta("inclusion", inclusion, c.name)
	}
	if cs.ReplicationMethod = singer.FullTable; t.date != "" {
		cs.ReplicationKey, cs.ReplicationMethod = t.date, singer.Incremental
		cs.SetMeta("valid-replication-keys", []string{t.date})
		cs.SetMeta(spec.MetaWindowed, true) // by a date, though its column is a text
	}
	return cs
}

// tableOf is the table of a stream as statements have it. A catalog that was
// not made here says no more than the stream's name.
func (s *settings) tableOf(cs *singer.CatalogStream) string {
	name, _ := cs.Meta()[metaTable].(string)
	if name == "" {
		name = cs.ID()
	}
	if s.Schema != "" && !bytes.ContainsRune([]byte(name), '.') {
		name = s.Schema + "." + name
	}
	return name
}
