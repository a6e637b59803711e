package cmd

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/spec"
	tapsall "elt/taps/all"
	targetsall "elt/targets/all"
)

var update = flag.Bool("update", false, "rewrite docs/connectors")

// byHand ends what -update writes of a page; it leaves alone what follows.
const byHand = "\n<!-- By hand from here on. -->\n"

// docs/connectors has a page for each built-in connector and no other, and
// each says what its Spec says: go test ./cmd -run Pages -update
func TestConnectorPages(t *testing.T) {
	var specs []spec.Spec
	taps, targets := tapsall.All(), targetsall.All()
	for _, name := range taps.Names() {
		specs = append(specs, taps.Lookup(name).Spec())
	}
	for _, name := range targets.Names() {
		specs = append(specs, targets.Lookup(name).Spec())
	}
	dir := filepath.Join("..", "docs", "connectors")
	wanted := map[string]bool{}
	for _, s := range specs {
		page := s.Name + ".md"
		wanted[page] = true
		text, err := s.About("markdown", "")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, page)
		have, err := os.ReadFile(path)
		made, notes, noted := strings.Cut(string(have), byHand)
		if *update {
			page := text
			if noted {
				page += byHand + notes
			}
			made, err = text, os.WriteFile(path, []byte(page), 0o644)
		}
		if err != nil || made != text {
			t.Errorf("%s is not what the Spec says (%v): go test ./cmd -run Pages -update", path, err)
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pages {
		if !wanted[filepath.Base(path)] {
			t.Errorf("%s describes no built-in connector", path)
		}
	}
}

// Links between the pages of the documentation lead somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"../docs/*/*.md", "../*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "](")[1:] {
			link, _, closed := strings.Cut(part, ")")
			link, _, _ = strings.Cut(link, "#")
			if !closed || link == "" || strings.Contains(link, "://") || strings.ContainsAny(link, " \n") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page, link)
			}
		}
	}
}
