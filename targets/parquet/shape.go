package parquet

import (
	"bytes"
	"encoding/json"

	"github.com/parquet-go/parquet-go"

	"elt/internal/row"
	"elt/internal/singer"
)

// shape is a property's part of a JSON Schema, as far as it says what a
// nested column of Parquet looks like: a STRUCT, a LIST, a MAP whose keys are
// texts, or a scalar.
type shape struct {
	name    string
	leaf    leafType // of a scalar
	members []*shape // of a STRUCT
	element *shape   // of a LIST or MAP
	mapping bool
}

// shapeOf is the shape of a JSON column, nil where the schema does not say it.
func shapeOf(s *row.Schema, column string) *shape {
	var whole struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if len(s.Source) == 0 || json.Unmarshal(s.Source, &whole) != nil {
		return nil
	}
	out := parse(column, whole.Properties[column])
	if out == nil || out.leaf != 0 {
		return nil
	}
	return out
}

// parse is nil for what is not one known type besides null.
func parse(name string, raw json.RawMessage) *shape {
	var p struct {
		Type       json.RawMessage `json:"type"`
		Format     string          `json:"format"`
		Items      json.RawMessage `json:"items"`
		Additional json.RawMessage `json:"additionalProperties"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return nil
	}
	switch only(p.Type) {
	case "object":
		var members []*shape
		known := true
		if err := eachProperty(raw, func(name string, property json.RawMessage) {
			m := parse(name, property)
			known = known && m != nil
			members = append(members, m)
		}); err != nil || !known {
			return nil
		}
		if len(members) > 0 {
			return &shape{name: name, members: members}
		}
		if element := parse("value", p.Additional); element != nil {
			return &shape{name: name, element: element, mapping: true}
		}
		return nil
	case "array":
		if element := parse("element", p.Items); element != nil {
			return &shape{name: name, element: element}
		}
		return nil
	case "string":
		if p.Format == "date" {
			return &shape{name: name, leaf: leafDate}
		}
		return &shape{name: name, leaf: leafText}
	case "boolean":
		return &shape{name: name, leaf: leafBool}
	case "integer":
		return &shape{name: name, leaf: leafInt}
	case "number":
		return &shape{name: name, leaf: leafDouble}
	}
	return nil
}

// leafType is a scalar inside a nested column: those only whose values come
// back as they were. So a timestamp, whose offset would be lost, is text.
type leafType uint8

const (
	leafText leafType = iota + 1
	leafBool
	leafInt
	leafDouble
	leafDate
)

func (t leafType) node() parquet.Node {
	switch t {
	case leafBool:
		return parquet.Leaf(parquet.BooleanType)
	case leafInt:
		return parquet.Int(64)
	case leafDouble:
		return parquet.Leaf(parquet.DoubleType)
	case leafDate:
		return parquet.Date()
	}
	return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
}

// only is the one type besides null, else "".
func only(raw json.RawMessage) string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	for _, t := range list {
		if t != "null" && one != "" {
			return ""
		} else if t != "null" {
			one = t
		}
	}
	return one
}

// eachProperty visits properties in the order in which they stand.
func eachProperty(raw json.RawMessage, visit func(string, json.RawMessage)) error {
	return singer.EachMember(raw, func(key string, value []byte) error {
		if key != "properties" {
			return nil
		}
		return singer.EachMember(value, func(name string, property []byte) error {
			visit(name, bytes.Clone(property))
			return nil
		})
	})
}

// node is the shape as Parquet declares it; everything may be NULL.
func (s *shape) node() parquet.Node {
	switch {
	case s.leaf != 0:
		return parquet.Optional(s.leaf.node())
	case s.mapping:
		return parquet.Optional(parquet.Map(leafText.node(), s.element.node()))
	case s.element != nil:
		return parquet.Optional(parquet.List(s.element.node()))
	}
	g := group{Group: parquet.Group{}}
	for _, m := range s.members {
		g.fields = append(g.fields, field{m.node(), m.name})
	}
	return parquet.Optional(g)
}
