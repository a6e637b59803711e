package singer

import (
	"bytes"
	"encoding/json"
)

// Selected says whether the stream, or a property of it, is to be read. The
// order is the Meltano SDK's: a deselected parent, an unsupported or an
// automatic property decide; then "selected", "selected-by-default", then
// what holds for the parent. A catalog without any mark selects everything.
// Only a stream that was explicitly deselected stays so even if automatic.
func (s *CatalogStream) Selected(property ...string) bool {
	node := s.Schema
	chosen := s.chosen()
	for i := range property {
		if !chosen {
			return false
		}
		node = children(node).get(property[i])
		chosen = s.follows(property[:i+1], node)
	}
	return chosen
}

// SelectedProperties are the top-level properties to be read, in schema order.
func (s *CatalogStream) SelectedProperties() []string {
	if !s.chosen() {
		return nil
	}
	var names []string
	for _, m := range children(s.Schema) {
		if s.follows([]string{m.key}, m.value) {
			names = append(names, m.key)
		}
	}
	return names
}

// chosen says whether the stream as such is selected.
func (s *CatalogStream) chosen() bool {
	m := readMarks(s.Meta(), s.Schema)
	if m.selected == unsaid {
		var v any
		_ = json.Unmarshal(s.Extra["selected"], &v) // absent: unsaid
		m.selected = answerOf(v)
	}
	switch {
	case m.inclusion == Unsupported || m.selected == no:
		return false
	case m.selected == yes || m.inclusion == Automatic || m.byDefault == yes:
		return true
	}
	return len(s.Metadata) == 0 && m == (marks{})
}

// follows says whether a property of a selected parent is selected.
func (s *CatalogStream) follows(property []string, node json.RawMessage) bool {
	m := readMarks(s.Meta(property...), node)
	switch {
	case m.inclusion == Unsupported:
		return false
	case m.inclusion == Automatic:
		return true
	case m.selected != unsaid:
		return m.selected == yes
	}
	return m.byDefault != no
}

type answer uint8

const (
	unsaid answer = iota
	no
	yes
)

// marks is what a catalog says about selecting one node.
type marks struct {
	selected, byDefault answer
	inclusion           string
}

// readMarks reads the metadata and, where it is silent, what older catalogs
// put into the schema node itself.
func readMarks(meta map[string]any, node json.RawMessage) marks {
	m := marks{answerOf(meta["selected"]), answerOf(meta["selected-by-default"]), text(meta["inclusion"])}
	if !bytes.Contains(node, []byte(`"selected`)) && !bytes.Contains(node, []byte(`"inclusion"`)) {
		return m
	}
	o, _ := parseObject(node) // no object: no marks
	value := func(key string) (v any) {
		_ = json.Unmarshal(o.get(key), &v) // absent: nil
		return v
	}
	if m.selected == unsaid {
		m.selected = answerOf(value("selected"))
	}
	if m.byDefault == unsaid {
		m.byDefault = answerOf(value("selected-by-default"))
	}
	if m.inclusion == "" {
		m.inclusion = text(value("inclusion"))
	}
	return m
}

// answerOf also reads the string "true", which the official sample has.
func answerOf(v any) answer {
	switch v {
	case true, "true", "True":
		return yes
	case false, "false", "False":
		return no
	}
	return unsaid
}
