package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"elt/targets"
)

func TestNullKeyIsNamed(t *testing.T) {
	f := newFile(t)
	l := f.lane(f.sink(nil))
	err := f.stream(l, orders).Write(context.Background(), batch(orders, []any{nil, "a"}))
	if err == nil || err.Error() != `stream "orders": key property "id" of a record is null` {
		t.Error(err)
	}
}

func TestARefusedRowIsNamed(t *testing.T) {
	f := newFile(t)
	f.exec("create table orders (id int primary key, name text check (name <> 'secret'))")
	l := f.lane(f.sink(nil))
	err := f.stream(l, orders).Write(context.Background(), batch(orders, []any{1, "a"}, []any{7, "secret"}))
	if err == nil || !strings.Contains(err.Error(), `stream "orders", row with key id=7: SQLite refused the row: CHECK constraint failed`) {
		t.Error(err)
	}
	f.must(l.Close())
	f.want("select count(*) from orders", "0")
}

func TestFence(t *testing.T) {
	f := newFile(t)
	old := f.sink(nil)
	f.claim(old)
	f.claim(f.sink(nil))
	if _, err := f.lane(old).Stream(context.Background(), orders); !errors.Is(err, targets.ErrFenced) {
		t.Errorf("%v", err)
	}
}

func TestClaimWaitsForAnOpenTransaction(t *testing.T) {
	f := newFile(t)
	dead := f.sink(nil)
	f.claim(dead)
	l := f.lane(dead)
	f.must(f.stream(l, orders).Write(context.Background(), batch(orders, []any{1, "a"})))
	if _, err := f.open(map[string]any{"busy_timeout": 0}); err == nil || !strings.Contains(err.Error(), "is in use by another program that writes to it") {
		t.Errorf("%v", err)
	}
	committed := make(chan error)
	go func() { committed <- l.Commit(context.Background(), at(`{"v":1}`)) }()
	if found := f.claim(f.sink(nil)); string(found.Bookmarks.Raw()) != `{"v":1}` && <-committed == nil {
		t.Errorf("%s", found.Bookmarks.Raw())
	} else if len(found.Bookmarks.Raw()) > 0 {
		f.must(<-committed)
	}
}

func TestFileTroubles(t *testing.T) {
	dir := t.TempDir()
	f := &file{t, filepath.Join(dir, "missing", "x")}
	if _, err := f.open(nil); err == nil || !strings.Contains(err.Error(), filepath.Join("missing", "x.db")+" cannot be opened") {
		t.Errorf("missing folder: %v", err)
	}
	f.path = filepath.Join(dir, "text.db")
	f.must(os.WriteFile(f.path, []byte(strings.Repeat("no database ", 1000)), 0o644))
	if _, err := f.open(nil); err == nil || !strings.Contains(err.Error(), "text.db is no SQLite database") {
		t.Errorf("no database: %v", err)
	}
	if os.Geteuid() == 0 { // root may write anywhere: ask the kernel instead
		ro := filepath.Join(dir, "ro")
		f.must(os.Mkdir(ro, 0o755))
		if err := syscall.Mount("tmpfs", ro, "tmpfs", 0, "size=1m"); err != nil {
			t.Logf("no tmpfs here, read-only and full file systems are not tried: %v", err)
			return
		}
		t.Cleanup(func() { syscall.Unmount(ro, syscall.MNT_DETACH) })
		f.path = filepath.Join(ro, "x.db")
		full := f.sink(nil)
		l := f.lane(full)
		ld := f.stream(l, orders)
		var err error
		for i := 0; err == nil && i < 1000; i++ {
			if err = ld.Write(context.Background(), batch(orders, []any{i, strings.Repeat("x", 10000)})); err == nil {
				err = l.Commit(context.Background(), targets.Commit{})
			}
		}
		if err == nil || !strings.Contains(err.Error(), "no space is left for "+f.path) {
			t.Errorf("full: %v", err)
		}
		f.must(full.Abort())
		f.must(syscall.Mount("", ro, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		f.path = filepath.Join(ro, "new.db")
		if _, err := f.open(nil); err == nil || !strings.Contains(err.Error(), "new.db cannot be opened") {
			t.Errorf("read-only: %v", err)
		}
	}
}
