package singer

import (
	"strings"
	"unicode/utf8"
)

// pattern is one entry of select or select_filter: [!]STREAM[.PROPERTY[.PROPERTY]…],
// each part a glob, "\." a dot within a name.
type pattern struct {
	raw      string
	negated  bool
	stream   string
	property []string
}

// parsePattern splits at the first unescaped dot; a stream alone means all
// its properties.
func parsePattern(raw string) pattern {
	p := pattern{raw: raw}
	rest, negated := strings.CutPrefix(raw, "!")
	parts := splitDots(rest)
	p.negated, p.stream, p.property = negated, parts[0], parts[1:]
	if len(p.property) == 0 || len(p.property) == 1 && p.property[0] == "" {
		p.property = []string{"*"}
	}
	return p
}

// splitDots splits at unescaped dots and unescapes the others.
func splitDots(text string) []string {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '.':
			part.WriteByte('.')
			i++
		case text[i] == '.':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(text[i])
		}
	}
	return append(parts, part.String())
}

// glob matches as Python's fnmatch.fnmatchcase: * any run (dots too), ? one
// character, [a-z] and [!a-z] classes, an unclosed [ is itself; nothing escapes.
func glob(pattern, name string) bool {
	star, mark := -1, 0
	p, n := 0, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, n
			p++
			continue
		}
		if pn, size := globOne(pattern[p:], name[n:]); pn > 0 {
			p, n = p+pn, n+size
			continue
		}
		if star < 0 {
			return false
		}
		_, size := utf8.DecodeRuneInString(name[mark:])
		mark += size
		p, n = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// globOne matches the next character and returns how much of pattern and name
// that took, 0 when it does not match.
func globOne(pattern, name string) (pn, size int) {
	if pattern == "" {
		return 0, 0
	}
	r, size := utf8.DecodeRuneInString(name)
	switch pattern[0] {
	case '?':
		return 1, size
	case '[':
		if end := classEnd(pattern); end > 0 {
			if inClass(pattern[1:end], r) {
				return end + 1, size
			}
			return 0, 0
		}
	}
	want, pn := utf8.DecodeRuneInString(pattern)
	if want != r {
		return 0, 0
	}
	return pn, size
}

// classEnd is where the bracket closes, 0 when it does not.
func classEnd(pattern string) int {
	i := 1
	if i < len(pattern) && pattern[i] == '!' {
		i++
	}
	if i < len(pattern) && pattern[i] == ']' {
		i++
	}
	end := strings.IndexByte(pattern[min(i, len(pattern)):], ']')
	if end < 0 {
		return 0
	}
	return i + end
}

func inClass(class string, r rune) bool {
	class, negated := strings.CutPrefix(class, "!")
	set, found := []rune(class), false
	for i := 0; i < len(set); i++ {
		if i+2 < len(set) && set[i+1] == '-' {
			found = found || set[i] <= r && r <= set[i+2]
			i += 2
			continue
		}
		found = found || set[i] == r
	}
	return found != negated
}
