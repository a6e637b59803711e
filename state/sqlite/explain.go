package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sort"

	"github.com/mattn/go-sqlite3"

	"elt/internal/fault"
)

// explain turns SQLite's errors into ones that say what to do.
func (f file) explain(err error) error {
	var own *fault.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return f.corrupt(err)
	case sqlite3.ErrFull:
		return fault.Wrap(fault.StoreAway, err, "the state store %s cannot grow", f.path).
			WithHint("the disk or the quota is full; nothing of this change was stored")
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return fault.Wrap(fault.StoreAway, err, "the state store %s was locked by another program for too long", f.path).
			WithHint("find it with: fuser %s", f.path)
	case sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrPerm:
		return f.away(err, "the state store cannot be written")
	case sqlite3.ErrIoErr:
		return f.away(err, "the state store cannot be read or written")
	}
	return err
}

// senseless takes what SQLite cannot make sense of for damage: at opening we
// ask nothing that a whole file could not answer.
func (f file) senseless(err error) error {
	var e sqlite3.Error
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &e) && e.Code != sqlite3.ErrError && e.Code != sqlite3.ErrFormat {
		return f.explain(err)
	}
	return f.corrupt(err)
}

func (f file) away(err error, what string) error {
	return fault.Wrap(fault.StoreAway, err, "%s: %s", what, f.path).
		WithHint("elt needs to write into %s; or keep state in PostgreSQL (database_uri)", filepath.Dir(f.path))
}

// corrupt refuses a damaged store and points to its newest backup.
func (f file) corrupt(err error) error {
	var own *fault.Error
	if errors.As(err, &own) {
		return err
	}
	e := fault.Wrap(fault.StoreCorrupt, err, "the state store %s is damaged", f.path)
	backups, _ := filepath.Glob(f.path + ".schema*")
	backups = append(backups, f.backup())
	sort.Slice(backups, func(i, j int) bool { return age(backups[i]) > age(backups[j]) })
	if age(backups[0]) == 0 {
		return e.WithHint("there is no backup; move the file (and %s-wal) away to begin anew: bookmarks that destinations keep are taken from there", f.path)
	}
	return e.WithHint("its newest backup is %s; to go back to it: mv %s %s.damaged; rm -f %s-wal %s-shm; cp %s %s",
		backups[0], f.path, f.path, f.path, f.path, backups[0], f.path)
}

// age is a file's time of change as a number, 0 when it is not there.
func age(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}
