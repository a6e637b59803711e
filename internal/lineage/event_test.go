package lineage

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func sample() Run {
	fields := []Field{{"id", "integer"}, {"name", "string"}}
	return Run{ID: "0198f6c2-0000-7000-8000-000000000001", Namespace: "shop", Job: "prod:tap-postgres-to-target-sqlite", Version: "1.2",
		Parent: &Parent{"0198f6c2-0000-7000-8000-000000000002", "nightly"}, Error: "no such host",
		Inputs:  []Dataset{{Name: Name{"postgres://db:5432", "shop.public.users"}, Fields: fields}},
		Outputs: []Dataset{{Name: Name{"file", "/srv/out.db:users"}, Fields: fields, Rows: 12, Bytes: 34}, {Name: Name{"file", "x"}, Rows: -1}}}
}

func valid(t *testing.T, s *jsonschema.Schema, event []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(event)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// specification is OpenLineage's own: testdata/openlineage.
func specification(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	facets, err := filepath.Glob("testdata/openlineage/facets/*.json")
	if err != nil || len(facets) == 0 {
		t.Fatal(facets, err)
	}
	for _, path := range append(facets, "testdata/openlineage/OpenLineage.json") {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := doc.(map[string]any)["$id"].(string)
		if err := c.AddResource(id, doc); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// compiled is the schema at an address of the specification.
func compiled(t *testing.T, c *jsonschema.Compiler, address string) *jsonschema.Schema {
	t.Helper()
	s, err := c.Compile(address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return s
}

const wholeEvent = "https://openlineage.io/spec/2-0-2/OpenLineage.json"

func TestEvents(t *testing.T) {
	s := compiled(t, specification(t), wholeEvent)
	for _, what := range []string{Start, Complete, Fail, Abort} {
		event, err := Event(what, time.Now(), sample())
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(t, s, event); err != nil {
			t.Errorf("%s: %v\n%s", what, err, event)
		}
		for want, there := range map[string]bool{`"errorMessage"`: what == Fail, `"rowCount":12`: what != Start, `"name":"nightly"`: true, `"fields":[{"name":"id","type":"integer"}`: true} {
			if strings.Contains(string(event), want) != there {
				t.Errorf("%s: %s: %v\n%s", what, want, !there, event)
			}
		}
	}
	bare, err := Event(Start, time.Now(), Run{ID: sample().ID, Namespace: "n", Job: "j"})
	if err != nil || valid(t, s, bare) != nil {
		t.Errorf("%v %v", err, valid(t, s, bare))
	}
	broken, _ := Event(Start, time.Now(), Run{ID: "no uuid", Namespace: "n", Job: "j"})
	if valid(t, s, broken) == nil {
		t.Error("the schema takes anything")
	}
}

// Each facet names its own schema.
func TestFacets(t *testing.T) {
	c := specification(t)
	checked := 0
	for _, what := range []string{Start, Complete, Fail, Abort} {
		event, _ := Event(what, time.Now(), sample())
		var e any
		if err := json.Unmarshal(event, &e); err != nil {
			t.Fatal(err)
		}
		var walk func(v any)
		walk = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				if at, ok := v["_schemaURL"].(string); ok {
					text, _ := json.Marshal(v)
					if err := valid(t, compiled(t, c, at), text); err != nil {
						t.Errorf("%s: %v", at, err)
					}
					checked++
				}
				for _, inner := range v {
					walk(inner)
				}
			case []any:
				for _, inner := range v {
					walk(inner)
				}
			}
		}
		walk(e)
	}
	if checked < 20 {
		t.Errorf("%d facets checked", checked)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ plugin, config, namespace, name string }{
		{"tap-postgres", `{"host":"db","port":5433,"dbname":"shop","password":"x"}`, "postgres://db:5433", "shop.public.users"},
		{"target-postgres", `{"host":"db","database":"shop","default_target_schema":"raw"}`, "postgres://db:5432", "shop.raw.users"},
		{"target-postgres", `{"sqlalchemy_url":"postgresql://u:secret@h:1/d"}`, "postgres://h:1", "d.public.users"},
		{"target-postgres", `{"sqlalchemy_url":"postgresql://u:secret@h:1,i:2/d"}`, "postgres://h:1", "d.public.users"},
		{"target-snowflake", `{"account":"ORG-ACC.snowflakecomputing.com","database":"dw","default_target_schema":"raw"}`, "snowflake://org-acc", "DW.RAW.USERS"},
		{"target-sqlite", `{"database":"out.db"}`, "file", "/p/out.db:users"},
		{"target-jsonl", `{"destination_path":"/srv/out"}`, "file", "/srv/out/users"},
		{"tap-rest", `{"api_url":"https://u:secret@api.example.org/v1"}`, "https://api.example.org", "users"},
		{"tap-odd", `{}`, "singer://tap-odd", "users"},
		{"tap-odd", ``, "singer://tap-odd", "users"},
	} {
		got := Place{Plugin: c.plugin, Root: "/p", Config: json.RawMessage(c.config)}.Of("users", "", "users")
		if got != (Name{c.namespace, c.name}) {
			t.Errorf("%s %s: %v", c.plugin, c.config, got)
		}
	}
}

func TestFieldsOf(t *testing.T) {
	got := FieldsOf([]byte(`{"properties":{"b":{"type":["null","string"],"format":"date-time"},"a":{"type":["integer","string"]},"c":{}}}`))
	if len(got) != 3 || got[0] != (Field{"a", "integer|string"}) || got[1] != (Field{"b", "date-time"}) || got[2] != (Field{"c", ""}) {
		t.Errorf("%v", got)
	}
}

func TestClient(t *testing.T) {
	var asked atomic.Int32
	answer := []int{503, 201, 400}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/lineage" || r.Header.Get("Authorization") != "Bearer key" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		w.WriteHeader(answer[asked.Add(1)-1])
	}))
	defer s.Close()
	var told []error
	c, err := NewClient(s.URL, "", "key", func(err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	c.Send([]byte(`{}`)) // again after 503
	c.Send([]byte(`{}`)) // not again after 400
	c.Close(time.Minute)
	if asked.Load() != 3 || len(told) != 1 || !strings.Contains(told[0].Error(), "400") {
		t.Errorf("%d %v", asked.Load(), told)
	}
	path := filepath.Join(t.TempDir(), "lineage.jsonl")
	for range 2 {
		c, err := NewClient("file://"+path, "", "", func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		c.Send([]byte(`{"a":1}`))
		c.Close(time.Minute)
	}
	if text, _ := os.ReadFile(path); string(text) != "{\"a\":1}\n{\"a\":1}\n" {
		t.Errorf("%s", text)
	}
	for _, bad := range []string{"ftp://h", "localhost:5000", "http://"} {
		if _, err := NewClient(bad, "", "", nil); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
