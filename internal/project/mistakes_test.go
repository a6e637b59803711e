package project

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"elt/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata")

// unpack writes the files of an archive to a new directory.
func unpack(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range a.Files {
		if f.Name != "want" {
			writeFile(t, filepath.Join(dir, f.Name), string(f.Data))
		}
	}
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// golden runs f on every archive of a folder and compares its "want" part.
func golden(t *testing.T, folder string, f func(t *testing.T, dir string, a *txtar.Archive) string) {
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in testdata/%s: %v", folder, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := unpack(t, a)
			got := strings.ReplaceAll(f(t, dir, a), dir, "$PROJECT")
			if !strings.HasSuffix(got, "\n") {
				got += "\n"
			}
			for i := range a.Files {
				if a.Files[i].Name != "want" {
					continue
				}
				if *update {
					a.Files[i].Data = []byte(got)
					if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
						t.Fatal(err)
					}
				} else if want := string(a.Files[i].Data); got != want {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
				return
			}
			t.Fatal("the case has no part called want")
		})
	}
}

// TestMistakes holds the exact text that a user sees for a broken project.
func TestMistakes(t *testing.T) {
	golden(t, "mistakes", func(t *testing.T, dir string, _ *txtar.Archive) string {
		p, err := Load(context.Background(), Options{Dir: dir})
		if err == nil {
			t.Fatalf("no error; warnings: %q", p.Warnings)
		}
		if fault.CodeOf(err) != fault.Failed {
			t.Errorf("exit code %d, want 1", fault.CodeOf(err))
		}
		return fault.Render(err)
	})
}
