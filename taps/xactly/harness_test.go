package xactly

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	fake "elt/internal/fake/xactly"
	"elt/taps"
)

func start(t *testing.T, b fake.Behaviour, tables ...*fake.Table) *fake.Server {
	t.Helper()
	s := fake.Start(b, tables...)
	t.Cleanup(s.Close)
	return s
}

type object = map[string]any

func config(s *fake.Server, more object) object {
	c := object{"username": fake.User, "password": fake.Password, "client_id": fake.ClientID, "consumer": fake.Consumer, "url_base": s.URL, "retry_pause": 0.001, "longest_pause": 0.01, "parallelism": 1}
	for k, v := range more {
		c[k] = v
	}
	return c
}

type result struct {
	records map[string][]string
	schemas map[string]string
	keys    map[string][]string
	states  []string
	log     string
	err     error
}

func (r result) state() string {
	if len(r.states) == 0 {
		return ""
	}
	return r.states[len(r.states)-1]
}

// run runs the tap's command line.
func run(t *testing.T, cfg object, state string, more ...string) result {
	t.Helper()
	args := append([]string{"--config", file(t, cfg)}, more...)
	if state != "" {
		args = append(args, "--state", file(t, json.RawMessage(state)))
	}
	var out, errs bytes.Buffer
	res := result{records: map[string][]string{}, schemas: map[string]string{}, keys: map[string][]string{}}
	res.err = taps.Serve(t.Context(), New(), args, taps.IO{Out: &out, Err: &errs}, nil)
	res.log = errs.String()
	for line := range strings.Lines(out.String()) {
		var m struct {
			Type, Stream          string
			Record, Value, Schema json.RawMessage
			Keys                  []string `json:"key_properties"`
		}
		if json.Unmarshal([]byte(line), &m) != nil {
			continue
		}
		switch m.Type {
		case "RECORD":
			res.records[m.Stream] = append(res.records[m.Stream], string(m.Record))
		case "SCHEMA":
			res.schemas[m.Stream], res.keys[m.Stream] = string(m.Schema), m.Keys
		case "STATE":
			res.states = append(res.states, string(m.Value))
		}
	}
	return res
}

func file(t *testing.T, content any) string {
	t.Helper()
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// only is a catalog with one stream selected, after change.
func only(t *testing.T, cfg object, stream string, change func(entry object)) string {
	t.Helper()
	var out bytes.Buffer
	if err := taps.Serve(t.Context(), New(), []string{"--config", file(t, cfg), "--discover"}, taps.IO{Out: &out, Err: &bytes.Buffer{}}, nil); err != nil {
		t.Fatal(err)
	}
	var catalog struct {
		Streams []object `json:"streams"`
	}
	if err := json.Unmarshal(out.Bytes(), &catalog); err != nil {
		t.Fatal(err)
	}
	catalog.Streams = slices.DeleteFunc(catalog.Streams, func(s object) bool { return s["tap_stream_id"] != stream })
	if len(catalog.Streams) != 1 {
		t.Fatalf("no stream %q", stream)
	}
	var ordered struct {
		Streams []struct {
			ID     string `json:"tap_stream_id"`
			Schema json.RawMessage
		}
	}
	if err := json.Unmarshal(out.Bytes(), &ordered); err != nil {
		t.Fatal(err)
	}
	for _, s := range ordered.Streams {
		if s.ID == stream {
			catalog.Streams[0]["schema"] = s.Schema // its columns in their order
		}
	}
	if change != nil {
		change(catalog.Streams[0])
	}
	return file(t, catalog)
}

// want compares records with a fake's rows, in any order, each once; columns
// that a record lacks are not compared.
func want(t *testing.T, table *fake.Table, rows [][]string, records []string) {
	t.Helper()
	have := map[string]int{}
	for _, raw := range records {
		have[canonical(t, raw)]++
	}
	if len(records) != len(rows) {
		t.Errorf("%s: %d records, want %d", table.Name, len(records), len(rows))
	}
	missing := 0
	for _, row := range rows {
		var b strings.Builder
		for i, name := range table.Columns {
			fmt.Fprintf(&b, "%s%q:%s", map[bool]string{true: ",", false: "{"}[i > 0], name, row[i])
		}
		key := canonical(t, b.String()+"}")
		if have[key]--; have[key] < 0 {
			if missing++; missing == 1 {
				t.Errorf("%s: missing %s", table.Name, key)
			}
		}
	}
	if missing > 1 {
		t.Errorf("%s: %d rows are missing", table.Name, missing)
	}
}

func canonical(t *testing.T, raw string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	var v object
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func pick(tables []*fake.Table, name string) *fake.Table {
	return tables[slices.IndexFunc(tables, func(t *fake.Table) bool { return t.Name == name })]
}
