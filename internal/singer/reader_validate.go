package singer

import (
	"bytes"
	"errors"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// validator checks records against the stream's JSON Schema.
type validator struct{ schema *jsonschema.Schema }

// validator is nil when records are not to be checked, or cannot be: a schema
// that is no JSON Schema of any draft is warned of.
func (r *Reader) validator(stream string, raw []byte) *validator {
	if !r.o.Validate {
		return nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	for _, draft := range []*jsonschema.Draft{jsonschema.Draft2020, jsonschema.Draft7, jsonschema.Draft4} {
		if err != nil {
			break
		}
		c := jsonschema.NewCompiler()
		c.DefaultDraft(draft)
		const url = "stream.json"
		if c.AddResource(url, doc) != nil {
			continue
		}
		if schema, err := c.Compile(url); err == nil {
			return &validator{schema}
		}
	}
	r.warn("schema "+stream, "stream %q: its schema is no JSON Schema, so records are not checked", stream)
	return nil
}

// record checks the record at line[i]. The error names places, not values.
func (v *validator) record(line []byte, i int) error {
	end, err := skip(line, i)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line[i:end]))
	if err != nil {
		return broken(i, "it cannot be checked against its schema")
	}
	var wrong *jsonschema.ValidationError
	if err := v.schema.Validate(value); !errors.As(err, &wrong) {
		return nil
	}
	for len(wrong.Causes) > 0 {
		wrong = wrong.Causes[0]
	}
	if missing, ok := wrong.ErrorKind.(*kind.Required); ok {
		return &flaw{at: i, text: "the record does not match its schema: missing " + quoted(strings.Join(missing.Missing, ", "))}
	}
	return &flaw{at: i, text: "property " + quoted(strings.Join(wrong.InstanceLocation, ".")) + " does not match its schema (" + strings.Join(wrong.ErrorKind.KeywordPath(), ".") + ")"}
}
