package singer

import (
	"encoding/json"
	"fmt"

	"elt/internal/row"
)

// Keys of a JSON Schema by which our own connectors tell each other what
// JSON Schema cannot say. Any other reader ignores them.
const (
	EltKind      = "x-elt-kind"      // on a property: row.Kind by name
	EltUnit      = "x-elt-unit"      // on a property: ns, of times whose source counts nanoseconds
	EltWire      = "x-elt-wire"      // on a property: row.Wire, where it is not the kind's usual one
	EltPrecision = "x-elt-precision" // on a property: digits of a numeric, length of a text
	EltScale     = "x-elt-scale"     // on a property: digits after the point
	// EltText on a property of kind json: its values travel as strings that
	// hold their text, so that null is not NULL and every byte stays (Style Native).
	EltText = "x-elt-text"
	// EltAbsent on the stream's schema has the value "unset": a property that
	// a RECORD lacks was not sent, the others are all there.
	EltAbsent = "x-elt-absent"
	Unset     = "unset"
)

// PeerEnv is the environment variable by which a runner tells a connector
// that its other side is one of ours ("elt"); a tap then writes Style Native.
const PeerEnv = "ELT_RUN_PEER"

// LanesEnv comes with PeerEnv and says to a tap how many streams it may have
// open at the same time: more could not be loaded without waiting for the end
// of others. Without it there is one.
const LanesEnv = "ELT_RUN_LANES"

// SchemaOf is the JSON Schema of a stream: its source's own where it came
// with one, else made from the columns. deletes adds _sdc_deleted_at.
func SchemaOf(s *row.Schema, deletes bool) (json.RawMessage, error) {
	return jsonSchemaOf(s, Singer, deletes)
}

func jsonSchemaOf(s *row.Schema, style Style, deletes bool) (json.RawMessage, error) {
	var root, properties object
	if s.Source != nil {
		var err error
		if root, err = parseObject(s.Source); err != nil {
			return nil, fmt.Errorf("the JSON Schema of stream %q: %w", s.Stream, err)
		}
		if !deletes {
			return s.Source, nil
		}
		properties, _ = parseObject(root.get("properties")) // missing: none yet
	} else {
		root.set("type", json.RawMessage(`"object"`))
		for _, c := range s.Columns {
			properties.set(c.Name, columnToElt(c, style))
		}
		root.set(EltAbsent, json.RawMessage(`"`+Unset+`"`))
	}
	if deletes && properties.get(DeletedAt) == nil {
		properties.set(DeletedAt, json.RawMessage(`{"type":["null","string"],"format":"date-time"}`))
	}
	root.set("properties", properties.bytes())
	return root.bytes(), nil
}

// appendSchemaMessage appends a SCHEMA message with its newline.
func appendSchemaMessage(dst []byte, s *row.Schema, style Style, deletes bool) ([]byte, error) {
	schema, err := jsonSchemaOf(s, style, deletes)
	if err != nil {
		return dst, err
	}
	message := struct {
		Type      string          `json:"type"`
		Stream    string          `json:"stream"`
		Schema    json.RawMessage `json:"schema"`
		Keys      []string        `json:"key_properties"`
		Bookmarks []string        `json:"bookmark_properties,omitempty"`
	}{"SCHEMA", s.Stream, schema, s.Key, nil}
	if message.Keys == nil {
		message.Keys = []string{}
	}
	if s.ReplicationKey != "" {
		message.Bookmarks = []string{s.ReplicationKey}
	}
	raw, err := marshal(message)
	return append(append(dst, raw...), '\n'), err
}

// bounds of the integer wires, by which any reader can choose a column type.
var bounds = map[row.Wire]string{
	row.WireInt2: `,"minimum":-32768,"maximum":32767`,
	row.WireInt4: `,"minimum":-2147483648,"maximum":2147483647`,
	row.WireInt8: `,"minimum":-9223372036854775808,"maximum":9223372036854775807`,
}

// columnToElt is the JSON Schema of a column. Bytes travel in base64, and
// the schema says so.
func columnToElt(c row.Column, style Style) json.RawMessage {
	types, more := `"string"`, ""
	switch c.Kind {
	case row.Bool:
		types = `"boolean"`
	case row.Int64:
		types, more = `"integer"`, bounds[c.Wire]
	case row.Float64, row.Numeric:
		types = `"number"`
	case row.Text:
		if c.Precision > 0 {
			more = fmt.Sprintf(`,"maxLength":%d`, c.Precision)
		}
	case row.Bytes:
		more = `,"contentEncoding":"base64"`
	case row.Date:
		more = `,"format":"date"`
	case row.Time:
		more = `,"format":"time"`
	case row.Timestamp, row.TimestampTZ:
		more = `,"format":"date-time"`
	case row.UUID:
		more = `,"format":"uuid"`
	case row.JSON:
		if types = `"object","array","string","number","integer","boolean"`; c.Mixed {
			types = `"string","number","integer","boolean"`
		}
		if style == Native {
			more = `,"` + EltText + `":true`
		}
	}
	if c.Nullable {
		types = `"null",` + types
	}
	if c.Nullable || c.Kind == row.JSON {
		types = "[" + types + "]"
	}
	more += fmt.Sprintf(`,%q:%q`, EltKind, c.Kind)
	if c.Wire != c.Kind.DefaultWire() {
		more += fmt.Sprintf(`,%q:%d`, EltWire, c.Wire)
		if c.Unit == row.Nanos {
			more += fmt.Sprintf(`,%q:%q`, EltUnit, c.Unit)
		}
	}
	if c.Precision != 0 {
		more += fmt.Sprintf(`,%q:%d`, EltPrecision, c.Precision)
		if c.Kind == row.Numeric {
			more += fmt.Sprintf(`,%q:%d`, EltScale, c.Scale)
		}
	}
	return json.RawMessage(`{"type":` + types + more + `}`)
}

// NewCatalogStream is the catalog entry of a stream that a tap discovered:
// its keys are automatic, everything else is available and by default selected.
func NewCatalogStream(s *row.Schema) (*CatalogStream, error) {
	schema, err := SchemaOf(s, false)
	if err != nil {
		return nil, err
	}
	out := &CatalogStream{
		TapStreamID: s.Stream, Stream: s.Stream, Schema: schema,
		KeyProperties: s.Key, ReplicationKey: s.ReplicationKey,
	}
	out.SetMeta("inclusion", Available)
	out.SetMeta("selected-by-default", true)
	out.SetMeta("table-key-properties", append([]string{}, s.Key...))
	for _, c := range s.Columns {
		inclusion := Available
		for _, k := range s.Key {
			if k == c.Name {
				inclusion = Automatic
			}
		}
		out.SetMeta("inclusion", inclusion, c.Name)
	}
	return out, nil
}
