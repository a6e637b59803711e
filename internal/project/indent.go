package project

import (
	"strings"

	"elt/internal/fault"
)

// misindented looks for the first line whose indentation fits none of the
// levels open above it; it is asked only when the file does not parse, since
// it knows nothing of block scalars and multi-line text beyond the obvious.
func misindented(src *source) *fault.Error {
	type level struct {
		indent int
		key    string
		line   int
	}
	var open []level
	var last level
	opens := true // the line before may have something below it
	block := -1   // indentation of the key that opened a block scalar
	for i, text := range src.lines {
		body := strings.TrimLeft(text, " ")
		indent := len(text) - len(body)
		if body == "" || body[0] == '#' || body[0] == '\t' {
			continue
		}
		if block >= 0 && indent > block {
			continue
		}
		block = -1
		// "- name: x" opens the level of the dash and the level of its key.
		for strings.HasPrefix(body, "- ") {
			inner := strings.TrimLeft(body[1:], " ")
			for len(open) > 0 && open[len(open)-1].indent > indent {
				open = open[:len(open)-1]
			}
			if len(open) == 0 || open[len(open)-1].indent < indent {
				open = append(open, level{indent, "- ", i + 1})
			}
			indent += len(body) - len(inner)
			body, opens = inner, true
		}
		key, value, isKey := cutKey(body)
		if !isKey {
			return nil // text over several lines, or a list of scalars: not ours to judge
		}
		for len(open) > 0 && open[len(open)-1].indent > indent {
			open = open[:len(open)-1]
		}
		switch {
		case len(open) > 0 && open[len(open)-1].indent == indent:
		case opens:
			open = append(open, level{indent, key, i + 1})
		default:
			return src.errorf(i+1, indent+1, "key %q is indented by %d spaces, which fits no key above it", key, indent).
				WithHint("the key before it, %q on line %d, is indented by %d", last.key, last.line, last.indent)
		}
		last = level{indent, key, i + 1}
		if value != "" && (value[0] == '{' || value[0] == '[') && !strings.ContainsAny(value, "}]") {
			return nil // brackets over several lines
		}
		opens = value == "" || value[0] == '&' || value[0] == '!'
		if value != "" && (value[0] == '|' || value[0] == '>') {
			block = indent
		}
	}
	return nil
}

// cutKey splits "key: value  # comment".
func cutKey(body string) (key, value string, ok bool) {
	i := strings.Index(body, ":")
	if i <= 0 || i+1 < len(body) && body[i+1] != ' ' || strings.ContainsAny(body[:i], "{}[]\"'") {
		return "", "", false
	}
	value = strings.TrimSpace(body[i+1:])
	if strings.HasPrefix(value, "#") {
		value = ""
	}
	return body[:i], value, true
}
