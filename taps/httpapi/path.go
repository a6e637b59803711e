package httpapi

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/singer"
)

// Path says where in a JSON document something stands: the part of JSONPath
// that names places, $.a.b, a['odd name'], a[0], a[*]. The zero value is the
// whole document.
type Path struct {
	text  string
	steps []step
}

type step struct {
	name  string
	index int  // valid when name is "" and each is not set
	each  bool // [*]
}

func (p Path) String() string {
	if p.text == "" {
		return "$"
	}
	return p.text
}

// ParsePath reads a path; filters, slices and .. are refused by name.
func ParsePath(text string) (Path, error) {
	p := Path{text: text}
	refuse := func(why string) (Path, error) {
		return Path{}, fault.New(fault.BadConfig, "the path %q %s", text, why).WithHint("write it like $.data.items[*]; names with odd characters like $['odd name']")
	}
	rest := strings.TrimPrefix(strings.TrimSpace(text), "$")
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, ".."):
			return refuse("searches at any depth (..), which is not supported")
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if len(rest) > 2 && (rest[1] == '\'' || rest[1] == '"') {
				if end = strings.Index(rest[2:], rest[1:2]+"]"); end >= 0 {
					end += 3
				}
			}
			if end < 0 {
				return refuse("has a bracket that is not closed")
			}
			inner := rest[1:end]
			rest = rest[end+1:]
			n, err := strconv.Atoi(inner)
			switch {
			case inner == "*":
				p.steps = append(p.steps, step{each: true})
			case len(inner) > 2 && (inner[0] == '\'' || inner[0] == '"'):
				p.steps = append(p.steps, step{name: inner[1 : len(inner)-1]})
			case err == nil && n >= 0:
				p.steps = append(p.steps, step{index: n})
			default:
				return refuse("has [" + inner + "], which is not supported")
			}
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			switch name := rest[:end]; name {
			case "":
				return refuse("has an empty name")
			case "*":
				p.steps = append(p.steps, step{each: true})
			default:
				p.steps = append(p.steps, step{name: name})
			}
			rest = rest[end:]
		}
	}
	return p, nil
}

// errDone ends a walk early.
var errDone = errors.New("done")

// Records calls visit with each record at the path: the elements of an array
// there, or the object. A document in which the path leads nowhere is an
// error, since its shape is not the one that was described; null is no record.
func (p Path) Records(doc []byte, visit func(record []byte) error) error {
	return walk(doc, p.steps, func(value []byte, left []step) error {
		switch {
		case string(value) == "null":
			return nil
		case len(left) > 0:
			return fault.New(fault.BadInput, "there is nothing at %s: the answer has %s where %s was expected", p.text, without(value, left[0]), left[0].describe()).
				WithKind(fault.KindShape).WithHint("the shape of the answer changed, or records_path is wrong")
		case value[0] == '[':
			return singer.EachElement(value, visit)
		default:
			return visit(value)
		}
	})
}

// Value is the single value at the path, nil when there is none or null.
func (p Path) Value(doc []byte) ([]byte, error) {
	var found []byte
	err := walk(doc, p.steps, func(value []byte, left []step) error {
		if len(left) == 0 && string(value) != "null" {
			found = value
			return errDone
		}
		return nil
	})
	if err == errDone {
		err = nil
	}
	return found, err
}

// walk calls visit with what the steps lead to, or, with the steps that are
// left, with the last value that was there.
func walk(value []byte, steps []step, visit func([]byte, []step) error) error {
	value = bytes.TrimSpace(value)
	if len(steps) == 0 || string(value) == "null" {
		return visit(value, steps)
	}
	s := steps[0]
	if len(value) == 0 || s.name != "" && value[0] != '{' || s.name == "" && value[0] != '[' {
		return visit(value, steps)
	}
	var found []byte
	if s.name != "" {
		if err := singer.EachMember(value, func(key string, v []byte) error {
			if key == s.name {
				found = v
			}
			return nil
		}); err != nil {
			return err
		}
	} else {
		n := 0
		if err := singer.EachElement(value, func(v []byte) error {
			n++
			if s.each {
				return walk(v, steps[1:], visit)
			}
			if n-1 == s.index {
				found = v
				return errDone
			}
			return nil
		}); err != nil && (err != errDone || s.each) {
			return err
		}
		if s.each {
			return nil
		}
	}
	if found == nil {
		return visit(value, steps)
	}
	return walk(found, steps[1:], visit)
}

// without says in words what stands where a step leads nowhere.
func without(value []byte, s step) string {
	switch {
	case len(value) == 0 || value[0] != '{' || s.name == "":
		return Kind(value)
	case len(bytes.TrimSpace(value[1:len(value)-1])) == 0:
		return "an object without members"
	}
	var names []string
	_ = singer.EachMember(value, func(key string, _ []byte) error { // it was walked before
		if len(names) < 5 {
			names = append(names, strconv.Quote(key))
		}
		return nil
	})
	return "an object with " + strings.Join(names, ", ")
}

func (s step) describe() string {
	switch {
	case s.each:
		return "an array"
	case s.name != "":
		return strconv.Quote(s.name)
	}
	return "element " + strconv.Itoa(s.index)
}

// Kind says in words what a JSON value is.
func Kind(value []byte) string {
	switch {
	case len(value) == 0:
		return "nothing"
	case value[0] == '{':
		return "an object"
	case value[0] == '[':
		return "an array"
	case value[0] == '"':
		return "a text"
	}
	return "a single value"
}

// Text is a JSON value as plain text: a string without its quotes.
func Text(value []byte) string {
	if len(value) > 0 && value[0] == '"' {
		if text, err := unquote(value); err == nil {
			return text
		}
	}
	return string(value)
}
