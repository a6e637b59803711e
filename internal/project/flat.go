package project

import (
	"strings"

	"elt/internal/fault"
)

// flatValue is one leaf of a configuration under its dotted name. Lists and
// empty objects are leaves.
type flatValue struct {
	name  string
	value any
	at    fault.Position
}

// flattenNode lists the leaves of an object of the file in order; of two that
// spell one name differently ("a.b: 1" and "a: {b: 1}") the later one counts.
func flattenNode(n *node, prefix string) []flatValue {
	var out []flatValue
	for _, e := range n.object() {
		if e.value.isMap && len(e.value.entries) > 0 {
			out = append(out, flattenNode(e.value, prefix+e.key+".")...)
			continue
		}
		out = append(out, flatValue{prefix + e.key, e.value.plain(), fault.Position{File: n.src.shown, Line: e.line, Column: e.column}})
	}
	return out
}

// lookupFlat finds a name; of several the last.
func lookupFlat(config []flatValue, name string) (flatValue, bool) {
	for i := len(config) - 1; i >= 0; i-- {
		if config[i].name == name {
			return config[i], true
		}
	}
	return flatValue{}, false
}

// splitDots cuts a dotted name; \. is a dot that does not cut.
func splitDots(name string) []string {
	if !strings.Contains(name, `\.`) {
		return strings.Split(name, ".")
	}
	var parts []string
	part := ""
	for i := 0; i < len(name); i++ {
		switch {
		case strings.HasPrefix(name[i:], `\.`):
			part += "."
			i++
		case name[i] == '.':
			parts, part = append(parts, part), ""
		default:
			part += name[i : i+1]
		}
	}
	return append(parts, part)
}

// nest stores a value under a dotted name, making objects on the way; what
// stands there already and is an object is filled, anything else replaced.
func nest(m *Map, name string, value any) {
	path := splitDots(name)
	for _, key := range path[:len(path)-1] {
		inner, ok := m.values[key].(*Map)
		if !ok {
			inner = NewMap()
			m.Set(key, inner)
		}
		m = inner
	}
	last := path[len(path)-1]
	add, isMap := value.(*Map)
	if !isMap {
		m.Set(last, value)
		return
	}
	have, ok := m.values[last].(*Map)
	if !ok {
		have = NewMap()
		m.Set(last, have)
	}
	for k, v := range add.All() {
		nest(have, k, v)
	}
}

// nested rebuilds objects from dotted keys, also inside. Dots that do not cut
// stay written \. for those who cut again.
func nested(m *Map) *Map {
	out := NewMap()
	for k, v := range m.All() {
		nest(out, strings.ReplaceAll(k, `\.`, `\\.`), v)
	}
	return out
}

// nestMissing is nest, but what is there already stays: an object given whole
// wins over its leaves, which fill it up.
func nestMissing(m *Map, name string, value any) {
	path := splitDots(name)
	for i, key := range path {
		have, there := m.values[key]
		inner, isMap := have.(*Map)
		if i == len(path)-1 {
			add, adds := value.(*Map)
			if !there {
				nest(m, strings.ReplaceAll(key, ".", `\.`), value)
			} else if isMap && adds {
				for k, v := range add.All() {
					nestMissing(inner, k, v)
				}
			}
			return
		}
		if there && !isMap {
			return
		}
		if !there {
			inner = NewMap()
			m.Set(key, inner)
		}
		m = inner
	}
}
