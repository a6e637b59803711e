package singer

import "encoding/json"

// Catalog is what a tap can read, and what of it is selected. Unknown keys
// are kept (Extra), so that a catalog survives a round trip through us.
type Catalog struct {
	Streams []*CatalogStream           `json:"streams"`
	Extra   map[string]json.RawMessage `json:"-"`
}

// CatalogStream is one stream of a catalog.
type CatalogStream struct {
	TapStreamID       string                     `json:"tap_stream_id"`
	Stream            string                     `json:"stream"`
	Schema            json.RawMessage            `json:"schema"`
	Metadata          []Metadata                 `json:"metadata"`
	TableName         string                     `json:"table_name,omitempty"`
	KeyProperties     []string                   `json:"key_properties,omitempty"`
	ReplicationKey    string                     `json:"replication_key,omitempty"`
	ReplicationMethod string                     `json:"replication_method,omitempty"`
	Extra             map[string]json.RawMessage `json:"-"`
}

// Metadata is what a catalog says of a stream (empty breadcrumb) or a property.
type Metadata struct {
	Breadcrumb []string       `json:"breadcrumb"`
	Metadata   map[string]any `json:"metadata"`
}
