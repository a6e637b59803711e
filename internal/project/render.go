package project

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
)

// render.go writes values as YAML in the style of Meltano's files: two
// blanks per level, lists as far in as their key.

// style is how a file is laid out.
type style struct{ listOffset int }

// block writes a value as the lines of a block whose first column is 0.
func (s style) block(v any) []string {
	switch v := v.(type) {
	case *Map:
		if v.Len() == 0 {
			return []string{"{}"}
		}
		var out []string
		for k, item := range v.All() {
			out = append(out, s.entry(k, item)...)
		}
		return out
	case []any:
		if len(v) == 0 {
			return []string{"[]"}
		}
		var out []string
		for _, item := range v {
			out = append(out, s.item(item)...)
		}
		return out
	}
	return []string{scalarYAML(v, false)}
}

// entry writes "key: value" and the lines below it.
func (s style) entry(key string, v any) []string {
	head := scalarYAML(key, false) + ":"
	switch inner := v.(type) {
	case *Map:
		if inner.Len() > 0 {
			return append([]string{head}, indented(s.block(v), 2)...)
		}
	case []any:
		if len(inner) > 0 {
			return append([]string{head}, indented(s.block(v), s.listOffset)...)
		}
	case nil:
		return []string{head}
	}
	return []string{head + " " + s.block(v)[0]}
}

func (s style) item(v any) []string {
	lines := indented(s.block(v), 2)
	lines[0] = "- " + lines[0][2:]
	return lines
}

func indented(lines []string, by int) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.Repeat(" ", by) + l
	}
	return out
}

// flowYAML writes a value in brackets, for a place inside brackets.
func flowYAML(v any) string {
	switch v := v.(type) {
	case *Map:
		var parts []string
		for k, item := range v.All() {
			parts = append(parts, scalarYAML(k, true)+": "+flowYAML(item))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, flowYAML(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return scalarYAML(v, true)
}

var timestamp = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\d{4}-\d{1,2}-\d{1,2}(?:$|[Tt \t])`) })

// scalarYAML quotes a text only where it would not be read back as itself.
func scalarYAML(v any, flow bool) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool, json.Number:
		return scalarText(v)
	case string:
		switch {
		case strings.ContainsFunc(v, func(r rune) bool {
			return r < ' ' || r == 0x7f || r == 0x85 || r == 0xfeff || r == 0x2028 || r == 0x2029
		}):
			quoted, _ := marshal(v) // of a text: cannot fail; JSON texts are YAML
			return string(quoted)
		case plainText(v, flow):
			return v
		}
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return flowYAML(v)
}

func plainText(s string, flow bool) bool {
	if s == "" || strings.TrimSpace(s) != s || plainScalar(s) != s || timestamp().MatchString(s) ||
		strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") || s == "<<" || s == "=" ||
		strings.ToLower(s) == ".inf" || strings.ToLower(s) == ".nan" || strings.ToLower(s) == "-.inf" {
		return false
	}
	if strings.ContainsRune(",[]{}#&*!|>'\"%@`", rune(s[0])) ||
		strings.ContainsRune("-?:", rune(s[0])) && (len(s) == 1 || s[1] == ' ' || flow) {
		return false
	}
	if strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasSuffix(s, ":") || strings.Contains(s, "\t") {
		return false
	}
	return !flow || !strings.ContainsAny(s, ",[]{}")
}
