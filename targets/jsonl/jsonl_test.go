package jsonl

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"elt/internal/filesink"
	"elt/targets/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func subject() targettest.Subject {
	return targettest.Subject{
		Target:  New(),
		Appends: true,
		Config:  func(t testing.TB) map[string]any { return map[string]any{"destination_path": t.TempDir()} },
		Rows: func(t testing.TB, config map[string]any, stream string) []targettest.Row {
			return read(t, filepath.Join(config["destination_path"].(string), filesink.Name(stream)+".jsonl"))
		},
	}
}

// read is a file's records; strings without their quotes.
func read(t testing.TB, path string) []targettest.Row {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	rows := []targettest.Row{}
	in := bufio.NewReaderSize(f, 8<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return rows
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		r := targettest.Row{}
		for name, raw := range fields {
			text := string(raw)
			if text == "null" {
				r[name] = nil
				continue
			}
			if text[0] == '"' {
				if err := json.Unmarshal(raw, &text); err != nil {
					t.Fatal(err)
				}
			}
			r[name] = &text
		}
		rows = append(rows, r)
	}
}

func TestTarget(t *testing.T) { targettest.Run(t, subject()) }

const users = `{"type":"SCHEMA","stream":"users","schema":{"type":"object","properties":{"id":{"type":"integer"},"price":{"type":"number"},"at":{"type":"string","format":"date-time"}}},"key_properties":["id"]}`

func files(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestLinesAreTheRecords(t *testing.T) {
	s := subject()
	config := s.Config(t)
	dir := config["destination_path"].(string)
	want := `{"id":12345678901234567890,"price":1.10,"at":"2024-01-02T03:04:05.678901+02:00"}` + "\n"
	for range 2 {
		if _, _, err := s.Serve(t, config, nil, users, `{"type":"RECORD","stream":"users","record":`+strings.TrimSpace(want)+`}`); err != nil {
			t.Fatal(err)
		}
	}
	raw, _ := os.ReadFile(dir + "/users.jsonl")
	if string(raw) != want+want {
		t.Errorf("two runs wrote\n%swant twice\n%s", raw, want)
	}
	if got := files(t, dir); got != "users.jsonl" {
		t.Errorf("files %s", got)
	}
}

func TestNamesAndMethods(t *testing.T) {
	row := `{"type":"RECORD","stream":"users","record":{"id":1}}`
	s := subject()
	for _, c := range []struct {
		settings map[string]any
		file     string
		runs     string
	}{
		{map[string]any{"custom_name": "all"}, "all.jsonl", "11"},
		{map[string]any{"load_method": "overwrite"}, "users.jsonl", "1"},
		{map[string]any{"compression": "gzip"}, "users.jsonl.gz", ""},
		{map[string]any{"file_naming_scheme": "{stream}.json.gz", "compression": "gzip"}, "users.json.gz", ""},
		{map[string]any{"compression": "zstd", "custom_name": "x/y"}, "x%2Fy.jsonl.zst", ""},
	} {
		config := s.Config(t)
		dir := config["destination_path"].(string)
		for k, v := range c.settings {
			config[k] = v
		}
		for range 2 {
			if _, _, err := s.Serve(t, config, nil, users, row); err != nil {
				t.Fatal(err)
			}
		}
		if got := files(t, dir); got != c.file {
			t.Errorf("%v: files %s, want %s", c.settings, got, c.file)
		}
		if raw, _ := os.ReadFile(dir + "/" + c.file); c.runs != "" && strings.Count(string(raw), `"id":1`) != len(c.runs) {
			t.Errorf("%v: %s", c.settings, raw)
		}
	}
	config := s.Config(t)
	config["do_timestamp_file"] = true
	if _, _, err := s.Serve(t, config, nil, users, row); err != nil {
		t.Fatal(err)
	}
	if got := files(t, config["destination_path"].(string)); len(got) != len("users-20240101T000000.jsonl") {
		t.Errorf("files %s", got)
	}
}

func TestOverwriteByNothing(t *testing.T) {
	s := subject()
	config := s.Config(t)
	config["load_method"] = "overwrite"
	path := config["destination_path"].(string) + "/users.jsonl"
	os.WriteFile(path, []byte("old\n"), 0o666)
	if _, _, err := s.Serve(t, config, nil, users); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(path); err != nil || len(raw) != 0 {
		t.Errorf("%q, %v", raw, err)
	}
}
