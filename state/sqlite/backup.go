package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// backup is the name of the daily backup.
func (f file) backup() string { return f.path + ".backup" }

// maxBackup is up to which size a store is backed up daily: beyond it, that
// would take longer than a user waits for.
const maxBackup = 64 << 20

// daily renews the backup when it is older than a day.
func (f file) daily(db *sql.DB) error {
	now := f.clock()
	if info, err := os.Stat(f.backup()); err == nil && now.Sub(info.ModTime()) < 24*time.Hour {
		return nil
	}
	info, err := os.Stat(f.path)
	if err != nil || info.Size() > maxBackup {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var known bool
	if err := db.QueryRowContext(ctx, `select exists (select 1 from elt_bookmarks)`).Scan(&known); err != nil || !known {
		return err
	}
	return f.save(ctx, db, f.backup())
}

// save writes a copy that is whole or not there.
func (f file) save(ctx context.Context, db *sql.DB, to string) error {
	temp := fmt.Sprintf("%s.%d.tmp", to, os.Getpid())
	defer os.Remove(temp)
	os.Remove(temp) // of a process that died
	if _, err := db.ExecContext(ctx, `vacuum into ?`, temp); err != nil {
		return fmt.Errorf("back up the state store to %s: %w", to, err)
	}
	if err := os.Chmod(temp, 0o600); err != nil {
		return err
	}
	if err := syncFile(temp); err != nil { // VACUUM INTO does not
		return err
	}
	if err := os.Rename(temp, to); err != nil {
		return err
	}
	return syncFile(filepath.Dir(to))
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
