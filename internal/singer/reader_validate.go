package singer

import (
	"encoding/json"
	"regexp"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
)

// validator checks records against the stream's JSON Schema.
type validator struct{ schema *jsonschema.Resolved }

// validator is nil when records are not to be checked, or cannot be: a schema
// that is no JSON Schema is warned of. Whatever draft it names, it is read as
// 2020-12, as other Singer targets do.
func (r *Reader) validator(stream string, raw []byte) *validator {
	if !r.o.Validate {
		return nil
	}
	resolved, err := compileSchema(raw)
	if err != nil {
		r.warn("schema "+stream, "stream %q: its schema is no JSON Schema, so records are not checked", stream)
		return nil
	}
	return &validator{resolved}
}

func compileSchema(raw []byte) (*jsonschema.Resolved, error) {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	lenient(tree)
	modern, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(modern, &schema); err != nil {
		return nil, err
	}
	return schema.Resolve(nil)
}

// lenient takes out of a schema what older drafts wrote differently, and
// multipleOf: a tiny one says how many digits there are, and a double is no
// multiple of it.
func lenient(node any) {
	switch n := node.(type) {
	case map[string]any:
		delete(n, "multipleOf")
		for _, key := range []string{"exclusiveMinimum", "exclusiveMaximum", "required"} {
			if _, old := n[key].(bool); old {
				delete(n, key)
			}
		}
		if _, named := n["$schema"].(string); named {
			delete(n, "$schema")
		}
		for _, child := range n {
			lenient(child)
		}
	case []any:
		for _, child := range n {
			lenient(child)
		}
	}
}

// wrongPlace finds, in the validator's words, the innermost place and the
// keyword that refused it; what follows them shows values.
var wrongPlace = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?s:.*)validating ([^:]*): ([A-Za-z]+)`) })

// missing finds the properties that a record lacks.
var missing = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`required: missing properties: (\[.*\])$`) })

// record checks the record at line[i]. The error names places, not values.
func (v *validator) record(line []byte, i int) error {
	end, err := skip(line, i)
	if err != nil {
		return err
	}
	var value any
	if json.Unmarshal(line[i:end], &value) != nil {
		return nil // a number beyond a double: its column checks it
	}
	wrong := v.schema.Validate(value)
	if wrong == nil {
		return nil
	}
	if m := missing().FindStringSubmatch(wrong.Error()); m != nil {
		return &flaw{at: i, text: "the record does not match its schema: missing " + m[1]}
	}
	if m := wrongPlace().FindStringSubmatch(wrong.Error()); m != nil {
		return &flaw{at: i, text: "the record does not match its schema: " + m[2] + " of " + m[1]}
	}
	return &flaw{at: i, text: "the record does not match its schema"}
}
