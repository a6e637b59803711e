//go:build !noui

package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What dist holds was built from what web holds: web/source.mjs writes the
// same digest into dist when it builds.
func TestDistIsThatOfTheSource(t *testing.T) {
	var names []string
	web := os.DirFS("web")
	err := fs.WalkDir(web, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name == "node_modules" || name == "test" {
				return fs.SkipDir
			}
			return nil
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		text, err := fs.ReadFile(web, name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(all, "%s %x\n", name, sha256.Sum256(text))
	}
	want := hex.EncodeToString(all.Sum(nil))
	got, err := fs.ReadFile(files(), "source.sha256")
	if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("internal/ui/dist was built from another source: run make ui (%s, %v, want %s)", got, err, want)
	}
}

// What a page needs before it shows anything: at most 100 KiB of script and
// 15 KiB of style, compressed.
func TestSizeOfTheFirstPage(t *testing.T) {
	index, err := fs.ReadFile(files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	size := map[string]int{}
	for _, m := range regexp.MustCompile(`(?:src|href)="/(assets/[^"]+)"`).FindAllSubmatch(index, -1) {
		text, err := fs.ReadFile(files(), string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		size[path.Ext(string(m[1]))] += compressed(text)
	}
	t.Logf("script %d, style %d bytes", size[".js"], size[".css"])
	if size[".js"] == 0 || size[".js"] > 100<<10 {
		t.Errorf("%d bytes of script", size[".js"])
	}
	if size[".css"] == 0 || size[".css"] > 15<<10 {
		t.Errorf("%d bytes of style", size[".css"])
	}
}

func compressed(text []byte) int {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(text)
	w.Close()
	return b.Len()
}
