package csv

import (
	"path/filepath"
	"testing"

	"elt/internal/filesink"
	"elt/targets/targettest"
)

// In a bucket each commit, and each new shape of the rows, is an object of its own.
func TestTargetInABucket(t *testing.T) {
	s := subject()
	s.Rows = func(t testing.TB, config map[string]any, stream string) (rows []targettest.Row) {
		name := filepath.Join(config["output_path"].(string), filesink.Name(stream))
		for _, path := range targettest.Numbered(t, name, ".csv") {
			rows = append(rows, read(t, path)...)
		}
		return rows
	}
	s, b := s.InBucket(t, "gs", "output_path")
	config := s.Config
	s.Config = func(t testing.TB) map[string]any {
		c := config(t)
		c["overwrite_behavior"] = "append_records"
		return c
	}
	targettest.Run(t, s)
	if len(b.Uploads()) > 0 {
		t.Errorf("uploads are left: %v", b.Uploads())
	}
}

// A stream that is replaced leaves nothing of the run before.
func TestReplaceInABucket(t *testing.T) {
	s, b := subject().InBucket(t, "gs", "output_path")
	config := s.Config(t)
	config["compression"] = "gzip"
	const schema, record = `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"}}},"key_properties":[]}`, `{"type":"RECORD","stream":"s","record":{"id":1}}`
	const wider = `{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"},"n":{"type":"string"}}},"key_properties":[]}`
	for _, lines := range [][]string{{schema, record, wider, record}, {schema, record}} {
		if _, talk, err := s.Serve(t, config, nil, lines...); err != nil {
			t.Fatal(err, talk)
		}
	}
	if got := b.Keys(); len(got) != 1 || got[0] != "run-1/s.csv.gz" {
		t.Errorf("objects %v", got)
	}
}
