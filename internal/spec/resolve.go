package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"elt/internal/fault"
)

// Resolve turns a configuration as a user or a runner wrote it into a Config:
// aliases are folded (the setting's own name wins), strings that hold a
// number or a truth value are cast to the setting's type, defaults filled in.
// Unknown keys are kept and returned, so that the caller can warn: other
// plugins' settings must not make ours fail. Errors name the setting.
func (s Spec) Resolve(raw json.RawMessage) (Config, []string, error) {
	given := map[string]any{}
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := decode(raw, &given); err != nil {
			return Config{}, nil, fault.Wrap(fault.BadConfig, err, "%s: the configuration is no JSON object", s.Name)
		}
	}
	values := map[string]any{}
	for k, v := range given {
		if v != nil {
			store(values, k, v)
		}
	}
	known := map[string]bool{}
	for _, set := range s.Settings {
		known[top(set.Name)] = true
		if err := s.settle(set, values, known); err != nil {
			return Config{}, nil, err
		}
	}
	var unknown []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if !known[k] {
			unknown = append(unknown, k)
		}
	}
	return Config{values}, unknown, nil
}

func (s Spec) settle(set Setting, values map[string]any, known map[string]bool) error {
	v, ok := lookup(values, set.Name)
	for _, alias := range set.Aliases {
		known[top(alias)] = true
		if other, there := lookup(values, alias); there && !ok {
			v, ok = other, true
		}
	}
	if !ok && set.Default != nil {
		v, ok = set.Default, true
	}
	if !ok {
		if set.Required {
			return fault.New(fault.BadConfig, "%s: setting %q is missing", s.Name, set.Name).WithHint("%s", set.Help)
		}
		return nil
	}
	cast, err := castTo(set.Type, v)
	if err != nil {
		return fault.New(fault.BadConfig, "%s: setting %q: %v", s.Name, set.Name, err).WithHint("%s", set.Help)
	}
	if text, ok := cast.(string); ok && len(set.OneOf) > 0 && !slices.Contains(set.OneOf, text) {
		e := fault.New(fault.BadConfig, "%s: setting %q is %q, but must be one of %s", s.Name, set.Name, text, strings.Join(set.OneOf, ", "))
		if near := fault.Nearest(text, set.OneOf); near != "" {
			e = e.WithHint("did you mean %q?", near)
		}
		return e
	}
	store(values, set.Name, cast)
	return nil
}

// castTo accepts what environment variables and loose YAML give.
func castTo(t Type, v any) (any, error) {
	text, isText := v.(string)
	switch t {
	case Integer, Number:
		if isText {
			v = json.Number(strings.TrimSpace(text))
		}
		switch n := v.(type) {
		case json.Number:
			var err error
			if t == Integer {
				_, err = n.Int64()
			} else {
				_, err = n.Float64()
			}
			if err != nil {
				return nil, fmt.Errorf("%q is not a number of the kind %s", n.String(), t)
			}
			return n, nil
		case int, int64, float64:
			return n, nil
		}
	case Boolean:
		switch b := v.(type) {
		case bool:
			return b, nil
		case json.Number:
			if b == "0" || b == "1" {
				return b == "1", nil
			}
		case string:
			switch strings.ToLower(b) {
			case "true", "1", "yes", "on", "t", "y":
				return true, nil
			case "false", "0", "no", "off", "f", "n", "":
				return false, nil
			}
		}
	case Array, Object:
		if isText {
			var parsed any
			if err := decode([]byte(text), &parsed); err == nil {
				v = parsed
			} else if t == Array { // pipelinewise writes lists as "a,b"
				parts := strings.Split(text, ",")
				list := make([]any, len(parts))
				for i, p := range parts {
					list[i] = strings.TrimSpace(p)
				}
				return list, nil
			}
		}
		switch v.(type) {
		case []any:
			if t == Array {
				return v, nil
			}
		case map[string]any:
			if t == Object {
				return v, nil
			}
		}
	default:
		switch x := v.(type) {
		case string:
			return x, nil
		case json.Number:
			return x.String(), nil
		case bool:
			return fmt.Sprint(x), nil
		}
	}
	return nil, fmt.Errorf("%v is not of the kind %s", v, t)
}

func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

func top(name string) string {
	head, _, _ := strings.Cut(name, ".")
	return head
}

// lookup follows a dotted name.
func lookup(values map[string]any, name string) (any, bool) {
	head, rest, nested := strings.Cut(name, ".")
	v, ok := values[head]
	if !ok || v == nil {
		return nil, false
	}
	if !nested {
		return v, true
	}
	inner, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	return lookup(inner, rest)
}

// store sets a dotted name, making the objects on the way.
func store(values map[string]any, name string, v any) {
	head, rest, nested := strings.Cut(name, ".")
	if !nested {
		values[head] = v
		return
	}
	inner, ok := values[head].(map[string]any)
	if !ok {
		inner = map[string]any{}
		values[head] = inner
	}
	store(inner, rest, v)
}
