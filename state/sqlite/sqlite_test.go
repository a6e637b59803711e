package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/state"
	"elt/state/statetest"
)

// clock is a time that tests move.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func TestSuite(t *testing.T) {
	var mu sync.Mutex
	dirs, clocks := map[string]string{}, map[string]*clock{}
	statetest.Run(t, statetest.Subject{
		Open: func(t *testing.T, place string) state.Store {
			mu.Lock()
			if dirs[place] == "" {
				dirs[place], clocks[place] = t.TempDir(), &clock{}
			}
			o := Options{Path: filepath.Join(dirs[place], "elt.db"), Keep: statetest.Keep, Clock: clocks[place].now}
			mu.Unlock()
			s, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		},
		Advance: func(t *testing.T, place string, d time.Duration) {
			c := clocks[place]
			c.mu.Lock()
			defer c.mu.Unlock()
			c.ahead += d
		},
	})
}

func mustOpen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fill(t testing.TB, path string) {
	t.Helper()
	s := mustOpen(t, path)
	for i := range 30 {
		if err := s.EditBookmark(t.Context(), fmt.Sprint("id", i), "set", []byte(`{"bookmarks":{"users":{"last":"2024-01-01"}}}`), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func code(err error) fault.Code {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return -1
}

func TestDurableSettings(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "a b", "elt?#%.db"))
	defer s.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		var got string
		if err := s.DB().QueryRow("pragma " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %s, %v", pragma, got, err)
		}
	}
	if info, err := os.Stat(s.file.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// Many processes make one store at the same time.
func TestOpenedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "elt.db")
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s, err := Open(t.Context(), Options{Path: path})
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

// Damage is refused with a pointer to the backup, or does not touch what is
// read; it never looks like an empty store.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "elt.db")
	fill(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var pages []int // that hold something: in those of empty tables most damage harms nothing
	for page := range len(good) / 4096 {
		if bytes.Count(good[page*4096:(page+1)*4096], []byte{0}) < 3900 {
			pages = append(pages, page)
		}
	}
	refused := 0
	for range 200 {
		bad := append([]byte(nil), good...)
		page := pages[rng.IntN(len(pages))]
		for range 40 {
			bad[page*4096+rng.IntN(4096)] ^= byte(1 + rng.IntN(255))
		}
		os.Remove(path + "-wal")
		os.Remove(path + "-shm")
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Options{Path: path})
		if err == nil {
			ids, err := s.BookmarkIDs(t.Context(), "")
			if err == nil && len(ids) != 30 {
				t.Fatalf("page %d: %d bookmarks left, and no word", page, len(ids))
			}
			s.DB().Close()
			continue
		}
		refused++
		if c := code(err); c != fault.StoreCorrupt && c != fault.StoreSchema {
			t.Fatalf("page %d: %v", page, err)
		}
		if code(err) == fault.StoreCorrupt && !strings.Contains(fault.Render(err), path+".backup") {
			t.Fatalf("no pointer to the backup: %s", fault.Render(err))
		}
	}
	if refused < 25 { // most pages of a young store are empty tables
		t.Fatalf("only %d of 200 damages were seen", refused)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Path: path}); code(err) != fault.StoreCorrupt {
		t.Fatalf("an emptied file: %v", err)
	}
	restored := filepath.Join(dir, "restored.db")
	backup, err := os.ReadFile(path + ".backup")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(restored, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, restored)
	defer s.Close()
	if ids, err := s.BookmarkIDs(t.Context(), ""); err != nil || len(ids) != 30 {
		t.Fatalf("the backup has %d, %v", len(ids), err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "elt.db")
	s := mustOpen(t, path)
	if _, err := s.DB().Exec(`insert into elt_schema (version_id, is_applied) values (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(t.Context(), Options{Path: path}); code(err) != fault.StoreSchema || !strings.Contains(err.Error(), "9999") {
		t.Fatalf("%v", err)
	}
}

// An older store is saved before it is migrated.
func TestBackupBeforeMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "elt.db")
	fill(t, path)
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f := file{path: path, warn: func(string) {}, clock: time.Now}
	if err := f.save(t.Context(), db, path+".schema1"); err != nil {
		t.Fatal(err)
	}
	saved := mustOpen(t, path+".schema1")
	defer saved.Close()
	if ids, err := saved.BookmarkIDs(t.Context(), ""); err != nil || len(ids) != 30 {
		t.Fatalf("%v, %v", ids, err)
	}
	if err := f.corrupt(errors.New("x")); !strings.Contains(fault.Render(err), ".schema1") {
		t.Fatal(fault.Render(err))
	}
}

func TestLostFileIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "elt.db")
	fill(t, path)
	os.Remove(path)
	var said string
	s, err := Open(t.Context(), Options{Path: path, Warn: func(text string) { said = text }})
	if err != nil || !strings.Contains(said, ".backup") {
		t.Fatalf("%v, %q", err, said)
	}
	s.Close()
}

func TestNetworkFileSystem(t *testing.T) {
	for magic, refused := range map[uint32]bool{0x6969: true, 0xff534d42: true, 0xfe534d42: true, 0xef53: false, 0x01021994: false} {
		if err := refuse("/x/elt.db", magic); (code(err) == fault.StoreAway) != refused {
			t.Errorf("%x: %v", magic, err)
		}
	}
}

func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(file, "elt.db"), "/proc/elt/elt.db"} {
		_, err := Open(t.Context(), Options{Path: path})
		if code(err) != fault.StoreAway || !strings.Contains(fault.Render(err), path) || !strings.Contains(fault.Render(err), "hint:") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// BenchmarkNoopRun is what a run without work asks of the store: open, take
// the lease, look, write the run record, close.
func BenchmarkNoopRun(b *testing.B) {
	path := filepath.Join(b.TempDir(), "elt.db")
	fill(b, path)
	ctx := context.Background()
	n := 0
	for b.Loop() {
		n++
		s := mustOpen(b, path)
		l, err := s.Acquire(ctx, "id1", state.Holder{RunID: fmt.Sprint("r", n)}, time.Minute, "")
		if err != nil {
			b.Fatal(err)
		}
		s.Bookmark(ctx, "id1")
		r := state.Run{ID: l.RunID, StateID: "id1", Status: state.Running, Started: time.Now()}
		if err := s.StartRun(ctx, r); err != nil {
			b.Fatal(err)
		}
		r.Status = state.Succeeded
		if err := s.FinishRun(ctx, r); err != nil {
			b.Fatal(err)
		}
		s.Release(ctx, l)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	dir, n := b.TempDir(), 0
	for b.Loop() {
		n++
		mustOpen(b, filepath.Join(dir, fmt.Sprint(n), "elt.db")).Close()
	}
}

// A big store is checked where runs depend on it, and opens as fast.
func TestBigStoreIsCheckedInPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "elt.db")
	fill(t, path)
	s := mustOpen(t, path)
	pad := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	for i := range 6 {
		if err := s.StartRun(t.Context(), state.Run{ID: fmt.Sprint(i), Status: state.Running, Detail: pad}); err != nil {
			t.Fatal(err)
		}
	}
	var root int64
	if err := s.DB().QueryRow(`select rootpage from sqlite_master where name = 'elt_bookmarks'`).Scan(&root); err != nil {
		t.Fatal(err)
	}
	s.Close()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := file.Stat(); info.Size() <= quickCheck {
		t.Fatalf("only %d bytes", info.Size())
	}
	file.WriteAt(make([]byte, 100), (root-1)*4096)
	file.Close()
	if _, err := Open(t.Context(), Options{Path: path}); code(err) != fault.StoreCorrupt {
		t.Fatalf("%v", err)
	}
}

// A store that the next release has migrated is as good as our own; one two
// releases ahead is refused.
func TestNewerSchema(t *testing.T) {
	now := schema()
	statetest.Additive(t, now.Files)
	path := filepath.Join(t.TempDir(), "elt.db")
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	next := now
	next.Files = statetest.Ahead(t, now.Files, 1)
	if err := next.Up(t.Context(), s.DB()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if s, err = Open(t.Context(), Options{Path: path}); err != nil {
		t.Fatal(err)
	}
	e := state.Execution{ID: "0198f6c2-0000-7000-8000-000000000001", Project: "p", Environment: "dev", Name: "x", Trigger: "api"}
	if _, _, err := s.Enqueue(t.Context(), e); err != nil {
		t.Error(err)
	}
	if got, err := s.Take(t.Context(), state.From{Worker: "w", Project: "p", Environment: "dev"}); err != nil || got.ID != e.ID {
		t.Errorf("%+v %v", got, err)
	}
	next.Files = statetest.Ahead(t, now.Files, 2)
	if err := next.Up(t.Context(), s.DB()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err = Open(t.Context(), Options{Path: path})
	if code(err) != fault.StoreSchema || !strings.Contains(err.Error(), fmt.Sprintf("has schema %d, this elt works up to %d", now.Newest()+2, now.Newest()+1)) {
		t.Errorf("two releases ahead: %v", err)
	}
}
