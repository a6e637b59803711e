package project

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodePython reads a Python literal, as people write lists and objects in
// variables: ['a', 1, None], {'k': True}. Tuples are lists.
func decodePython(text string) (any, error) {
	p := pyReader{rest: text}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, fmt.Errorf("unexpected %q", p.rest)
	}
	return v, nil
}

type pyReader struct{ rest string }

func (p *pyReader) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *pyReader) take(token string) bool {
	p.skip()
	if !strings.HasPrefix(p.rest, token) {
		return false
	}
	p.rest = p.rest[len(token):]
	return true
}

func (p *pyReader) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	switch {
	case p.take("["):
		return p.list("]", depth)
	case p.take("("):
		return p.list(")", depth)
	case p.take("{"):
		return p.object(depth)
	case strings.HasPrefix(p.rest, "'"), strings.HasPrefix(p.rest, `"`):
		return p.string()
	}
	end := strings.IndexAny(p.rest, ",:]})( \t\r\n")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	switch word {
	case "True":
		return true, nil
	case "False":
		return false, nil
	case "None":
		return nil, nil
	}
	if n, ok := plainScalar(word).(json.Number); ok {
		return n, nil
	}
	return nil, fmt.Errorf("unexpected %q", word)
}

func (p *pyReader) list(end string, depth int) (any, error) {
	out := []any{}
	for !p.take(end) {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if !p.take(",") && !strings.HasPrefix(p.rest, end) {
			return nil, fmt.Errorf("expected , or %s", end)
		}
	}
	return out, nil
}

func (p *pyReader) object(depth int) (any, error) {
	out := NewMap()
	for !p.take("}") {
		key, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.take(":") {
			return nil, fmt.Errorf("expected : after a key")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out.Set(scalarText(key), v)
		if !p.take(",") && !strings.HasPrefix(p.rest, "}") {
			return nil, fmt.Errorf("expected , or }")
		}
	}
	return out, nil
}

func (p *pyReader) string() (any, error) {
	quote := p.rest[0]
	rest := p.rest[1:]
	var b strings.Builder
	for rest != "" && rest[0] != quote {
		if rest[0] != '\\' {
			_, n := utf8.DecodeRuneInString(rest)
			b.WriteString(rest[:n])
			rest = rest[n:]
			continue
		}
		r, _, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil {
			return nil, fmt.Errorf("bad escape in %q", rest)
		}
		b.WriteRune(r)
		rest = tail
	}
	if rest == "" {
		return nil, fmt.Errorf("a quote is not closed")
	}
	p.rest = rest[1:]
	return b.String(), nil
}
