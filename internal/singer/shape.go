package singer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elt/internal/row"
)

// Shape is what a SCHEMA message says of a stream, as a person reads it. Equal
// shapes are equal texts in JSON: the columns are in the order of their names.
type Shape struct {
	Columns        []ShapeColumn `json:"columns"`
	Key            []string      `json:"key"`
	ReplicationKey string        `json:"replication_key,omitempty"`
}

// ShapeColumn is a property. Type is a row.Kind with its size where one of our
// connectors said so ("numeric(12,2)"), else the types of JSON Schema with
// their format ("string date-time", "integer|string").
type ShapeColumn struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable,omitempty"`
}

// PrintSchema is the SCHEMA message of a schema, with its newline.
func PrintSchema(s *row.Schema) ([]byte, error) { return appendSchemaMessage(nil, s, Singer, false) }

// ShapeOf reads a SCHEMA message. Columns that Singer's own tools add (_sdc_…)
// are left out: they are not the source's.
func ShapeOf(message []byte) (stream string, shape Shape, err error) {
	var m struct {
		Stream string `json:"stream"`
		Schema struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"schema"`
		Keys      json.RawMessage `json:"key_properties"`
		Bookmarks json.RawMessage `json:"bookmark_properties"`
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return "", shape, fmt.Errorf("read a SCHEMA message: %w", err)
	}
	shape = Shape{Columns: []ShapeColumn{}, Key: append([]string{}, keyList(m.Keys)...)}
	for name, property := range m.Schema.Properties {
		if strings.HasPrefix(name, "_sdc_") {
			continue
		}
		c := ShapeColumn{Name: name}
		c.Type, c.Nullable = typeText(property)
		shape.Columns = append(shape.Columns, c)
	}
	slices.SortFunc(shape.Columns, func(a, b ShapeColumn) int { return strings.Compare(a.Name, b.Name) })
	if marks := keyList(m.Bookmarks); len(marks) > 0 {
		shape.ReplicationKey = marks[0]
	}
	return m.Stream, shape, nil
}

// typeText is the type of a property.
func typeText(property json.RawMessage) (text string, nullable bool) {
	var p struct {
		Type      json.RawMessage   `json:"type"`
		Format    string            `json:"format"`
		AnyOf     []json.RawMessage `json:"anyOf"`
		OneOf     []json.RawMessage `json:"oneOf"`
		Kind      string            `json:"x-elt-kind"`
		Precision int               `json:"x-elt-precision"`
		Scale     *int              `json:"x-elt-scale"`
	}
	if json.Unmarshal(property, &p) != nil {
		return "any", true
	}
	var types []string
	for _, t := range keyList(p.Type) {
		if t == "null" {
			nullable = true
		} else if t == "string" && p.Format != "" {
			types = append(types, t+" "+p.Format)
		} else {
			types = append(types, t)
		}
	}
	for _, one := range append(p.AnyOf, p.OneOf...) {
		t, null := typeText(one)
		nullable = nullable || null
		if t != "" && t != "any" {
			types = append(types, strings.Split(t, "|")...)
		}
	}
	slices.Sort(types)
	types = slices.Compact(types)
	switch {
	case p.Kind != "" && p.Scale != nil:
		return fmt.Sprintf("%s(%d,%d)", p.Kind, p.Precision, *p.Scale), nullable
	case p.Kind != "" && p.Precision > 0:
		return fmt.Sprintf("%s(%d)", p.Kind, p.Precision), nullable
	case p.Kind != "":
		return p.Kind, nullable
	case len(types) > 0:
		return strings.Join(types, "|"), nullable
	case nullable:
		return "", true // null alone, as a branch of anyOf
	}
	return "any", true
}
