package daemon

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/pgtest"
	"elt/state/statetest"
)

// Two releases work on one store at the same time: before the newer one has
// migrated it and afterwards, also while runs go on. The newer one is built
// from this tree with one more migration.
func TestTwoReleases(t *testing.T) {
	if !long() {
		t.Skip("a second elt is built and linked for this: ELT_TEST_LONG=1 does it")
	}
	next := buildNext(t)
	uri := pgtest.URL(t)
	w := onPostgres(t, "", uri, uri)
	newer := *w
	newer.program = next
	w.daemon("--workers", "2")
	newer.daemon("--workers", "2")
	w.ask(8, nil)
	w.bothWorked(8)

	w.write("hang", "")
	w.ask(4, nil)
	w.begun(12)
	out, err := w.command(next, "store", "migrate").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "is migrated from schema") {
		t.Fatalf("%v\n%s", err, out)
	}
	w.remove("hang")
	w.bothWorked(12)
	w.ask(8, nil)
	w.bothWorked(20)
	for _, program := range []string{elt, next} {
		for _, args := range [][]string{{"run", "load"}, {"store", "migrate"}} {
			if out, err := w.command(program, args...).CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v\n%s", filepath.Base(program), args, err, out)
			}
		}
	}
}

// command is a command of a release.
func (w *world) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(program, append([]string{"--cwd", w.dir}, args...)...)
	c.Env = append(os.Environ(), "BEGUN=/dev/null")
	c.Env = append(c.Env, w.env...)
	return c
}

// bothWorked waits until n runs have succeeded, and wants each daemon to have
// had a share.
func (w *world) bothWorked(n int) {
	w.t.Helper()
	share := map[string]int{}
	for _, e := range w.all(n) {
		share[e.Worker]++
	}
	if len(share) != 2 {
		w.t.Errorf("shares of the workers: %v", share)
	}
	w.t.Logf("%d runs, by worker: %v", n, share)
}

// buildNext builds the release to come.
func buildNext(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for _, store := range []string{"postgres", "sqlite"} {
		migrations, err := filepath.Abs(filepath.Join("../../state", store, "migrations"))
		if err != nil {
			t.Fatal(err)
		}
		ahead := statetest.Ahead(t, os.DirFS(migrations), 1)
		names, err := fs.Glob(ahead, "*_to_come.sql")
		if err != nil || len(names) != 1 {
			t.Fatalf("%v %v", names, err)
		}
		text, err := fs.ReadFile(ahead, names[0])
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dir, store+".sql")
		if err := os.WriteFile(at, text, 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(migrations, names[0])] = at
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	at, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "elt-next")
	if err := os.WriteFile(at, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", at, "-o", program, "elt").CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("building the next release: %w\n%s", err, out))
	}
	return program
}
