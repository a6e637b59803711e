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

// step is a key of an object or, where index is set, an item of a list.
type step struct {
	key   string
	index int // counted from 1; 0 is a key
}

func keys(names ...string) []step {
	var out []step
	for _, n := range names {
		out = append(out, step{key: n})
	}
	return out
}

// spot is a node with the lines that belong to it.
type spot struct {
	node  *node
	start int // first line, counted from 0; the key's where there is one
	end   int // line after the last
	key   *entry
}

// locate follows a path; a nil node means that the last key is absent.
func (t *textedit) locate(path []step) (spot, error) {
	at := spot{node: t.root, start: 0, end: len(t.src.lines)}
	for i, s := range path {
		n := at.node
		if n == nil {
			return spot{}, fmt.Errorf("%s is not in the file", pathText(path[:i]))
		}
		if s.index > 0 {
			if s.index > len(n.items) {
				return spot{}, fmt.Errorf("%s has no item %d", pathText(path[:i]), s.index)
			}
			item := n.items[s.index-1]
			end := at.end
			if s.index < len(n.items) {
				end = n.items[s.index].line - 1
			}
			at = spot{node: item, start: item.line - 1, end: end}
			continue
		}
		e := n.entry(s.key)
		if e == nil {
			at = spot{start: at.start, end: at.end}
			continue
		}
		if e.merged {
			return spot{}, fmt.Errorf("%s comes from a << reference", pathText(path[:i+1]))
		}
		end := at.end
		if j := slices.IndexFunc(n.entries, func(o entry) bool { return o.key == s.key }); j+1 < len(n.entries) && !n.entries[j+1].merged {
			end = n.entries[j+1].line - 1
		}
		at = spot{node: e.value, start: e.line - 1, end: end, key: e}
	}
	return at, nil
}

func pathText(path []step) string {
	var parts []string
	for _, s := range path {
		if s.index > 0 {
			parts = append(parts, fmt.Sprintf("[%d]", s.index))
		} else {
			parts = append(parts, s.key)
		}
	}
	return strings.Join(parts, ".")
}

// trimmed is the end of a spot without the blank and comment lines after it.
func (t *textedit) trimmed(start, end int) int {
	for end > start+1 {
		body := strings.TrimSpace(t.src.lines[end-1])
		if body != "" && body[0] != '#' {
			break
		}
		end--
	}
	return end
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
			written = scalarYAML(value, false)
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

// dash is the column (from 0) of the dashes of a block list.
func (t *textedit) dash(n *node) (int, error) {
	line := t.src.lineText(n.items[0].line)
	i := strings.Index(line, "-")
	if i < 0 {
		return 0, n.errorf("cannot edit this list by machine")
	}
	if strings.TrimSpace(line[:i]) != "" { // "key: - x" cannot be; nested dashes can
		return 0, n.errorf("cannot edit this list by machine")
	}
	return i, nil
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

// style is how the file writes lists below keys.
func (t *textedit) style() style {
	var find func(n *node) (int, bool)
	find = func(n *node) (int, bool) {
		for _, e := range n.object() {
			if v := e.value; v.isList && !v.flow && len(v.items) > 0 && v.src == t.src && v.line > e.line {
				if dash, err := t.dash(v); err == nil && dash >= e.column-1 {
					return min(dash-(e.column-1), 4), true
				}
			}
			if offset, ok := find(e.value); ok {
				return offset, true
			}
		}
		for _, item := range n.list() {
			if offset, ok := find(item); ok {
				return offset, true
			}
		}
		return 0, false
	}
	offset, _ := find(t.root)
	return style{listOffset: offset}
}

// putLines replaces lines [start, end) by an entry that begins at a column;
// what stands before that column on the first line (a dash) stays.
func (t *textedit) putLines(start, end, column int, lines []string) string {
	out := indented(lines, column)
	first := t.src.lines[start]
	if len(first) >= column {
		out[0] = first[:column] + lines[0]
	}
	return strings.Join(slices.Concat(t.src.lines[:start], out, t.src.lines[end:]), "\n")
}

// putLinesAt inserts lines before line at.
func (t *textedit) putLinesAt(at, column int, lines []string) string {
	out := slices.Concat(t.src.lines[:at], indented(lines, column), t.src.lines[at:])
	text := strings.Join(out, "\n")
	if at == len(t.src.lines) && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

func (t *textedit) splice(from, to int, written string) string {
	return t.src.text[:from] + written + t.src.text[to:]
}

// cutFlow takes text out of a bracket, with one comma beside it.
func (t *textedit) cutFlow(from, to int) string {
	text := t.src.text
	if rest := strings.TrimLeft(text[to:], " \t\r\n"); strings.HasPrefix(rest, ",") {
		after := strings.TrimLeft(rest[1:], " \t")
		return text[:from] + after
	}
	before := strings.TrimRight(text[:from], " \t\r\n")
	return strings.TrimSuffix(before, ",") + text[to:]
}

// offset is the place of a line and column (runes, from 1) in the text.
func (t *textedit) offset(line, column int) int {
	at := 0
	for _, l := range strings.SplitAfter(t.src.text, "\n")[:line-1] {
		at += len(l)
	}
	for i := range t.src.text[at:] {
		if column--; column == 0 {
			return at + i
		}
	}
	return len(t.src.text)
}

// extent is where a value that stands on one line, or in brackets, begins
// and ends.
func (t *textedit) extent(n *node) (from, to int, err error) {
	from = t.offset(n.line, n.column)
	text := t.src.text
	switch {
	case n.src != t.src || n.isNull() && !strings.HasPrefix(text[from:], "n") && !strings.HasPrefix(text[from:], "~"):
		return 0, 0, n.errorf("cannot edit this value by machine")
	case n.flow:
		return from, bracketEnd(text, from), nil
	case text[from] == '"' || text[from] == '\'':
		return from, quoteEnd(text, from), nil
	}
	to = from
	for to < len(text) && text[to] != '\n' && text[to] != '\r' && !(text[to] == '#' && to > from && text[to-1] == ' ') {
		if strings.IndexByte(",]}", text[to]) >= 0 && t.inFlow(from) {
			break
		}
		to++
	}
	return from, from + len(strings.TrimRight(text[from:to], " \t")), nil
}

// inFlow says whether a place is inside brackets.
func (t *textedit) inFlow(at int) bool {
	var within func(n *node) bool
	within = func(n *node) bool {
		if n == nil || n.src != t.src {
			return false
		}
		if n.flow {
			from := t.offset(n.line, n.column)
			if from <= at && at < bracketEnd(t.src.text, from) {
				return true
			}
		}
		for _, e := range n.entries {
			if within(e.value) {
				return true
			}
		}
		return slices.ContainsFunc(n.items, within)
	}
	return within(t.root)
}

func bracketEnd(text string, from int) int {
	depth := 0
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			if before := text[i-1]; strings.IndexByte(" \t\n[{,:", before) >= 0 {
				i = quoteEnd(text, i) - 1
			}
		case '#':
			if before := text[i-1]; before == ' ' || before == '\t' || before == '\n' {
				for i < len(text) && text[i] != '\n' {
					i++
				}
			}
		}
	}
	return len(text)
}

func quoteEnd(text string, from int) int {
	quote := text[from]
	for i := from + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote && quote == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return len(text)
}
