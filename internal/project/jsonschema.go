package project

import (
	"encoding/json"
	"strings"
)

// JSONSchema is the JSON Schema of the project file, made from the same
// shapes that the file is checked with.
func JSONSchema() ([]byte, error) {
	w := schemaWriter{help: keyHelp(), defs: map[string]any{}}
	root := w.schema(projectShape(), "project")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "elt project file"
	w.defs["text"] = map[string]any{"type": []string{"string", "number", "boolean", "null"}}
	root["$defs"] = w.defs
	out, err := json.MarshalIndent(root, "", "  ")
	return append(out, '\n'), err
}

// schemaWriter collects named shapes under $defs.
type schemaWriter struct {
	help map[string]string
	defs map[string]any
}

// ref is the schema of a shape, or a reference to it when it has a name.
func (w *schemaWriter) ref(s *shape, path string) any {
	if len(s.need) == 0 {
		return w.schema(s, path)
	}
	name := strings.ReplaceAll(s.what, " ", "-")
	if w.defs[name] == nil {
		w.defs[name] = true // found again while it is being written
		w.defs[name] = w.schema(s, s.what)
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

func (w *schemaWriter) schema(s *shape, path string) map[string]any {
	out := map[string]any{}
	if help := w.help[path]; help != "" {
		out["description"] = help
	}
	switch s.kind {
	case text:
		if len(s.oneOf) > 0 {
			out["enum"] = s.oneOf
		} else {
			out["$ref"] = "#/$defs/text"
		}
	case truth:
		out["type"] = []string{"boolean", "string", "null"}
	case number:
		out["type"] = []string{"number", "string", "null"}
	case list:
		out["type"], out["items"] = []string{"array", "null"}, w.ref(s.item, path+"[]")
	case tasks:
		line := map[string]any{"type": "string"}
		out["type"] = []string{"array", "string", "null"}
		out["items"] = map[string]any{"anyOf": []any{line, map[string]any{"type": "array", "items": line}}}
	case object:
		out["type"] = []string{"object", "null"}
		if len(s.need) > 0 {
			out["type"], out["required"] = "object", s.need
		}
		w.keys(out, s, path)
	case anything:
		if s.keys != nil { // a command: a line, or an object
			out["type"] = []string{"string", "object"}
			w.keys(out, s, path)
		}
	}
	return out
}

func (w *schemaWriter) keys(out map[string]any, s *shape, path string) {
	properties := map[string]any{}
	for name, inner := range s.keys {
		at := path + "." + name
		if w.help[at] == "" && len(s.need) > 0 {
			if _, general := w.help["plugin."+name]; general && !strings.HasPrefix(path, "a job") && !strings.HasPrefix(path, "a schedule") {
				at = "plugin." + name
			}
		}
		properties[name] = w.ref(inner, at)
	}
	if len(properties) > 0 {
		out["properties"] = properties
	}
	switch {
	case s.rest != nil:
		out["additionalProperties"] = w.ref(s.rest, path+".*")
	case s.kind == object && !s.extra:
		out["additionalProperties"] = false
		out["patternProperties"] = map[string]any{"^x-": true}
	}
}
