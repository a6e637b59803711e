package project

import (
	"fmt"
	"slices"
	"strings"

	"elt/internal/fault"
)

// textedit changes single values in the text of a project file and leaves
// every other byte as it is: comments, order, quotes. After each change the
// text is parsed again and compared with what the change should have given;
// a text that it cannot change so is refused, never damaged.
type textedit struct {
	src  *source
	root *node
}

func newTextedit(src *source) (*textedit, error) {
	root, err := parse(src)
	if err != nil {
		return nil, err
	}
	return &textedit{src: src, root: root}, nil
}

// set gives a key of the object at path a value; objects on the way that are
// absent are made. path may be empty: the file itself.
func (t *textedit) set(path []step, key string, value any) error {
	for i := range path {
		at, err := t.locate(path[:i+1])
		if err != nil {
			return err
		}
		if at.node.isNull() && path[i].index == 0 { // absent or empty: make the rest in one go
			inner := NewMap()
			inner.Set(key, value)
			for j := len(path) - 1; j > i; j-- {
				outer := NewMap()
				outer.Set(path[j].key, inner)
				inner = outer
			}
			return t.set(path[:i], path[i].key, inner)
		}
	}
	want := t.expect(path, func(m *Map) { m.Set(key, value) })
	parent, err := t.locate(path)
	if err != nil {
		return err
	}
	if !parent.node.isMap {
		return parent.node.errorf("%s is %s, not an object", pathText(path), parent.node.shape())
	}
	text := ""
	if e := parent.node.entry(key); e != nil {
		text, err = t.replace(path, parent, e, key, value)
	} else {
		text, err = t.insert(path, parent, key, value)
	}
	if err != nil {
		return err
	}
	return t.accept(text, want)
}

// replace writes a new value for a key that is there.
func (t *textedit) replace(path []step, parent spot, e *entry, key string, value any) (string, error) {
	at, err := t.locate(append(slices.Clone(path), step{key: key}))
	if err != nil {
		return "", err
	}
	_, isMap := value.(*Map)
	_, isList := value.([]any)
	end := t.trimmed(at.start, at.end)
	oneLine := end == at.start+1 && e.value.line == e.line
	if parent.node.flow || oneLine && !isMap && !isList && !e.value.isNull() {
		from, to, err := t.extent(e.value)
		if err != nil {
			return "", err
		}
		written := flowYAML(value)
		if !parent.node.flow {
			return t.spliceKept(from, to, scalarYAML(value, false)), nil
		}
		return t.splice(from, to, written), nil
	}
	lines := t.style().entry(key, value)
	return t.putLines(at.start, end, e.column-1, lines), nil
}

// insert adds a key at the end of an object.
func (t *textedit) insert(path []step, parent spot, key string, value any) (string, error) {
	n := parent.node
	if n.flow {
		written := scalarYAML(key, true) + ": " + flowYAML(value)
		return t.insertFlow(n, len(n.entries) > 0, written)
	}
	last := n.entries[len(n.entries)-1]
	end := t.trimmed(last.line-1, parent.end)
	for i, e := range n.entries {
		if i > 0 && !e.merged && standsBefore(path, key, e.key) {
			end = t.trimmed(n.entries[i-1].line-1, e.line-1)
			break
		}
	}
	return t.putLinesAt(end, n.column-1, t.style().entry(key, value)), nil
}

// standsBefore keeps Meltano's order of keys: a plugin's config stands before
// its extras, an environment's right after its name.
func standsBefore(path []step, key, other string) bool {
	switch {
	case key != "config" || len(path) == 0:
	case len(path) == 3 && path[0].key == "plugins":
		_, known := pluginKeys()[other]
		return !known
	case len(path) == 2 && path[0].key == "environments":
		return other != "name"
	}
	return false
}

// insertFlow writes before the closing bracket.
func (t *textedit) insertFlow(n *node, filled bool, written string) (string, error) {
	from, to, err := t.extent(n)
	if err != nil {
		return "", err
	}
	inner := strings.TrimRight(t.src.text[from:to-1], " \t\r\n")
	if filled && !strings.HasSuffix(inner, ",") {
		written = ", " + written
	} else if filled {
		written = " " + written
	}
	return t.src.text[:from+len(inner)] + written + t.src.text[to-1:], nil
}

// remove takes a key out of the object at path, and the object too when that
// empties it, up to keep levels from the top.
func (t *textedit) remove(path []step, key string, keep int) error {
	parent, err := t.locate(path)
	if err != nil || parent.node.entry(key) == nil {
		return err
	}
	if len(parent.node.entries) == 1 && len(path) > keep && path[len(path)-1].index == 0 {
		return t.remove(path[:len(path)-1], path[len(path)-1].key, keep)
	}
	want := t.expect(path, func(m *Map) { m.Delete(key) })
	at, err := t.locate(append(slices.Clone(path), step{key: key}))
	if err != nil {
		return err
	}
	n, e := parent.node, at.key
	if n.flow {
		from := t.offset(e.line, e.column)
		_, to, err := t.extent(e.value)
		if err != nil {
			return err
		}
		return t.accept(t.cutFlow(from, to), want)
	}
	end := t.trimmed(at.start, at.end)
	lines := slices.Clone(t.src.lines)
	if len(n.entries) == 1 {
		return t.accept(t.putLines(at.start, end, e.column-1, []string{scalarYAML(e.key, false) + ":"}), want)
	}
	head := lines[at.start][:min(e.column-1, len(lines[at.start]))]
	if strings.Contains(head, "-") && end < len(lines) { // "- key: …": the next key moves up to the dash
		lines[end] = head + strings.TrimLeft(lines[end], " ")
	}
	lines = slices.Delete(lines, at.start, end)
	return t.accept(strings.Join(lines, "\n"), want)
}

// add puts an item at the end of the list under a key; the list is made when
// it is absent.
func (t *textedit) add(path []step, key string, value any) error {
	at, err := t.locate(append(slices.Clone(path), step{key: key}))
	if err != nil || at.node.isNull() || at.node.isList && len(at.node.items) == 0 {
		return t.set(path, key, []any{value})
	}
	n := at.node
	if !n.isList {
		return n.errorf("%s is %s, not a list", key, n.shape())
	}
	want := t.expect(path, func(m *Map) {
		have, _ := m.Get(key)
		m.Set(key, append(slices.Clone(have.([]any)), value))
	})
	if n.flow {
		text, err := t.insertFlow(n, true, flowYAML(value))
		if err != nil {
			return err
		}
		return t.accept(text, want)
	}
	column, err := t.dash(n)
	if err != nil {
		return err
	}
	end := t.trimmed(n.items[len(n.items)-1].line-1, at.end)
	return t.accept(t.putLinesAt(end, column, t.style().item(value)), want)
}

// drop takes an item (counted from 1) out of the list under a key, and the
// key too with the last item unless keep.
func (t *textedit) drop(path []step, key string, index int, keep bool) error {
	at, err := t.locate(append(slices.Clone(path), step{key: key}))
	if err != nil {
		return err
	}
	n := at.node
	if !n.isList || index > len(n.items) {
		return fmt.Errorf("%s has no item %d", key, index)
	}
	if len(n.items) == 1 && keep {
		return t.set(path, key, []any{})
	}
	if len(n.items) == 1 {
		return t.remove(path, key, len(path))
	}
	want := t.expect(path, func(m *Map) {
		have, _ := m.Get(key)
		m.Set(key, slices.Delete(slices.Clone(have.([]any)), index-1, index))
	})
	item := n.items[index-1]
	if n.flow {
		from, to, err := t.extent(item)
		if err != nil {
			return err
		}
		return t.accept(t.cutFlow(from, to), want)
	}
	end := at.end
	if index < len(n.items) {
		end = n.items[index].line - 1
	}
	start := item.line - 1
	lines := slices.Delete(slices.Clone(t.src.lines), start, t.trimmed(start, end))
	return t.accept(strings.Join(lines, "\n"), want)
}

// expect is the value that the file should have after change.
func (t *textedit) expect(path []step, change func(*Map)) any {
	whole := t.root.plain()
	var at any = whole
	for _, s := range path {
		switch v := at.(type) {
		case *Map:
			at, _ = v.Get(s.key)
		case []any:
			at = v[s.index-1]
		}
	}
	if m, ok := at.(*Map); ok {
		change(m)
	}
	return whole
}

// accept takes a text whose meaning is the one wanted.
func (t *textedit) accept(text string, want any) error {
	if strings.Contains(t.src.text, "\r\n") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	src := newSource(t.src.path, t.src.shown, text)
	root, err := parse(src)
	if err != nil || canonical(root.plain()) != canonical(want) {
		return fault.New(fault.Failed, "%s is written in a way that cannot be edited by machine here", t.src.shown).
			WithHint("make this change in the file by hand")
	}
	t.src, t.root = src, root
	return nil
}

// canonical is a value as text, whatever the order of its keys (a new key is
// put where Meltano has it); an object without keys is the same as none.
func canonical(v any) string {
	switch v := v.(type) {
	case *Map:
		out := NewMap()
		for _, k := range slices.Sorted(slices.Values(v.keys)) {
			item := v.values[k]
			if m, ok := item.(*Map); item != nil && (!ok || m.Len() > 0) {
				out.Set(k, canonical(item))
			}
		}
		return pythonJSON(out)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = canonical(item)
		}
		return pythonJSON(out)
	}
	return pythonJSON(v)
}
