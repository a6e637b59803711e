package project

import (
	"context"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"elt/internal/fault"
)

// part is a file of an archive, "" when it is not there.
func part(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func TestFindings(t *testing.T) {
	golden(t, "findings", func(t *testing.T, dir string, a *txtar.Archive) string {
		list, err := Validate(context.Background(), Options{Dir: dir, Environ: strings.Fields(part(a, "env"))})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, f := range list {
			if f.Warning {
				b.WriteString("warning: ")
			}
			b.WriteString(fault.Render(f.Error) + "\n")
		}
		return b.String() + Summary(list)
	})
}

func TestValidateShowsNoSecret(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/elt.yml", `plugins:
  extractors:
  - name: tap-x
    namespace: tap_x
    settings: [{name: pin, kind: integer, sensitive: true}]
    config: {pin: hunter2}
`)
	list, err := Validate(context.Background(), Options{Dir: dir})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if text := fault.Render(list[0].Error); strings.Contains(text, "hunter2") {
		t.Errorf("the secret is shown:\n%s", text)
	}
}
