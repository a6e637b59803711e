// Package shape learns from JSON records which properties a stream has, and of
// which types, for sources that come without a schema.
package shape

import (
	"bytes"
	"encoding/json"
	"slices"

	"elt/internal/row"
)

// Shape is what properties the records shown to it have, and of which types.
type Shape struct {
	order []string
	seen  map[string]*types
	dates bool // look into strings
}

// New is a Shape that has seen nothing. dates: strings that are all dates, or
// all timestamps with a zone, count as such.
func New(dates bool) *Shape { return &Shape{seen: map[string]*types{}, dates: dates} }

// Names are the properties seen, in order of appearance.
func (s *Shape) Names() []string { return s.order }

// Has says whether a property was seen.
func (s *Shape) Has(name string) bool { return s.seen[name] != nil }

// types is a set of JSON types with what their texts have in common.
type types struct {
	null, integer, number, boolean, text, object, array bool

	date, timestamp bool // all strings so far were such
}

// Member is shown one member of a record; it fits singer.Members.
func (s *Shape) Member(key, value []byte) error {
	t := s.seen[string(key)]
	if t == nil {
		name := string(key)
		t = &types{date: s.dates, timestamp: s.dates}
		s.seen[name], s.order = t, append(s.order, name)
	}
	switch value[0] {
	case 'n':
		t.null = true
	case 't', 'f':
		t.boolean = true
	case '{':
		t.object = true
	case '[':
		t.array = true
	case '"':
		t.text = true
		if t.date || t.timestamp {
			t.look(value[1 : len(value)-1])
		}
	default:
		if bytes.ContainsAny(value, ".eE") {
			t.number = true
		} else {
			t.integer = true
		}
	}
	return nil
}

func (t *types) look(text []byte) {
	if _, ok := row.ParseDate(text); !ok {
		t.date = false
	}
	if i, ok := row.ParseTimestamp(text); !ok || i.Offset == row.NoOffset {
		t.timestamp = false
	}
}

// Property is the JSON Schema of a property that was seen.
func (s *Shape) Property(name string) (json.RawMessage, error) {
	return json.Marshal(s.seen[name].property())
}

// Schema is the JSON Schema of the wanted properties (nil: of all).
func (s *Shape) Schema(wanted []string) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteString(`{"type":"object","properties":{`)
	first := true
	for _, name := range s.order {
		if wanted != nil && !slices.Contains(wanted, name) {
			continue
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		property, err := s.Property(name)
		if err != nil {
			return nil, err
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.Write(key)
		b.WriteByte(':')
		b.Write(property)
	}
	b.WriteString("}}")
	return b.Bytes(), nil
}

func (t *types) property() map[string]any {
	names := []string{"null"}
	for _, n := range []struct {
		is   bool
		name string
	}{{t.integer && !t.number, "integer"}, {t.number, "number"}, {t.boolean, "boolean"}, {t.object, "object"}, {t.array, "array"}, {t.text, "string"}} {
		if n.is {
			names = append(names, n.name)
		}
	}
	p := map[string]any{"type": names}
	switch {
	case len(names) == 1:
		p["type"] = []string{"null", "string"} // only nulls were seen
	case len(names) == 2 && t.text && t.date:
		p["format"] = "date"
	case len(names) == 2 && t.text && t.timestamp:
		p["format"] = "date-time"
	}
	return p
}
