package messages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// script is one case: a sentence on what a user sees, and the steps that show it.
type script struct {
	file  string
	line  int
	title string
	only  string // "postgres" or "sqlite"; "" is both
	steps []step
}

// step is a line of a script with the lines that belong to it.
type step struct {
	line int
	verb string
	arg  string
	want []string // rows after a query
	// input is what a run reads, with the byte at its very end.
	input []byte
}

// parse reads the notation that doc.go describes.
func parse(file, text string) (scripts []*script, err error) {
	var s *script
	var input bytes.Buffer
	for n, l := range strings.Split(text, "\n") {
		at := n + 1
		if strings.TrimSpace(l) == "" || strings.HasPrefix(l, "//") {
			continue
		}
		if title, ok := strings.CutPrefix(l, "# "); ok {
			s = &script{file: file, line: at, title: strings.TrimSuffix(title, ".")}
			scripts = append(scripts, s)
			input.Reset()
			continue
		}
		if s == nil {
			return nil, fmt.Errorf("%s:%d: no case has begun", file, at)
		}
		verb, arg, _ := strings.Cut(l, " ")
		switch verb {
		case "only":
			s.only = arg
		case "schema", "record", "activate", "state":
			message, err := message(verb, arg)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, at, err)
			}
			input.WriteString(message + "\n")
		case ">":
			input.WriteString(arg + "\n")
		case ">>": // a Go string, and no line end
			raw, err := strconv.Unquote(arg)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %s: %w", file, at, arg, err)
			}
			input.WriteString(raw)
		case "ok", "fails":
			s.steps = append(s.steps, step{line: at, verb: verb, arg: arg, input: bytes.Clone(input.Bytes())})
			input.Reset()
		case "=":
			last := &s.steps[len(s.steps)-1]
			last.want = append(last.want, arg)
		case "config", "env", "args", "sql", "out", "says", "?", "pg?", "lite?", "types":
			s.steps = append(s.steps, step{line: at, verb: verb, arg: arg})
		default:
			return nil, fmt.Errorf("%s:%d: %q is no verb", file, at, verb)
		}
	}
	return scripts, nil
}

// message spells out a short form:
//
//	schema STREAM {properties} key key
//	record STREAM {record} version
//	activate STREAM version
//	state VALUE
func message(verb, arg string) (string, error) {
	if verb == "state" {
		return `{"type":"STATE","value":` + arg + `}`, nil
	}
	stream, rest, _ := strings.Cut(arg, " ")
	name, _ := json.Marshal(strings.ReplaceAll(stream, "␠", " "))
	if verb == "activate" {
		return fmt.Sprintf(`{"type":"ACTIVATE_VERSION","stream":%s,"version":%s}`, name, rest), nil
	}
	depth, end, quoted := 0, -1, false
	for i := 0; i < len(rest) && end < 0; i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				end = i + 1
			}
		}
	}
	if end < 0 {
		return "", fmt.Errorf("%s %s: no JSON object", verb, arg)
	}
	body, more := rest[:end], strings.Fields(rest[end:])
	if verb == "schema" {
		if more == nil {
			more = []string{}
		}
		key, _ := json.Marshal(more)
		return fmt.Sprintf(`{"type":"SCHEMA","stream":%s,"schema":{"type":"object","properties":%s},"key_properties":%s}`, name, body, key), nil
	}
	if len(more) > 0 {
		return fmt.Sprintf(`{"type":"RECORD","stream":%s,"record":%s,"version":%s}`, name, body, more[0]), nil
	}
	return fmt.Sprintf(`{"type":"RECORD","stream":%s,"record":%s}`, name, body), nil
}
