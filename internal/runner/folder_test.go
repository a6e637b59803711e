package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"

	"elt/internal/fault"
)

// What elt invoke writes is swept, too: its process holds the lock itself.
func TestHeld(t *testing.T) {
	root := t.TempDir()
	f, err := newFolder(root, "alone")
	must(t, err)
	release, err := f.held()
	must(t, err)
	if _, err := f.held(); err == nil {
		t.Error("locked twice")
	}
	must(t, sweep(root, time.Now()))
	if _, err := os.Stat(f.path); err != nil {
		t.Error("swept while it was held")
	}
	must(t, release())
	must(t, sweep(root, time.Now()))
	if _, err := os.Stat(f.path); err == nil {
		t.Error("not swept")
	}
}

// Invariant 10: what a run that was killed left behind is swept; what a
// living one has stays.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	make := func(id string, lock bool, age time.Duration) *folder {
		f, err := newFolder(root, id)
		must(t, err)
		if id != "starting" {
			_, err = f.write("tap.config.json", []byte("{}"))
			must(t, err)
		}
		if lock {
			_, err = f.write(lockName, nil)
			must(t, err)
		}
		at := time.Now().Add(-age)
		must(t, os.Chtimes(f.path, at, at))
		return f
	}
	dead := make("dead", true, 0)
	noGuard := make("guard is done", false, 0)
	starting := make("starting", false, 0)
	alive := make("alive", true, time.Hour)
	guard := flock.New(alive.lock())
	if ok, err := guard.TryLock(); !ok || err != nil {
		t.Fatal(err)
	}
	defer guard.Unlock()
	must(t, sweep(root, time.Now()))
	must(t, sweep(filepath.Join(root, "nosuch"), time.Now()))
	for f, want := range map[*folder]bool{dead: false, noGuard: false, starting: true, alive: true} {
		if _, err := os.Stat(f.path); (err == nil) != want {
			t.Errorf("%s is there: %v", f.path, err == nil)
		}
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	root := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(root, nil, 0o644))
	_, err := newFolder(root, "x")
	if fault.CodeOf(err) != fault.Failed {
		t.Fatal(err)
	}
	contains(t, "the error", fault.Render(err), root, "must be writable", "MELTANO_SYS_DIR_ROOT")
}

func TestWriteFollowsNothingThatIsThere(t *testing.T) {
	f, err := newFolder(t.TempDir(), "x")
	must(t, err)
	must(t, os.Symlink("/etc/hostname", filepath.Join(f.path, "tap.config.json")))
	if _, err := f.write("tap.config.json", []byte("secret")); err == nil {
		t.Error("wrote through a link")
	}
}

func TestPathName(t *testing.T) {
	for id, want := range map[string]string{
		"dev:tap-a-to-b:x": "dev:tap-a-to-b:x", "../../etc": "%2E./..%2Fetc", "a/b": "a%2Fb", "a%2Fb": "a%252Fb", "ü": "%C3%BC", "": "",
	} {
		if id == "../../etc" {
			if got := pathName(id); strings.Contains(got, "/") || strings.HasPrefix(got, ".") {
				t.Error(got)
			}
			continue
		}
		if got := pathName(id); got != want {
			t.Errorf("%q is %q", id, got)
		}
	}
}

func TestSpeech(t *testing.T) {
	var out bytes.Buffer
	say := speaker(zerolog.New(&out))
	for _, line := range []string{
		"plain words", "WARNING something", "2024-01-01 12:00:00 | ERROR    | tap | no", "no errors found",
		`{"level":"warning","message":"from the SDK","stream_name":"users"}`, `{"not":"a log line"}`, "",
		`{"level":"error","message":"it broke","exception":{"type":"KeyError","message":"'id'","traceback":[]}}`,
		`{"level":"info","message":"METRIC","metric_info":{"type":"counter","value":3}}`,
		`INFO METRIC: {"type":"counter"}`,
	} {
		say([]byte(line))
	}
	want := `{"level":"info","message":"plain words"}
{"level":"warn","message":"something"}
{"level":"error","message":"2024-01-01 12:00:00 | ERROR    | tap | no"}
{"level":"info","message":"no errors found"}
{"level":"warn","stream":"users","message":"from the SDK"}
{"level":"info","message":"{\"not\":\"a log line\"}"}
{"level":"error","error":"KeyError: 'id'","message":"it broke"}
{"level":"debug","metric":{"type":"counter","value":3},"message":"METRIC"}
{"level":"debug","message":"METRIC: {\"type\":\"counter\"}"}
`
	if out.String() != want {
		t.Errorf("got\n%s", &out)
	}
}
