package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"elt/internal/fault"
)

// variables are what {{ name }} stands for; a nil value: nothing at the moment.
type variables map[string]any

// expand replaces {{ name }} in text. ok is false when a variable has no
// value now: then the parameter that wanted it is left out.
func (v variables) expand(text string) (out string, ok bool, err error) {
	var b strings.Builder
	ok = true
	for {
		before, rest, found := strings.Cut(text, "{{")
		b.WriteString(before)
		if !found {
			return b.String(), ok, nil
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return "", false, fault.New(fault.BadConfig, "%q has {{ without }}", text)
		}
		value, err := v.lookup(strings.TrimSpace(name))
		if err != nil {
			return "", false, err
		}
		if value == nil {
			ok = false
		} else {
			fmt.Fprint(&b, value)
		}
		text = after
	}
}

func (v variables) lookup(name string) (any, error) {
	value, known := v[name]
	if known {
		return value, nil
	}
	names := slices.Sorted(maps.Keys(v))
	e := fault.New(fault.BadConfig, "there is no variable %q for {{ %s }}", name, name).WithHint("known are %s", strings.Join(names, ", "))
	if near := fault.Nearest(name, names); near != "" {
		e = e.WithHint("did you mean {{ %s }}?", near)
	}
	return nil, e
}

// value expands every text in a JSON-like value. A text that is one variable
// and nothing else becomes its value, null when it has none.
func (v variables) value(in any) (any, error) {
	switch x := in.(type) {
	case string:
		if name, ok := strings.CutPrefix(strings.TrimSpace(x), "{{"); ok && strings.Count(x, "{{") == 1 {
			if name, ok := strings.CutSuffix(name, "}}"); ok {
				return v.lookup(strings.TrimSpace(name))
			}
		}
		text, _, err := v.expand(x)
		return text, err
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			value, err := v.value(e)
			if err != nil {
				return nil, err
			}
			out[k] = value
		}
		return out, nil
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			value, err := v.value(e)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	}
	return in, nil
}

// plain is a scalar of the definition as text.
func plain(value any) (string, error) {
	switch x := value.(type) {
	case nil:
		return "", nil
	case string:
		return x, nil
	case json.Number:
		return x.String(), nil
	case bool:
		return fmt.Sprint(x), nil
	}
	raw, err := json.Marshal(value)
	return string(raw), err
}
