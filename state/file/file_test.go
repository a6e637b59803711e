package file

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
	"elt/state/sqlite"
	"elt/state/statetest"
)

type ahead struct {
	mu sync.Mutex
	by time.Duration
}

func (a *ahead) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Add(a.by)
}

func TestSuite(t *testing.T) {
	var mu sync.Mutex
	dirs, clocks := map[string]string{}, map[string]*ahead{}
	statetest.Run(t, statetest.Subject{
		Open: func(t *testing.T, place string) state.Store {
			mu.Lock()
			defer mu.Unlock()
			if dirs[place] == "" {
				dirs[place], clocks[place] = t.TempDir(), &ahead{}
			}
			return open(t, dirs[place], clocks[place].now)
		},
		Advance: func(_ *testing.T, place string, d time.Duration) {
			c := clocks[place]
			c.mu.Lock()
			defer c.mu.Unlock()
			c.by += d
		},
	})
}

func open(t *testing.T, dir string, clock func() time.Time) *Store {
	t.Helper()
	inner, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "elt.db"), Keep: statetest.Keep, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close() })
	return Wrap(inner, Options{Dir: filepath.Join(dir, "states"), LockTimeout: time.Minute, LockRetry: time.Millisecond})
}

func (s *Store) path(id string) string { return filepath.Join(s.o.Dir, id, "state.json") }

func (s *Store) put(t *testing.T, id, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(id)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(id), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) want(t *testing.T, id, completed, partial string, edit int64) {
	t.Helper()
	b, err := s.Bookmark(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !equal(b.Completed, json.RawMessage(completed)) || !equal(b.Partial, json.RawMessage(partial)) || b.Edit != edit {
		t.Fatalf("%s, %s, edit %d; want %s, %s, %d", b.Completed, b.Partial, b.Edit, completed, partial, edit)
	}
}

func TestLayoutIsMeltanos(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	l, err := s.Acquire(t.Context(), "dev:a-to-b", state.Holder{RunID: "r"}, time.Minute, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`{"completed":{"singer_state":{"n":1}},"partial":{}}`,
		`{"completed":{"singer_state":{"n":1}},"partial":{"singer_state":{"n":2}}}`,
	} {
		if err := s.Ack(t.Context(), l, []byte([]string{`{"n":1}`, `{"n":2}`}[i]), i == 1); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(s.path("dev:a-to-b"))
		if err != nil || !singer.EqualJSON(got, []byte(want)) {
			t.Fatalf("%s, %v; want %s", got, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(s.o.Dir, "dev:a-to-b", "lock")); !os.IsNotExist(err) {
		t.Fatalf("the lock stays: %v", err)
	}
	if err := s.EditBookmark(t.Context(), "dev:a-to-b", "clear", nil, nil); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(s.o.Dir); len(left) != 0 {
		t.Fatalf("after clear: %v", left)
	}
}

// What Meltano or a person wrote counts, as an edit: once.
func TestForeignEdit(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	s.put(t, "a", `{"completed":{"singer_state":{"n":1}},"partial":{}}`)
	s.want(t, "a", `{"n":1}`, ``, 1)
	s.want(t, "a", `{"n":1}`, ``, 1)
	s.put(t, "a", `{"partial":{"singer_state":{"n":1}}}`)
	s.want(t, "a", ``, `{"n":1}`, 2)
	os.Remove(s.path("a")) // no state, and no word of ours about it
	s.want(t, "a", ``, ``, 2)
}

// A crash between the store and the file is no edit; restoring an old file later is one.
func TestCrashInBetween(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	edit := func(value string) {
		if err := s.EditBookmark(t.Context(), "a", "set", json.RawMessage(value), nil); err != nil {
			t.Fatal(err)
		}
	}
	edit(`{"n":1}`)
	old, err := os.ReadFile(s.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	edit(`{"n":2}`)
	s.put(t, "a", string(old)) // by hand
	s.want(t, "a", `{"n":1}`, ``, 3)

	if err := s.PutSetting(t.Context(), replacing, "a", digest(old)); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.EditBookmark(t.Context(), "a", "run", json.RawMessage(`{"n":3}`), nil); err != nil { // and no file after it
		t.Fatal(err)
	}
	s.want(t, "a", `{"n":3}`, ``, 4)
}

func TestBrokenFileIsNamed(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	for _, text := range []string{``, `{`, `{"completed":{"x":1}}`, `{"completed":5}`} {
		s.put(t, "a", text)
		_, err := s.Bookmark(t.Context(), "a")
		if fault.CodeOf(err) != fault.StoreCorrupt || !strings.Contains(err.Error(), s.path("a")) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNoPathOutside(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	for _, id := range []string{"../x", "/etc", "a/../../b", "..", ".", "a\x00b", ""} {
		if err := s.EditBookmark(t.Context(), id, "set", []byte(`{"n":1}`), nil); fault.CodeOf(err) != fault.Usage {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// A lock of Meltano's is waited for, and is void after its time.
func TestLock(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	s.put(t, "a", `{}`)
	lock := filepath.Join(s.o.Dir, "a", "lock")
	if err := os.WriteFile(lock, []byte("9999999999.5"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.EditBookmark(ctx, "a", "set", []byte(`{"n":1}`), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	if err := os.WriteFile(lock, []byte("1700000000.1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.EditBookmark(t.Context(), "a", "set", []byte(`{"n":1}`), nil); err != nil {
		t.Fatal(err)
	}
	s.want(t, "a", `{"n":1}`, ``, 1)
}
