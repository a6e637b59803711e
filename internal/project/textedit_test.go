package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"elt/internal/fault"
)

// TestEdits runs the lines of the part "do" and shows the files afterwards.
// What an edit cannot do it must refuse.
func TestEdits(t *testing.T) {
	golden(t, "edits", func(t *testing.T, dir string, a *txtar.Archive) string {
		p := load1(t, Options{Dir: dir})
		err := p.Change(func(e *Editor) error {
			for _, line := range strings.Split(strings.TrimSpace(part(a, "do")), "\n") {
				if err := do(t, e, line); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fault.Render(err)
		}
		var b strings.Builder
		for _, f := range a.Files {
			if filepath.Ext(f.Name) == ".yml" {
				text, err := os.ReadFile(filepath.Join(dir, f.Name))
				if err != nil {
					t.Fatal(err)
				}
				b.WriteString("== " + f.Name + "\n" + string(text))
			}
		}
		return b.String()
	})
}

// do runs one line: "set tap-x@dev a.b VALUE", VALUE being JSON or text.
func do(t *testing.T, e *Editor, line string) error {
	t.Helper()
	words := append(strings.SplitN(line, " ", 4), "", "")
	name, environment, _ := strings.Cut(words[1], "@")
	value, err := decodeJSON(words[3])
	if err != nil {
		value = words[3]
	}
	var plugin *Plugin
	if strings.Contains("set unset reset select unselect clear", words[0]) && name != "project" {
		if plugin, err = e.p.Plugin("", name); err != nil {
			t.Fatal(err)
		}
	}
	path := strings.Split(words[2], ".")
	switch words[0] {
	case "set":
		if plugin == nil {
			return e.SetProject(path, value)
		}
		return e.SetConfig(plugin, environment, path, value)
	case "unset":
		if plugin == nil {
			return e.UnsetProject(path)
		}
		return e.UnsetConfig(plugin, environment, path)
	case "reset":
		return e.ResetConfig(plugin, environment)
	case "select", "unselect":
		return e.Select(plugin, environment, words[2], words[0] == "unselect")
	case "clear":
		return e.ClearSelect(plugin, environment)
	case "add":
		item, err := decodeJSON(strings.TrimSpace(words[2] + " " + words[3]))
		if err != nil {
			t.Fatal(err)
		}
		return e.Add(words[1], item.(*Map))
	case "change":
		return e.Set(words[1], words[2], value.(*Map))
	case "remove":
		return e.Remove(words[1], words[2])
	}
	t.Fatalf("unknown line %q", line)
	return nil
}

// TestEditsAtTheSameTime: both changes are in the file, though each project
// was loaded before the other's change.
func TestEditsAtTheSameTime(t *testing.T) {
	p := inProject(t, "plugins: {extractors: [{name: tap-x, namespace: tap_x}]}\n", Options{})
	other := load1(t, Options{Dir: p.Root})
	done := make(chan error)
	for i, project := range []*Project{p, other} {
		go func() {
			plugin, err := project.Plugin("", "tap-x")
			if err == nil {
				err = project.Change(func(e *Editor) error {
					return e.SetConfig(plugin, "", []string{"k" + string(rune('0'+i))}, jsonInt("1"))
				})
			}
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := config(t, settings(t, load1(t, Options{Dir: p.Root}), "tap-x", SettingsOptions{})); !strings.Contains(got, `"k0":1`) || !strings.Contains(got, `"k1":1`) {
		t.Errorf("got %s", got)
	}
}
