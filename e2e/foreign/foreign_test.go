// Package foreign runs elt beside other people's plugins from PyPI, and other
// people's test streams through our targets. The packages are installed once
// into a cache ($ELT_E2E_CACHE, else the user's cache folder), one venv per
// list of requirements; without a package index the tests skip and say so,
// and fail under CI.
package foreign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "elt/cmd" // so that go test runs anew when the binary has changed
	"elt/internal/pgtest"
)

var elt string // the binary under test

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "elt-foreign-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	elt = filepath.Join(dir, "elt")
	build := exec.Command("go", "build", "-o", elt, "elt")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building elt: %v\n%s", err, out)
		return 1
	}
	return pgtest.Main(m)
}

var venvLock sync.Mutex

// venv is the bin folder of a venv with exactly these requirements.
func venv(t *testing.T, requirements ...string) string {
	t.Helper()
	venvLock.Lock()
	defer venvLock.Unlock()
	cache := os.Getenv("ELT_E2E_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(user, "elt-e2e")
	}
	sum := sha256.Sum256([]byte(strings.Join(requirements, "\n")))
	home := filepath.Join(cache, hex.EncodeToString(sum[:6]))
	done := filepath.Join(home, "installed")
	if _, err := os.Stat(done); err == nil {
		return filepath.Join(home, "bin")
	}
	os.RemoveAll(home)
	for _, argv := range [][]string{
		{"python3", "-m", "venv", home},
		append([]string{filepath.Join(home, "bin", "pip"), "install", "-q", "--disable-pip-version-check"}, requirements...),
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
			}
			t.Skipf("cannot install %v from the package index: %v", requirements, err)
		}
	}
	if err := os.WriteFile(done, []byte(strings.Join(requirements, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(home, "bin")
}

// packaged is a file inside an installed Python package.
func packaged(t *testing.T, bin, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(bin), "lib", "python3*", "site-packages", pattern))
	if len(found) == 0 {
		t.Fatalf("the installed packages hold no %s", pattern)
	}
	return found[0]
}

// result of one command.
type result struct {
	code           int
	stdout, stderr string
}

// lines are the non-empty lines of standard output.
func (r result) lines() []string {
	return strings.FieldsFunc(r.stdout, func(c rune) bool { return c == '\n' })
}

func command(t *testing.T, dir string, env []string, stdin []byte, argv ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, bytes.NewReader(stdin), &out, &errs
	cmd.Env = append(os.Environ(), env...)
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", strings.Join(argv, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// write stores a file of a project and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
