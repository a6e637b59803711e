package taptest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"elt/internal/singer"
)

// transcript is a tap's output, checked and sorted by stream.
type transcript struct {
	records map[string][]map[string]any
	schemas map[string]schema
	state   json.RawMessage // the last STATE's value, nil when there was none
}

// name is what messages call a stream: its name, or, in PipelineWise's
// catalogs, whose names lack the schema, its id.
func (tr *transcript) name(st *singer.CatalogStream) string {
	if _, ok := tr.schemas[st.ID()]; ok {
		return st.ID()
	}
	return st.Name()
}

type schema struct {
	keys, bookmarks []string
	properties      map[string]json.RawMessage
	validator       *jsonschema.Schema
}

// read checks the rules of the protocol: SCHEMA before RECORD, records valid
// and without unknown properties, keys there and not null, STATE an object.
func read(t testing.TB, out []byte) *transcript {
	t.Helper()
	tr := &transcript{records: map[string][]map[string]any{}, schemas: map[string]schema{}}
	for n, line := range bytes.Split(bytes.TrimSuffix(out, []byte("\n")), []byte("\n")) {
		if len(out) == 0 {
			break
		}
		var m struct {
			Type, Stream string
			Schema       json.RawMessage
			Keys         []string `json:"key_properties"`
			Bookmarks    []string `json:"bookmark_properties"`
			Record       json.RawMessage
			Value        json.RawMessage
		}
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("line %d is no message: %v\n%.500s", n+1, err, line)
		}
		switch m.Type {
		case "SCHEMA":
			var s struct{ Properties map[string]json.RawMessage }
			if err := json.Unmarshal(m.Schema, &s); err != nil {
				t.Fatalf("line %d: %v", n+1, err)
			}
			if m.Keys == nil {
				t.Errorf("line %d: SCHEMA without key_properties", n+1)
			}
			for _, k := range append(m.Keys, m.Bookmarks...) {
				if s.Properties[k] == nil {
					t.Errorf("line %d: stream %q: %q is no property", n+1, m.Stream, k)
				}
			}
			tr.schemas[m.Stream] = schema{m.Keys, m.Bookmarks, s.Properties, compile(t, m.Stream, m.Schema)}
		case "RECORD":
			tr.record(t, n+1, m.Stream, m.Record)
		case "STATE":
			var object map[string]json.RawMessage
			if err := json.Unmarshal(m.Value, &object); err != nil || object == nil {
				t.Errorf("line %d: the STATE is no object: %s", n+1, m.Value)
			}
			tr.state = m.Value
		}
	}
	return tr
}

func (tr *transcript) record(t testing.TB, line int, stream string, raw json.RawMessage) {
	t.Helper()
	s, ok := tr.schemas[stream]
	if !ok {
		t.Fatalf("line %d: a record of %q before its schema", line, stream)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("line %d: %v", line, err)
	}
	if err := s.validator.Validate(v); err != nil {
		t.Errorf("line %d: the record does not fit its schema: %v\n%.500s", line, err, raw)
	}
	record, _ := v.(map[string]any)
	for name := range record {
		if s.properties[name] == nil {
			t.Errorf("line %d: property %q is not in the schema", line, name)
		}
	}
	for _, k := range s.keys {
		if record[k] == nil {
			t.Errorf("line %d: key %q of stream %q is null or missing", line, k, stream)
		}
	}
	tr.records[stream] = append(tr.records[stream], record)
}

// compile makes a validator that asserts formats. "time" is left out: Singer
// sends times of day without a zone, which RFC 3339 has not.
func compile(t testing.TB, stream string, raw json.RawMessage) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("schema of %q: %v", stream, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.RegisterFormat(&jsonschema.Format{Name: "time", Validate: func(any) error { return nil }})
	c.AssertFormat()
	if err := c.AddResource("mem:///"+"schema.json", doc); err != nil {
		t.Fatalf("schema of %q: %v", stream, err)
	}
	s, err := c.Compile("mem:///schema.json")
	if err != nil {
		t.Fatalf("schema of %q: %v", stream, err)
	}
	return s
}
