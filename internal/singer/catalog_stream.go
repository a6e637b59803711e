package singer

import (
	"encoding/json"
	"slices"
	"strings"
)

// Values of the metadata key "inclusion".
const (
	Available   = "available"
	Automatic   = "automatic"
	Unsupported = "unsupported"
)

// Replication methods.
const (
	FullTable   = "FULL_TABLE"
	Incremental = "INCREMENTAL"
	LogBased    = "LOG_BASED"
)

// ID is what bookmarks and selection rules call the stream.
func (s *CatalogStream) ID() string {
	if s.TapStreamID != "" {
		return s.TapStreamID
	}
	return s.Stream
}

// Name is what messages call the stream.
func (s *CatalogStream) Name() string {
	if s.Stream != "" {
		return s.Stream
	}
	return s.TapStreamID
}

// Breadcrumb is where the metadata of a property stands: Breadcrumb("a", "b")
// is properties, a, properties, b; without names the stream's own.
func Breadcrumb(property ...string) []string {
	crumb := make([]string, 0, 2*len(property))
	for _, p := range property {
		crumb = append(crumb, "properties", p)
	}
	return crumb
}

// Meta is the metadata of a property, or of the stream; nil when there is none.
func (s *CatalogStream) Meta(property ...string) map[string]any {
	if m := s.entry(Breadcrumb(property...)); m != nil {
		return m.Metadata
	}
	return nil
}

// SetMeta sets one metadata value, adding the entry where it is missing.
func (s *CatalogStream) SetMeta(key string, value any, property ...string) {
	crumb := Breadcrumb(property...)
	m := s.entry(crumb)
	if m == nil {
		s.Metadata = append(s.Metadata, Metadata{Breadcrumb: crumb})
		m = &s.Metadata[len(s.Metadata)-1]
	}
	if m.Metadata == nil {
		m.Metadata = map[string]any{}
	}
	m.Metadata[key] = value
}

func (s *CatalogStream) entry(crumb []string) *Metadata {
	for i := range s.Metadata {
		if slices.Equal(s.Metadata[i].Breadcrumb, crumb) {
			return &s.Metadata[i]
		}
	}
	return nil
}

// Properties are the names of the top-level properties in schema order.
func (s *CatalogStream) Properties() []string {
	var names []string
	for _, m := range children(s.Schema) {
		names = append(names, m.key)
	}
	return names
}

// Property is the schema of a top-level property, nil when there is none.
func (s *CatalogStream) Property(name string) json.RawMessage { return children(s.Schema).get(name) }

// children are the properties of a schema node.
func children(node json.RawMessage) object {
	o, _ := parseObject(node) // no object: no properties
	properties, _ := parseObject(o.get("properties"))
	return properties
}

// Replication is the method and the key to replicate by: what the catalog
// forces, else its metadata, else the older keys of the stream; "" when it
// says nothing.
func (s *CatalogStream) Replication() (method, key string) {
	meta := s.Meta()
	method, key = text(meta["replication-method"]), text(meta["replication-key"])
	if method == "" {
		method = s.ReplicationMethod
	}
	switch forced := meta["forced-replication-method"].(type) {
	case string:
		method = forced
	case map[string]any: // {"replication-method": "FULL_TABLE", "reason": …}
		if m := text(forced["replication-method"]); m != "" {
			method = m
		}
	}
	if key == "" {
		key = s.ReplicationKey
	}
	return strings.ToUpper(method), key
}

// Keys are the key properties: those that a user set in the metadata, else
// the table's own, else the older key of the stream.
func (s *CatalogStream) Keys() []string {
	meta := s.Meta()
	for _, name := range []string{"key-properties", "view-key-properties", "table-key-properties"} {
		if keys := texts(meta[name]); len(keys) > 0 {
			return keys
		}
	}
	return s.KeyProperties
}

func text(v any) string {
	t, _ := v.(string)
	return t
}

// texts reads a list of strings; a lone string is a list of one.
func texts(v any) []string {
	switch x := v.(type) {
	case string:
		if x != "" {
			return []string{x}
		}
	case []string:
		return x
	case []any:
		var out []string
		for _, e := range x {
			if t, ok := e.(string); ok {
				out = append(out, t)
			}
		}
		return out
	}
	return nil
}
