package filesink

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"elt/internal/check"
	"elt/internal/fault"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	ro := filepath.Join(dir, "ro")
	cases := []struct {
		where string
		kind  fault.Kind
		said  string
	}{
		{dir, "", dir},
		{filepath.Join(dir, "a", "b"), "", "which will be made"},
		{filepath.Join(dir, "file"), fault.KindPath, "not a directory"},
		{filepath.Join(dir, "file", "below"), fault.KindPath, "not a directory"},
		{ro, fault.KindPermission, "cannot be written"},
	}
	switch os.Mkdir(ro, 0o555); {
	case os.Geteuid() != 0:
	case syscall.Mount("tmpfs", ro, "tmpfs", syscall.MS_RDONLY, "size=1m") == nil:
		t.Cleanup(func() { syscall.Unmount(ro, syscall.MNT_DETACH) })
	default: // root may write everywhere
		t.Log("no tmpfs here: a read-only directory is not tried")
		cases = cases[:4]
	}
	for _, c := range cases {
		var got check.Result
		Check(t.Context(), Options{Dir: c.where}, check.NewReport(0, func(r check.Result) { got = r }))
		if got.Kind != c.kind || !strings.Contains(got.Detail+got.Error, c.said) || got.Passed != (c.kind == "") {
			t.Errorf("%s: %+v", c.where, got)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".elt*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
		t.Error("the check made the directory")
	}
}
