package edcast

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps/httpapi"
)

const (
	listStream  = "datasets"
	rowHash     = "_row_hash"
	metaDataset = "dataset-id"
	metaType    = "sql-datatype"
	pageLimit   = 50 // the most that the list gives at once
)

type dataset struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Schema struct {
		Columns []struct {
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"columns"`
	} `json:"schema"`
}

// stream is the dataset's name without the organisation's number.
func (d dataset) stream() string {
	digits := strings.IndexFunc(d.Name, func(r rune) bool { return r < '0' || r > '9' })
	if digits > 0 && d.Name[digits] == '_' && len(d.Name) > digits+1 {
		return d.Name[digits+1:]
	}
	return d.Name
}

// pages calls visit with each item of the list of datasets. The list ends at
// an empty page: a server may give fewer than it was asked for.
func (s *settings) pages(ctx context.Context, client *httpapi.Client, visit func(place string, item []byte) error, paged func(place string) error) error {
	for offset := 0; ; {
		u := s.at("v1", "datasets")
		u.RawQuery = fmt.Sprintf("sort=name&offset=%d&limit=%d", offset, pageLimit)
		res, err := client.Do(ctx, &httpapi.Request{Method: "GET", URL: u, Header: http.Header{"Accept": {"application/json"}}})
		if err != nil {
			return err
		}
		place := fmt.Sprintf("%s, offset %d", res.Place, offset)
		doc, err := res.Bytes()
		res.Close()
		if err != nil {
			return err
		}
		if !json.Valid(doc) {
			return fault.New(fault.BadInput, "%s: the answer is no JSON", place)
		}
		n := 0
		if err := singer.EachElement(doc, func(item []byte) error { n++; return visit(place, item) }); err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
		if n == 0 {
			return nil
		}
		if err := paged(place); err != nil {
			return err
		}
		offset += n
	}
}

func (s *settings) discover(ctx context.Context, client *httpapi.Client) (*singer.Catalog, error) {
	var list []dataset
	seen := map[string]bool{} // the list may move while it is read
	err := s.pages(ctx, client, func(_ string, item []byte) error {
		var d dataset
		if err := json.Unmarshal(item, &d); err != nil {
			return fault.Wrap(fault.BadInput, err, "a dataset cannot be read")
		}
		if !seen[d.ID] && s.wants(d) {
			seen[d.ID] = true
			list = append(list, d)
		}
		return nil
	}, func(string) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("list the datasets: %w", err)
	}
	for _, name := range s.Names {
		if !slices.ContainsFunc(list, func(d dataset) bool { return d.ID == name || d.Name == name || d.stream() == name }) {
			return nil, fault.New(fault.BadConfig, "tap-edcast: there is no dataset %q, or the client may not see it", name).WithKind(fault.KindPath).WithHint("datasets takes ids and names as the API lists them")
		}
	}
	catalog := &singer.Catalog{Streams: []*singer.CatalogStream{listEntry()}}
	taken := map[string]int{listStream: 2}
	for _, d := range list {
		taken[d.stream()]++
	}
	for _, d := range list {
		name := d.stream()
		if taken[name] > 1 {
			name += " " + d.ID
		}
		cs, err := s.entry(ctx, client, d, name)
		if err != nil {
			return nil, fmt.Errorf("dataset %q: %w", d.Name, err)
		}
		catalog.Streams = append(catalog.Streams, cs)
	}
	return catalog, nil
}

func (s *settings) wants(d dataset) bool {
	return len(s.Names) == 0 || slices.ContainsFunc(s.Names, func(n string) bool { return n == d.ID || n == d.Name || n == d.stream() })
}

// entry is the catalog's entry of a dataset, by its schema.
func (s *settings) entry(ctx context.Context, client *httpapi.Client, d dataset, name string) (*singer.CatalogStream, error) {
	res, err := client.Do(ctx, &httpapi.Request{Method: "GET", URL: s.at("v1", "datasets", d.ID), Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, err
	}
	defer res.Close()
	if err := json.NewDecoder(res.Reader()).Decode(&d); err != nil {
		return nil, fault.Wrap(fault.BadInput, err, "its schema cannot be read")
	}
	if len(d.Schema.Columns) == 0 {
		return nil, fault.New(fault.BadInput, "it has no columns").WithHint("leave it out by the setting datasets")
	}
	keys, set := s.Keys[name]
	if !set {
		keys = []string{rowHash}
	}
	var schema bytes.Buffer
	schema.WriteString(`{"type":"object","properties":{`)
	if slices.Contains(keys, rowHash) {
		schema.WriteString(`"` + rowHash + `":{"type":"string"},`)
	}
	var names []string
	for n, c := range d.Schema.Columns {
		if n > 0 {
			schema.WriteByte(',')
		}
		names = append(names, c.Name)
		schema.Write(row.AppendJSONString(nil, []byte(c.Name)))
		schema.WriteString(":" + property(c.Type))
	}
	schema.WriteString("}}")
	for _, key := range keys {
		if key != rowHash && !slices.Contains(names, key) {
			e := fault.New(fault.BadConfig, "stream_keys has %q, which is no column of it", key)
			if near := fault.Nearest(key, names); near != "" {
				e = e.WithHint("did you mean %q?", near)
			}
			return nil, e
		}
	}
	cs := stream(name, schema.Bytes(), keys)
	cs.SetMeta(metaDataset, d.ID)
	for _, c := range d.Schema.Columns {
		cs.SetMeta(metaType, c.Type, c.Name)
	}
	if s.Key != "" && slices.Contains(names, s.Key) {
		cs.ReplicationKey, cs.ReplicationMethod = s.Key, singer.Incremental
		cs.SetMeta("valid-replication-keys", []string{s.Key})
		cs.SetMeta("inclusion", singer.Automatic, s.Key)
	} else {
		cs.ReplicationMethod = singer.FullTable
	}
	return cs, nil
}

// listEntry is the catalog's entry of the list of datasets.
func listEntry() *singer.CatalogStream {
	cs := stream(listStream, []byte(`{"type":"object","properties":{"id":{"type":"string"},"name":{"type":["null","string"]},"description":{"type":["null","string"]},
		"owner":{"type":["null","object"]},"rows":{"type":["null","integer"]},"columns":{"type":["null","integer"]},"createdAt":{"type":["null","string"],"format":"date-time"},
		"updatedAt":{"type":["null","string"],"format":"date-time"},"dataCurrentAt":{"type":["null","string"],"format":"date-time"},"pdpEnabled":{"type":["null","boolean"]}}}`), []string{"id"})
	cs.ReplicationMethod = singer.FullTable
	return cs
}

func stream(name string, schema []byte, keys []string) *singer.CatalogStream {
	cs := &singer.CatalogStream{TapStreamID: name, Stream: name, Schema: schema, KeyProperties: keys}
	cs.SetMeta("inclusion", singer.Available)
	cs.SetMeta("selected-by-default", true)
	if len(keys) > 0 {
		cs.SetMeta("table-key-properties", keys)
	}
	for _, p := range cs.Properties() {
		inclusion := singer.Available
		if slices.Contains(keys, p) {
			inclusion = singer.Automatic
		}
		cs.SetMeta("inclusion", inclusion, p)
	}
	return cs
}

// property is the JSON Schema of a column of one of Domo's types.
func property(domo string) string {
	switch domo {
	case "LONG":
		return `{"type":["null","integer"]}`
	case "DECIMAL", "DOUBLE":
		return `{"type":["null","number"]}`
	case "DATE":
		return `{"type":["null","string"],"format":"date"}`
	case "DATETIME":
		return `{"type":["null","string"],"format":"date-time"}`
	}
	return `{"type":["null","string"]}`
}

// typesOf are Domo's types of the columns, as discovery noted them.
func typesOf(cs *singer.CatalogStream) map[string]string {
	types := map[string]string{}
	for _, p := range cs.Properties() {
		if t, ok := cs.Meta(p)[metaType].(string); ok {
			types[p] = t
		}
	}
	return types
}

// cell appends a value as its column's type wants it: an empty text is NULL
// unless the column is one of texts, a time without zone is UTC. What does not
// look like its type stays a text, which widens the column.
func cell(dst []byte, domo string, text []byte, quoted bool) []byte {
	if domo == "STRING" || domo == "" && quoted {
		return row.AppendJSONString(dst, text)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return append(dst, "null"...)
	}
	switch domo {
	case "LONG", "DECIMAL", "DOUBLE":
		if t := bytes.TrimSpace(text); json.Valid(t) && strings.Trim(string(t), "0123456789.+-eE") == "" {
			return append(dst, t...)
		}
	case "DATE":
		if days, ok := row.ParseDate(text); ok {
			return append(row.AppendDateText(append(dst, '"'), days), '"')
		}
	case "DATETIME":
		if i, ok := row.ParseTimestamp(text); ok {
			if i.Offset == row.NoOffset {
				i.Offset = 0
			}
			return append(row.AppendInstantText(append(dst, '"'), i), '"')
		}
	default:
		if !quoted && json.Valid(text) {
			return append(dst, text...)
		}
	}
	return row.AppendJSONString(dst, text)
}
