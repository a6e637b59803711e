package singer

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"elt/internal/row"
)

// jsonSchema reads the JSON Schema of a stream: which properties there are,
// and which column each becomes.
type jsonSchema struct {
	root object
	// hex: a string whose contentEncoding is base16 is a column of bytes.
	hex bool
}

// property is a property of an object and its schema.
type property struct {
	name string
	raw  json.RawMessage
}

// typeSet is a set of JSON types; empty means that none is declared.
type typeSet uint8

const (
	typeNull typeSet = 1 << iota
	typeString
	typeInteger
	typeNumber
	typeBoolean
	typeObject
	typeArray
)

var typeNames = map[string]typeSet{
	"null": typeNull, "string": typeString, "integer": typeInteger, "number": typeNumber,
	"boolean": typeBoolean, "object": typeObject, "array": typeArray,
}

// shape is what a schema allows: one column per type, formats told apart.
type shape struct {
	types      typeSet // null included
	columns    []row.Column
	properties []property // of the object type, when they are declared
	declared   bool       // x-elt-kind: columns[0] is said, not guessed
	text       bool       // x-elt-text
	refs       []string   // the references on the way here
}

// column is the column for a property of this schema. A foreign tap's schema
// says little about which properties may be missing, so only its keys cannot
// be NULL. seen are the references that led to the property.
func (j *jsonSchema) column(name string, raw json.RawMessage, key bool, seen []string) (row.Column, shape) {
	s := j.shape(raw, nil, seen)
	c := merge(s.columns)
	if s.declared {
		c.Nullable = s.types&typeNull != 0
	} else {
		c.Nullable = !key
		if key && c.Kind == row.JSON && s.types&^(typeNull|typeObject|typeArray) == 0 && s.types != 0 {
			// A key must compare: its JSON becomes text.
			c = row.Column{Kind: row.Text, Wire: row.WireText}
		}
	}
	if j.hex && c.Kind == row.Text && s.types&^(typeNull|typeString) == 0 {
		if node, _ := parseObject(raw); jsonText(node.get("contentEncoding")) == "base16" {
			c.Kind, c.Wire = row.Bytes, row.WireBytea
		}
	}
	c.Name = name
	return c, s
}

// shape follows references (seen are those under way) and joins branches.
// Keywords beside anyOf and oneOf hold for branches that lack them: outer.
func (j *jsonSchema) shape(raw json.RawMessage, outer object, seen []string) shape {
	node, err := parseObject(raw)
	if err != nil { // true, false, or nonsense: anything
		return shape{}
	}
	if c, ok := columnFromElt(raw); ok {
		return shape{types: typesOf(node), columns: []row.Column{c}, declared: true, text: string(node.get(EltText)) == "true"}
	}
	var s shape
	if ref := jsonText(node.get("$ref")); ref != "" {
		if slices.Contains(seen, ref) { // it contains itself
			s = ofType(typeObject, node)
		} else if target := j.lookup(ref); target != nil {
			s = j.shape(target, nil, append(slices.Clip(seen), ref))
			s.refs = append(s.refs, ref)
		}
		s.types |= typesOf(node) & typeNull
		return s
	}
	own := typesOf(node)
	branches := append(list(node.get("anyOf")), list(node.get("oneOf"))...)
	if len(branches) == 0 {
		s = ofNode(node, outer)
	}
	for _, b := range branches {
		o := j.shape(b, node, seen)
		if len(branches) > 1 && onlyEmpty(b) { // a source's way to write NULL
			o = shape{types: typeNull}
		}
		if own != 0 && o.types != 0 {
			o = o.only(own)
		}
		s = s.or(o)
	}
	if s.types&^typeNull == 0 && own&^typeNull != 0 {
		s = ofNode(node, outer)
	}
	for _, b := range list(node.get("allOf")) {
		s = s.and(j.shape(b, node, seen))
	}
	s.types |= own & typeNull
	return s
}

// onlyEmpty says that a schema allows the empty string and no other value.
func onlyEmpty(raw json.RawMessage) bool {
	node, _ := parseObject(raw)
	if typesOf(node)&^typeNull != typeString {
		return false
	}
	only := list(node.get("enum"))
	if c := node.get("const"); c != nil {
		only = append(only, c)
	}
	for _, v := range only {
		if string(v) != `""` && string(v) != "null" {
			return false
		}
	}
	return only != nil || number(node.get("maxLength")) == "0"
}

// lookup is what a local reference (#/definitions/x) points to.
func (j *jsonSchema) lookup(ref string) json.RawMessage {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	node := j.root
	var value json.RawMessage
	for part := range strings.SplitSeq(path, "/") {
		if p, err := url.PathUnescape(part); err == nil {
			part = p
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		value = node.get(part)
		if items := list(value); items != nil {
			// The next part is an index into this list.
			node = nil
			for n, item := range items {
				node.set(strconv.Itoa(n), item)
			}
			continue
		}
		node, _ = parseObject(value)
	}
	return value
}

// or joins two alternatives.
func (s shape) or(o shape) shape {
	s.types |= o.types
	s.columns = append(slices.Clip(s.columns), o.columns...)
	if s.properties == nil {
		s.properties = o.properties
	} else if o.properties != nil {
		s.properties = join(s.properties, o.properties)
	}
	s.declared = s.declared || o.declared
	s.refs = append(slices.Clip(s.refs), o.refs...)
	return s
}

// and keeps what both allow; a schema that says no types restricts none.
func (s shape) and(o shape) shape {
	props, refs := join(s.properties, o.properties), append(slices.Clip(s.refs), o.refs...)
	switch {
	case o.types&^typeNull == 0:
	case s.types&^typeNull == 0:
		s = o
	default:
		both := s.only(o.types)
		for n, c := range both.columns {
			for _, oc := range o.columns { // the one with the format knows more
				if c.Kind == row.Text && classOf(oc) == typeString {
					both.columns[n] = oc
				}
			}
		}
		s = both
	}
	s.properties, s.refs = props, refs
	return s
}

// only drops what is of no type in want.
func (s shape) only(want typeSet) shape {
	if want&typeNumber != 0 {
		want |= typeInteger
	}
	if want&typeInteger != 0 && s.types&typeNumber != 0 {
		want |= typeNumber
	}
	out := shape{types: s.types & want, properties: s.properties, declared: s.declared, refs: s.refs}
	for _, c := range s.columns {
		if classOf(c)&want != 0 {
			out.columns = append(out.columns, c)
		}
	}
	return out
}

func join(a, b []property) []property {
	out := slices.Clone(a)
	for _, p := range b {
		if !slices.ContainsFunc(out, func(o property) bool { return o.name == p.name }) {
			out = append(out, p)
		}
	}
	return out
}

// properties are the members of "properties", in order; ok is false when
// there is no such object.
func properties(node object) (props []property, ok bool) {
	o, err := parseObject(node.get("properties"))
	if err != nil {
		return nil, false
	}
	for _, m := range o {
		props = append(props, property{m.key, m.value})
	}
	return props, true
}

// typesOf reads "type", a name or a list of names; without it enum, const
// and the keywords that only one type has say as much.
func typesOf(node object) (set typeSet) {
	if raw := node.get("type"); raw != nil {
		if name := jsonText(raw); name != "" {
			return typeNames[name]
		}
		for _, raw := range list(raw) {
			set |= typeNames[jsonText(raw)]
		}
		return set
	}
	values := list(node.get("enum"))
	if c := node.get("const"); c != nil {
		values = append(values, c)
	}
	for _, v := range values {
		set |= valueType(v)
	}
	if set != 0 {
		return set
	}
	switch {
	case node.get("properties") != nil:
		return typeObject
	case node.get("items") != nil:
		return typeArray
	}
	return 0
}

// valueType is the type of a JSON value.
func valueType(v json.RawMessage) typeSet {
	switch v = bytes.TrimSpace(v); peek(v, 0) {
	case '"':
		return typeString
	case '{':
		return typeObject
	case '[':
		return typeArray
	case 't', 'f':
		return typeBoolean
	case 'n':
		return typeNull
	}
	if bytes.ContainsAny(v, ".eEN") {
		return typeNumber
	}
	return typeInteger
}

// jsonText is a JSON string's text, "" for anything else.
func jsonText(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}

// list is the elements of a JSON array, nil for anything else.
func list(raw json.RawMessage) (l []json.RawMessage) {
	_ = json.Unmarshal(raw, &l)
	return l
}

// number is a JSON number's or string's text, "" for anything else.
func number(raw json.RawMessage) string {
	if s := jsonText(raw); s != "" {
		return s
	}
	if v := bytes.TrimSpace(raw); len(v) > 0 && scanNumber(v, 0) == len(v) {
		return string(v)
	}
	return ""
}
