package project

import (
	"encoding/json"

	"elt/internal/fault"
)

// node is a value of a project file with its place. Exactly one of the three
// shapes holds: an object (isMap), a list (isList), or a scalar.
type node struct {
	src          *source
	line, column int

	isMap   bool
	entries []entry

	isList bool
	items  []*node

	scalar any  // nil, bool, json.Number, string
	flow   bool // written as {…} or […]
	size   int  // nodes below and with this one, aliases counted in full
}

// entry is one key of an object.
type entry struct {
	key          string
	line, column int
	value        *node
	merged       bool // came through a << key
}

func (n *node) at() fault.Position {
	if n == nil || n.src == nil {
		return fault.Position{}
	}
	return fault.Position{File: n.src.shown, Line: n.line, Column: n.column}
}

func (n *node) errorf(format string, args ...any) *fault.Error {
	return n.src.errorf(n.line, n.column, format, args...)
}

// isNull says that the value is absent or null.
func (n *node) isNull() bool { return n == nil || !n.isMap && !n.isList && n.scalar == nil }

// get is the value of a key, nil when the key is absent or n is no object.
func (n *node) get(key string) *node {
	if e := n.entry(key); e != nil {
		return e.value
	}
	return nil
}

func (n *node) entry(key string) *entry {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// list are the items of a list, nothing for anything else.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// object are the entries of an object, nothing for anything else.
func (n *node) object() []entry {
	if n == nil {
		return nil
	}
	return n.entries
}

// text is a scalar as text; "" for null and for what is no scalar.
func (n *node) text() string {
	if n == nil {
		return ""
	}
	return scalarText(n.scalar)
}

func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return ""
}

// texts are the scalars of a list as text.
func (n *node) texts() []string {
	var out []string
	for _, item := range n.list() {
		out = append(out, item.text())
	}
	return out
}

// textMap are the entries of an object as text; nulls are empty.
func (n *node) textMap() map[string]string {
	out := map[string]string{}
	for _, e := range n.object() {
		out[e.key] = e.value.text()
	}
	return out
}

// plain is the value without places: nil, bool, json.Number, string, []any, *Map.
func (n *node) plain() any {
	switch {
	case n == nil:
		return nil
	case n.isMap:
		m := NewMap()
		for _, e := range n.entries {
			m.Set(e.key, e.value.plain())
		}
		return m
	case n.isList:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.plain()
		}
		return list
	}
	return n.scalar
}
