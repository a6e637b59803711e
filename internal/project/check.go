package project

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"elt/internal/fault"
)

// checker compares a file with its shape and collects everything wrong.
type checker struct {
	own      bool // elt.yml: unknown keys are mistakes
	mistakes []*fault.Error
	warnings []*fault.Error
}

func (c *checker) wrong(e *fault.Error) { c.mistakes = append(c.mistakes, e) }

func (c *checker) check(n *node, s *shape) {
	if n.isNull() && s.kind != object {
		return
	}
	switch s.kind {
	case text:
		if n.isMap || n.isList {
			c.wrong(n.errorf("expected text, not %s", n.shape()))
		} else if len(s.oneOf) > 0 && !slices.Contains(s.oneOf, n.text()) && !strings.Contains(n.text(), "$") {
			e := n.errorf("%q is not one of %s", n.text(), strings.Join(s.oneOf, ", "))
			if near := fault.Nearest(n.text(), s.oneOf); near != "" {
				e = e.WithHint("did you mean %q?", near)
			}
			c.wrong(e)
		}
	case truth:
		if _, ok := n.scalar.(bool); !ok && !strings.Contains(n.text(), "$") && !isTruthText(n.text()) {
			c.wrong(n.errorf("expected true or false, not %s", n.shape()))
		}
	case number:
		if _, ok := n.scalar.(json.Number); !ok && !strings.Contains(n.text(), "$") {
			c.wrong(n.errorf("expected a number, not %s", n.shape()))
		}
	case list:
		if !n.isList {
			c.wrong(n.errorf("expected a list, not %s", n.shape()))
			return
		}
		for _, item := range n.items {
			c.check(item, s.item)
		}
	case object:
		c.object(n, s)
	case tasks:
		c.tasks(n)
	}
}

func isTruthText(s string) bool {
	return slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "1", "0"}, strings.ToLower(s))
}

func (c *checker) object(n *node, s *shape) {
	if n.isNull() && len(s.need) == 0 {
		return
	}
	if !n.isMap {
		if s.what == "" {
			c.wrong(n.errorf("expected an object, not %s", n.shape()))
		} else {
			c.wrong(n.errorf("expected %s as an object, not %s", s.what, n.shape()))
		}
		return
	}
	for _, key := range s.need {
		if n.get(key).isNull() {
			c.wrong(n.errorf("%s needs a %q", s.what, key))
		}
	}
	for _, e := range n.entries {
		known, ok := s.keys[e.key]
		switch {
		case ok:
			c.check(e.value, known)
		case s.rest != nil:
			c.check(e.value, s.rest)
		case strings.HasPrefix(e.key, "x-"):
		default:
			c.unknown(n, e, s)
		}
	}
	if name := n.get("name"); strings.Contains(name.text(), ":") && s.need != nil && s.what != "a setting" &&
		s.what != "a schedule" && s.what != "a job" {
		c.wrong(name.errorf("%q cannot be the name of %s: it has a colon", name.text(), s.what))
	}
}

// unknown is a mistake in elt.yml; in meltano.yml Meltano keeps the key, so
// it is only said.
func (c *checker) unknown(n *node, e entry, s *shape) {
	near := fault.Nearest(e.key, s.names())
	err := n.src.errorf(e.line, e.column, "unknown key %q", e.key)
	if near != "" {
		err = n.src.errorf(e.line, e.column, "unknown key %q, did you mean %q?", e.key, near)
	}
	if c.own {
		if s.extra {
			err = err.WithHint("keys of your own go under annotations, or start with x-")
		}
		c.wrong(err)
		return
	}
	if s.extra && near == "" {
		return // an extra, or a setting of the project: Meltano's way to extend the file
	}
	c.warnings = append(c.warnings, err)
}

// tasks are a list of texts and of lists of texts. A plain text, which
// Meltano reads letter by letter, is taken as one task.
func (c *checker) tasks(n *node) {
	if !n.isList {
		if n.isMap {
			c.wrong(n.errorf("expected a list of tasks, not an object"))
		}
		return
	}
	for _, item := range n.items {
		if item.isMap {
			c.wrong(item.errorf("a task is a line of blocks or a list of them, not an object"))
		}
		for _, inner := range item.items {
			if inner.isMap || inner.isList {
				c.wrong(inner.errorf("a block of a task is text"))
			}
		}
	}
}

// first is the first mistake as an error that counts the others.
func first(mistakes []*fault.Error) error {
	if len(mistakes) == 0 {
		return nil
	}
	e := mistakes[0]
	if len(mistakes) > 1 && e.Hint == "" {
		e = e.WithHint("%d more, shown by elt validate", len(mistakes)-1)
	}
	return e
}

// asMistake makes any error one that can be listed.
func asMistake(err error) *fault.Error {
	var e *fault.Error
	if errors.As(err, &e) {
		return e
	}
	return fault.Wrap(fault.Failed, err, "the project is not usable")
}
