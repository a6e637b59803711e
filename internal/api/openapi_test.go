package api

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

// What is committed is what is served.
func TestOpenAPIIsCommitted(t *testing.T) {
	const path = "../../docs/openapi.json"
	got, err := json.MarshalIndent(New(Config{Metrics: &Metrics{}}).OpenAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatal("docs/openapi.json is not what the API says of itself: go test ./internal/api -run OpenAPI -update")
	}
}
