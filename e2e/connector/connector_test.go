// Package connector proves that a new connector touches its own folder and
// one line.
package connector

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const hello = `// Package hello says hello.
package hello

import (
	"context"
	"encoding/json"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// New is the tap.
func New() taps.Tap { return tap{} }

type tap struct{}

var schema = &row.Schema{Stream: "greetings", Columns: []row.Column{{Name: "text", Kind: row.Text, Wire: row.WireText}}}

func (tap) Spec() spec.Spec {
	return spec.Spec{Name: "tap-hello", Summary: "Says hello.", Capabilities: []string{"catalog", "discover", "state"}}
}

func (tap) Discover(context.Context, spec.Config) (*singer.Catalog, error) {
	return &singer.Catalog{Streams: []*singer.CatalogStream{{TapStreamID: "greetings", Stream: "greetings",
		Schema: json.RawMessage(` + "`" + `{"type":"object","properties":{"text":{"type":"string"}}}` + "`" + `)}}}, nil
}

func (tap) Sync(ctx context.Context, _ spec.Config, _ *singer.Catalog, _ singer.Bookmarks, out taps.Output) error {
	s, err := out.Stream(ctx, schema)
	if err != nil {
		return err
	}
	defer s.Close()
	b := &row.Batch{}
	b.Reset(schema)
	b.Begin()
	b.Str("hello")
	b.End()
	if err := s.Write(b); err != nil {
		return err
	}
	return s.End()
}
`

// A developer adds taps/hello and one line in taps/all: the tap then has a
// command line, is listed, and runs in a project, fused with a target.
func TestAddingAConnector(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a second binary; left out with -short")
	}
	house := copyOfTheHouse(t)
	write(t, filepath.Join(house, "taps", "hello", "hello.go"), hello)
	all := filepath.Join(house, "taps", "all", "all.go")
	text, err := os.ReadFile(all)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "NewRegistry(", "NewRegistry(\n\t\thello.New(), // the one line\n", 1)
	changed = strings.Replace(changed, "\"elt/taps\"\n", "\"elt/taps\"\n\t\"elt/taps/hello\"\n", 1)
	if changed == string(text) {
		t.Fatal("taps/all/all.go has no NewRegistry call to extend")
	}
	write(t, all, changed)
	elt := filepath.Join(t.TempDir(), "elt")
	runIn(t, house, "go", "build", "-o", elt, ".")

	if out := runIn(t, t.TempDir(), elt, "tap", "tap-hello", "--about"); !strings.Contains(out, "Says hello.") {
		t.Errorf("--about says %q", out)
	}
	project := t.TempDir()
	write(t, filepath.Join(project, "elt.yml"), `default_environment: dev
environments:
- name: dev
plugins:
  extractors:
  - name: tap-hello
  loaders:
  - name: target-jsonl
    config: {destination_path: .}
`)
	runIn(t, project, elt, "run", "tap-hello", "target-jsonl")
	if got, err := os.ReadFile(filepath.Join(project, "greetings.jsonl")); err != nil || strings.TrimSpace(string(got)) != `{"text":"hello"}` {
		t.Errorf("greetings.jsonl holds %q, %v", got, err)
	}
}

func copyOfTheHouse(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	house := t.TempDir()
	files := runIn(t, root, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	for _, name := range strings.Split(strings.TrimRight(files, "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(house, name), string(content))
	}
	return house
}

func runIn(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out, errs.String())
	}
	return string(out)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
