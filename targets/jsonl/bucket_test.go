package jsonl

import (
	"path/filepath"
	"testing"

	"elt/internal/filesink"
	"elt/targets/targettest"
)

// In a bucket each commit is an object of its own.
func TestTargetInABucket(t *testing.T) {
	for _, scheme := range []string{"s3", "az"} {
		t.Run(scheme, func(t *testing.T) {
			s := subject()
			s.Rows = func(t testing.TB, config map[string]any, stream string) (rows []targettest.Row) {
				name := filepath.Join(config["destination_path"].(string), filesink.Name(stream))
				for _, path := range targettest.Numbered(t, name, ".jsonl") {
					rows = append(rows, read(t, path)...)
				}
				return rows
			}
			s, b := s.InBucket(t, scheme, "destination_path")
			targettest.Run(t, s)
			if b.Uploads != nil && len(b.Uploads()) > 0 {
				t.Errorf("uploads are left: %v", b.Uploads())
			}
		})
	}
}
