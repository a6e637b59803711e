package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/spec"
)

// Check implements targets.Checker.
func (target) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	set, err := decode(cfg)
	if report.Add("settings", "", err); err != nil {
		return
	}
	report.Do(ctx, "write", func(ctx context.Context) (string, error) {
		if _, err := os.Stat(set.Database); !errors.Is(err, fs.ErrNotExist) {
			return set.Database, explain(set.Database, rehearse(ctx, set.Database))
		}
		// A stand-in beside it, because the file itself might come into
		// being meanwhile, and must not be removed then.
		beside := filepath.Join(filepath.Dir(set.Database), fmt.Sprintf(".elt-check-%d.db", os.Getpid()))
		f, err := os.OpenFile(beside, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return "", fault.Wrap(fault.Failed, err, "target-sqlite: %s cannot be made", set.Database).
				WithHint("its folder must exist and be writable")
		}
		f.Close()
		defer func() {
			for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
				os.Remove(beside + suffix)
			}
		}()
		return set.Database + ", which will be made", explain(set.Database, rehearse(ctx, beside))
	})
}

// rehearse makes a table in a transaction that is rolled back. It does not
// wait long for another writer.
func rehearse(ctx context.Context, path string) error {
	s, err := attach(ctx, path, 1)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	for _, statement := range []string{"begin immediate", "create table _elt_check (id integer)", "insert into _elt_check values (1)", "rollback"} {
		if err := s.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
