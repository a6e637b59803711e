package project

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"elt/internal/fault"
)

// cast turns a value into the kind that its setting says. Only texts are
// cast; what a file holds as a number stays one.
func (d *Definition) cast(v any) (any, error) {
	if s, ok := v.(string); ok {
		var err error
		if v, err = d.castText(s); err != nil {
			return nil, err
		}
	}
	if v == nil {
		return nil, nil
	}
	if d.Kind == "options" && len(d.Options) > 0 {
		if err := d.checkOption(v); err != nil {
			return nil, err
		}
	}
	return process(d.Processor, v), nil
}

func (d *Definition) castText(s string) (any, error) {
	switch d.Kind {
	case "boolean":
		return truthy(s), nil
	case "integer":
		n, ok := integer(strings.TrimSpace(s))
		if !ok || !integerForm().MatchString(strings.TrimSpace(s)) {
			return nil, fmt.Errorf("%q is no integer", s)
		}
		return n, nil
	case "decimal":
		t := strings.TrimSpace(s)
		if integerForm().MatchString(t) || floatForm().MatchString(t) {
			if n, ok := plainScalar(t).(json.Number); ok {
				return n, nil
			}
		}
		return nil, fmt.Errorf("%q is no number", s)
	case "array", "object":
		v, err := decodeJSON(s)
		if err != nil {
			if v, err = decodePython(s); err != nil {
				if d.Commas && !strings.ContainsAny(s, "[]{}") {
					return commaList(s), nil
				}
				return nil, fmt.Errorf("%q is no JSON %s", s, d.Kind)
			}
		}
		_, isList := v.([]any)
		_, isMap := v.(*Map)
		if d.Kind == "array" && !isList || d.Kind == "object" && !isMap {
			return nil, fmt.Errorf("%q is no JSON %s", s, d.Kind)
		}
		return v, nil
	}
	return s, nil
}

// commaList reads "a, b" as a list of texts.
func commaList(s string) []any {
	list := []any{}
	for _, part := range strings.Split(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

func (d *Definition) checkOption(v any) error {
	var allowed []string
	for _, o := range d.Options {
		if o == v {
			return nil
		}
		allowed = append(allowed, scalarText(o))
	}
	text := scalarText(v)
	msg := fmt.Sprintf("%q is not one of %s", text, strings.Join(allowed, ", "))
	if near := fault.Nearest(text, allowed); near != "" {
		msg += fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("%s", msg)
}

// finish is what a value goes through on its way into the plugin's config.
func (d *Definition) finish(v any, now time.Time) any {
	if v == nil {
		return nil
	}
	if d.PostProcessor == "parse_date" || d.PostProcessor == "" && d.Kind == "date_iso8601" {
		if s, ok := v.(string); ok {
			return parseDate(s, now)
		}
		return v
	}
	return process(d.PostProcessor, v)
}

func process(name string, v any) any {
	switch name {
	case "nest_object":
		if m, ok := v.(*Map); ok {
			return nested(m)
		}
	case "upcase_string":
		if s, ok := v.(string); ok {
			return strings.ToUpper(s)
		}
	case "stringify":
		if _, ok := v.(string); !ok {
			return pythonJSON(v)
		}
	}
	return v
}

// environText is a value as a variable of the plugin's process holds it.
func (d *Definition) environText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	if b, ok := v.(bool); ok && (d.Kind == "" || d.Kind == "string" || d.Kind == "decimal") {
		return map[bool]string{true: "True", false: "False"}[b] // as Python's str
	}
	return pythonJSON(v)
}

// kindOf guesses the kind of a setting that nobody defined.
func kindOf(v any) string {
	switch v := v.(type) {
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "decimal"
		}
		return "integer"
	case *Map:
		return "object"
	case []any:
		return "array"
	}
	return ""
}

// whereabouts are names that only say where a secret is: hiding a file's name
// or a token server's address would hide what went wrong.
var whereabouts = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)(_file|_path|_url)$`) })

var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|token|api_?key|private_?key|access_?key|credential)`)
})
