package sqlite

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"elt/internal/check"
	"elt/targets"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	checks := func(path string) (names, last string) {
		raw, _ := json.Marshal(map[string]any{"database": path})
		cfg, _, err := New().Spec().Resolve(raw)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		New().(targets.Checker).Check(t.Context(), cfg, check.NewReport(0, func(r check.Result) {
			if !r.Passed {
				r.Check += ":" + string(r.Kind)
			}
			got, last = append(got, r.Check), r.Error+r.Detail
		}))
		return strings.Join(got, " "), last
	}
	if err := os.WriteFile(at("text.db"), []byte(strings.Repeat("no database ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	there := &file{t, at("there.db")}
	there.must(there.sink(nil).Abort())
	busy, err := open(t.Context(), at("busy.db"), 1)
	there.must(err)
	there.must(busy.exec(t.Context(), "begin immediate"))
	defer busy.conn.Close()
	cases := []struct{ path, want, last string }{
		{at("new.db"), "settings write", "which will be made"},
		{at("there.db"), "settings write", "there.db"},
		{at("missing/x.db"), "settings write:path", filepath.Join("missing", "x.db") + " cannot be made"},
		{at("text.db"), "settings write:shape", "is no SQLite database"},
		{at("busy.db"), "settings write:timeout", "is in use"},
	}
	ro := at("ro")
	there.must(os.Mkdir(ro, 0o755))
	if err := syscall.Mount("tmpfs", ro, "tmpfs", syscall.MS_RDONLY, "size=1m"); err != nil {
		t.Logf("no tmpfs here, a read-only file system is not tried: %v", err)
	} else {
		t.Cleanup(func() { syscall.Unmount(ro, syscall.MNT_DETACH) })
		cases = append(cases, struct{ path, want, last string }{at("ro/x.db"), "settings write:permission", "x.db cannot be made"})
	}
	for _, c := range cases {
		if names, last := checks(c.path); names != c.want || !strings.Contains(last, c.last) {
			t.Errorf("%s: %s, want %s; %s", c.path, names, c.want, last)
		}
	}
	if left, _ := filepath.Glob(at("*check*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(at("new.db")); err == nil {
		t.Error("the check made the database")
	}
}
