package singer

import (
	"encoding/json"
	"fmt"
	"slices"

	"elt/internal/fault"
)

// Catalog is what a tap can read, and what of it is selected. Whatever we do
// not know or cannot read is kept in Extra, so that a catalog survives a
// round trip through us; numbers keep their digits.
type Catalog struct {
	Streams []*CatalogStream
	Extra   map[string]json.RawMessage
}

// CatalogStream is one stream of a catalog.
type CatalogStream struct {
	TapStreamID       string
	Stream            string
	Schema            json.RawMessage
	Metadata          []Metadata
	TableName         string
	KeyProperties     []string
	ReplicationKey    string
	ReplicationMethod string
	Extra             map[string]json.RawMessage
}

// Metadata is what a catalog says of a stream (empty breadcrumb) or a
// property. Numbers in it are json.Number.
type Metadata struct {
	Breadcrumb []string
	Metadata   map[string]any
	Extra      map[string]json.RawMessage
}

// ParseCatalog reads a catalog as taps write them: streams may lack
// tap_stream_id or stream (each stands in for the other) and metadata.
func ParseCatalog(raw []byte) (*Catalog, error) {
	c := &Catalog{}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fault.Wrap(fault.BadInput, err, "the catalog cannot be read").
			WithHint("a catalog is a JSON object with a list \"streams\", as a tap prints with --discover")
	}
	return c, nil
}

// Stream is the stream of that tap_stream_id, nil when there is none.
func (c *Catalog) Stream(id string) *CatalogStream {
	for _, s := range c.Streams {
		if s.ID() == id {
			return s
		}
	}
	return nil
}

// BeginAt is c with the stream of that tap_stream_id first, and those that
// stood before it last; c itself when there is none.
func (c *Catalog) BeginAt(id string) *Catalog {
	if c == nil {
		return nil
	}
	at := slices.IndexFunc(c.Streams, func(s *CatalogStream) bool { return s.ID() == id })
	if at <= 0 {
		return c
	}
	turned := *c
	turned.Streams = slices.Concat(c.Streams[at:], c.Streams[:at])
	return &turned
}

// Selected are the streams to be read, in catalog order.
func (c *Catalog) Selected() []*CatalogStream {
	var out []*CatalogStream
	for _, s := range c.Streams {
		if s.Selected() {
			out = append(out, s)
		}
	}
	return out
}

// LogBased says that a selected stream is replicated by LOG_BASED; usual is
// the method of streams of which the catalog does not say it.
func (c *Catalog) LogBased(usual string) bool {
	for _, s := range c.Selected() {
		if method, key := s.Replication(); method == LogBased || method == "" && key == "" && usual == LogBased {
			return true
		}
	}
	return false
}

// Print is the catalog as indented JSON, the form of --discover.
func (c *Catalog) Print() ([]byte, error) { return marshalIndent(c) }

// UnmarshalJSON keeps what it does not know.
func (c *Catalog) UnmarshalJSON(raw []byte) error {
	var extra map[string]json.RawMessage
	if err := json.Unmarshal(raw, &extra); err != nil {
		return err
	}
	list, ok := extra["streams"]
	if !ok {
		return fmt.Errorf("it has no list \"streams\"")
	}
	delete(extra, "streams")
	c.Streams, c.Extra = nil, extra
	if err := json.Unmarshal(list, &c.Streams); err != nil {
		return err
	}
	if slices.Contains(c.Streams, nil) {
		return fmt.Errorf("a stream is null")
	}
	return nil
}

// MarshalJSON writes streams first, then what was kept.
func (c *Catalog) MarshalJSON() ([]byte, error) {
	var o object
	streams := c.Streams
	if streams == nil {
		streams = []*CatalogStream{}
	}
	if err := o.put("streams", streams); err != nil {
		return nil, err
	}
	o.keep(c.Extra)
	return o.bytes(), nil
}

// UnmarshalJSON keeps what it does not know, and known keys whose value is
// empty or of another type.
func (s *CatalogStream) UnmarshalJSON(raw []byte) error {
	var extra map[string]json.RawMessage
	if err := json.Unmarshal(raw, &extra); err != nil {
		return fmt.Errorf("a stream: %w", err)
	}
	*s = CatalogStream{Extra: extra}
	takeString(extra, "tap_stream_id", &s.TapStreamID)
	takeString(extra, "stream", &s.Stream)
	takeString(extra, "table_name", &s.TableName)
	takeString(extra, "replication_key", &s.ReplicationKey)
	takeString(extra, "replication_method", &s.ReplicationMethod)
	if json.Unmarshal(extra["key_properties"], &s.KeyProperties) == nil && len(s.KeyProperties) > 0 {
		delete(extra, "key_properties")
	}
	if v, ok := extra["schema"]; ok && string(v) != "null" {
		s.Schema = v
		delete(extra, "schema")
	}
	if v, ok := extra["metadata"]; ok {
		if err := json.Unmarshal(v, &s.Metadata); err != nil {
			return fmt.Errorf("metadata of stream %q: %w", s.ID(), err)
		}
		delete(extra, "metadata")
		if s.Metadata == nil {
			s.Metadata = []Metadata{}
		}
	}
	return nil
}

// takeString moves a non-empty string out of m.
func takeString(m map[string]json.RawMessage, key string, into *string) {
	var text string
	if v, ok := m[key]; ok && json.Unmarshal(v, &text) == nil && text != "" {
		*into = text
		delete(m, key)
	}
}

// MarshalJSON writes the known keys in the usual order, then what was kept.
func (s *CatalogStream) MarshalJSON() ([]byte, error) {
	var o object
	for _, f := range []struct{ key, value string }{
		{"tap_stream_id", s.TapStreamID}, {"stream", s.Stream}, {"table_name", s.TableName},
		{"replication_method", s.ReplicationMethod}, {"replication_key", s.ReplicationKey},
	} {
		if f.value == "" {
			continue
		}
		if err := o.put(f.key, f.value); err != nil {
			return nil, err
		}
	}
	if len(s.KeyProperties) > 0 {
		if err := o.put("key_properties", s.KeyProperties); err != nil {
			return nil, err
		}
	}
	if s.Schema != nil {
		o.set("schema", s.Schema)
	}
	if s.Metadata != nil {
		if err := o.put("metadata", s.Metadata); err != nil {
			return nil, err
		}
	}
	o.keep(s.Extra)
	return o.bytes(), nil
}

// UnmarshalJSON keeps what it does not know; a null breadcrumb is the stream's.
func (m *Metadata) UnmarshalJSON(raw []byte) error {
	var extra map[string]json.RawMessage
	if err := json.Unmarshal(raw, &extra); err != nil {
		return err
	}
	*m = Metadata{Breadcrumb: []string{}, Metadata: map[string]any{}, Extra: extra}
	if v, ok := extra["breadcrumb"]; ok && string(v) != "null" {
		if err := json.Unmarshal(v, &m.Breadcrumb); err != nil {
			return fmt.Errorf("breadcrumb: %w", err)
		}
	}
	if v, ok := extra["metadata"]; ok && string(v) != "null" {
		if err := decodeExact(v, &m.Metadata); err != nil {
			return err
		}
	}
	delete(extra, "breadcrumb")
	delete(extra, "metadata")
	return nil
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (m Metadata) MarshalJSON() ([]byte, error) {
	var o object
	crumb, values := m.Breadcrumb, m.Metadata
	if crumb == nil {
		crumb = []string{}
	}
	if values == nil {
		values = map[string]any{}
	}
	if err := o.put("breadcrumb", crumb); err != nil {
		return nil, err
	}
	if err := o.put("metadata", values); err != nil {
		return nil, err
	}
	o.keep(m.Extra)
	return o.bytes(), nil
}
