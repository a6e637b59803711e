package project

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

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

// spliceKept replaces the text of a value; a comment after it stays in its
// column as far as the new value leaves room.
func (t *textedit) spliceKept(from, to int, written string) string {
	rest := t.src.text[to:]
	comment := strings.TrimLeft(rest, " ")
	gap := len(rest) - len(comment)
	if gap > 0 && strings.HasPrefix(comment, "#") {
		grown := utf8.RuneCountInString(written) - utf8.RuneCountInString(t.src.text[from:to])
		rest = strings.Repeat(" ", max(1, gap-grown)) + comment
	}
	return t.src.text[:from] + written + rest
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
