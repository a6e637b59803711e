package singer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *Catalog {
	t.Helper()
	c, err := ParseCatalog([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCatalogKeepsWhatItDoesNotKnow(t *testing.T) {
	for _, text := range []string{
		`{"streams":[]}`,
		`{"streams":[{"tap_stream_id":"a","stream":"a","schema":{"type":"object","properties":{"x":{"multipleOf":0.10,"maximum":9223372036854775808123}}},"metadata":[{"breadcrumb":[],"metadata":{"row-count":12345678901234567890,"n":1.50},"note":"<&>"}],"row_count":7}],"version":2.0}`,
		`{"streams":[{"stream":"a","key_properties":[],"replication_key":null,"is_view":false,"metadata":[]}]}`,
		`{"streams":[{"tap_stream_id":"a","key_properties":["id"],"replication_method":"INCREMENTAL","selected":"true","schema":{"selected":true}}]}`,
		`{"streams":[{"tap_stream_id":"a","key_properties":"id"}]}`,
	} {
		out, err := marshal(parse(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if !EqualJSON(out, []byte(text)) {
			t.Errorf("changed\n%s\nto\n%s", text, out)
		}
		for _, number := range []string{"0.10", "9223372036854775808123", "12345678901234567890", "1.50"} {
			if strings.Contains(text, number) && !strings.Contains(string(out), number) {
				t.Errorf("the number %s was rewritten in %s", number, out)
			}
		}
	}
}

func TestCatalogErrors(t *testing.T) {
	for _, text := range []string{``, `[]`, `{}`, `{"streams":{}}`, `{"streams":[1]}`, `{"streams":[null]}`, `{"streams":[{"metadata":1}]}`} {
		if _, err := ParseCatalog([]byte(text)); err == nil {
			t.Errorf("%q is taken for a catalog", text)
		}
	}
}

func TestSelected(t *testing.T) {
	const properties = `"schema":{"properties":{"a":{},"b":{"properties":{"c":{}}},"d":{"type":"integer"}}}`
	for _, c := range []struct {
		name, stream string
		want         string // selected top-level properties, "-" for a deselected stream
	}{
		{"no mark at all", `{"stream":"s",` + properties + `}`, "a b d"},
		{"empty metadata", `{"stream":"s","metadata":[],` + properties + `}`, "a b d"},
		{"metadata without a mark", `{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"inclusion":"available"}}],` + properties + `}`, "-"},
		{"selected", `{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"selected":true}}],` + properties + `}`, "a b d"},
		{"selected as text", `{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"selected":"true"}}],` + properties + `}`, "a b d"},
		{"by default", `{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"selected-by-default":true}}],` + properties + `}`, "a b d"},
		{"deselected wins over default", `{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"selected":false,"selected-by-default":true}}],` + properties + `}`, "-"},
		{"deselected automatic stream", `{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"selected":false,"inclusion":"automatic"}}],` + properties + `}`, "-"},
		{"columns", `{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"selected":true}},{"breadcrumb":["properties","a"],"metadata":{"selected":false}},{"breadcrumb":["properties","b"],"metadata":{"inclusion":"unsupported","selected":true}},{"breadcrumb":["properties","d"],"metadata":{"inclusion":"automatic","selected":false}}],` + properties + `}`, "d"},
		{"column not by default", `{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"selected":true}},{"breadcrumb":["properties","a"],"metadata":{"selected-by-default":false}}],` + properties + `}`, "b d"},
		{"on the stream", `{"stream":"s","selected":true,"metadata":[{"breadcrumb":[],"metadata":{"x":1}}],` + properties + `}`, "a b d"},
		{"off on the stream", `{"stream":"s","selected":false,` + properties + `}`, "-"},
		{"in the schema", `{"stream":"s","schema":{"selected":true,"properties":{"a":{"selected":false},"b":{"inclusion":"automatic","selected":false},"d":{}}}}`, "b d"},
		{"off in the schema", `{"stream":"s","schema":{"selected":false,"properties":{"a":{}}}}`, "-"},
		{"a column called selected", `{"stream":"s","schema":{"properties":{"selected":{"type":"boolean"}}}}`, "selected"},
	} {
		s := parse(t, `{"streams":[`+c.stream+`]}`).Streams[0]
		got := "-"
		if s.Selected() {
			got = strings.Join(s.SelectedProperties(), " ")
		} else if list := s.SelectedProperties(); list != nil {
			t.Errorf("%s: deselected, but has %v", c.name, list)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		for _, p := range s.Properties() {
			if s.Selected(p) != slices.Contains(strings.Fields(c.want), p) {
				t.Errorf("%s: Selected(%q) disagrees with %q", c.name, p, c.want)
			}
		}
	}
}

func TestSelectedNested(t *testing.T) {
	s := parse(t, `{"streams":[{"stream":"s","schema":{"properties":{"b":{"properties":{"c":{},"e":{}}}}},"metadata":[
		{"breadcrumb":[],"metadata":{"selected":true}},{"breadcrumb":["properties","b","properties","e"],"metadata":{"selected":false}}]}]}`).Streams[0]
	if !s.Selected("b", "c") || s.Selected("b", "e") {
		t.Error("nested properties follow their own mark, else their parent")
	}
}

func TestReplicationAndKeys(t *testing.T) {
	for _, c := range []struct{ stream, method, key, keys string }{
		{`{"stream":"s"}`, "", "", ""},
		{`{"stream":"s","replication_method":"incremental","replication_key":"u","key_properties":["id"]}`, "INCREMENTAL", "u", "id"},
		{`{"stream":"s","replication_method":"FULL_TABLE","metadata":[{"breadcrumb":[],"metadata":{"replication-method":"INCREMENTAL","replication-key":"u","table-key-properties":["a","b"]}}]}`, "INCREMENTAL", "u", "a b"},
		{`{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"replication-method":"INCREMENTAL","forced-replication-method":{"replication-method":"FULL_TABLE"}}}]}`, "FULL_TABLE", "", ""},
		{`{"stream":"s","metadata":[{"breadcrumb":[],"metadata":{"forced-replication-method":"LOG_BASED","view-key-properties":["v"],"table-key-properties":["t"]}}]}`, "LOG_BASED", "", "v"},
	} {
		s := parse(t, `{"streams":[`+c.stream+`]}`).Streams[0]
		method, key := s.Replication()
		if method != c.method || key != c.key || strings.Join(s.Keys(), " ") != c.keys {
			t.Errorf("%s: %s %s %v", c.stream, method, key, s.Keys())
		}
	}
}

func TestEmptyCatalogPrints(t *testing.T) {
	out, err := (&Catalog{}).Print()
	if err != nil || !json.Valid(out) || !strings.Contains(string(out), `"streams": []`) {
		t.Errorf("%s, %v", out, err)
	}
}
