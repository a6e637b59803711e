// Package sqlite is the state store in one SQLite file: WAL, synchronous=FULL,
// for the processes of one machine. It is migrated when it is opened, after a
// backup; a damaged, newer or remote file is refused, and never replaced by an
// empty one.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
	"github.com/pressly/goose/v3"

	"elt/state/sqlstore"
)

//go:embed migrations/*.sql
var files embed.FS

func schema() sqlstore.Schema {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sqlstore.Schema{
		Dialect: goose.DialectSQLite3, Files: sub,
		Exists: `select count(*) > 0 from sqlite_master where type = 'table' and name = 'elt_schema'`,
	}
}

// Options say which file, and how.
type Options struct {
	Path string // its folder is made
	Keep int    // revisions of a bookmark that are kept; 0 is sqlstore.Keep
	// Clock is the time of leases; nil is time.Now. All processes of one file
	// share one machine, so its clock is the database's (invariant 6).
	Clock func() time.Time
	// Warn hears what a user should know; may be nil.
	Warn func(text string)

	before func(version int64) // hears the schema that was found
}

// Store is an open store.
type Store struct {
	*sqlstore.Store
	file file
}

// Open opens the store, makes or migrates it.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, err
	}
	if o.before == nil {
		o.before = func(int64) {}
	}
	f := file{path: path, warn: o.Warn, clock: o.Clock, before: o.before}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", f.dsn())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // one writer anyway, and no statement waits for a sibling's lock
	if err := f.ready(ctx, db); err != nil {
		db.Close()
		return nil, f.explain(err)
	}
	d := sqlstore.Dialect{
		Parameter: "?",
		Now:       func(context.Context, sqlstore.Queryer) (time.Time, error) { return o.Clock(), nil },
		Explain:   f.explain,
	}
	return &Store{sqlstore.New(db, f.uri(), d, o.Keep), f}, nil
}

// Migrate is Open, and says which schema the store had before and has now.
func Migrate(ctx context.Context, o Options) (uri string, from, to int64, err error) {
	o.before = func(version int64) { from = version }
	s, err := Open(ctx, o)
	if err != nil {
		return "", 0, 0, err
	}
	return s.URI(), from, max(from, schema().Newest()), s.Close()
}

// Close closes the file, after the day's backup.
func (s *Store) Close() error {
	err := s.file.daily(s.DB())
	return errors.Join(err, s.Store.Close())
}

// file is the database file and what is around it.
type file struct {
	path  string
	fresh bool // there was nothing before
	warn  func(string)
	clock func() time.Time

	before func(version int64)
}

func (f file) uri() string { return "sqlite:///" + f.path }

// dsn opens with a write lock from the first statement of each transaction:
// one that reads first and writes later could fail in between.
func (f file) dsn() string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: f.path}).EscapedPath()}
	return u.String() + "?_txlock=immediate&_busy_timeout=20000&_journal_mode=WAL&_synchronous=FULL"
}

// prepare makes the folder and the file, which only its owner may read:
// settings kept in the database may be secret.
func (f *file) prepare() error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return f.away(err, "the folder of the state store cannot be made")
	}
	if err := local(f.path); err != nil {
		return err
	}
	info, err := os.Stat(f.path)
	if err == nil && info.Size() > 0 {
		return nil
	}
	f.fresh = true
	if _, err := os.Stat(f.backup()); err == nil {
		if info != nil {
			return f.corrupt(errors.New("it is empty"))
		}
		f.warn(fmt.Sprintf("the state store %s is gone; a new one is made, although there is a backup, %s", f.path, f.backup()))
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return f.away(err, "the state store cannot be made")
	}
	return file.Close()
}

// ready checks the file and brings it to our schema.
func (f file) ready(ctx context.Context, db *sql.DB) error {
	if !f.fresh {
		if err := f.check(ctx, db); err != nil {
			return f.senseless(err)
		}
	}
	s := schema()
	version, err := s.Version(ctx, db)
	if err != nil {
		return f.senseless(err)
	}
	f.before(version)
	if !s.Understood(version) {
		return s.TooNew(f.uri(), version)
	}
	if version >= s.Newest() {
		return nil
	}
	return f.migrate(ctx, db, s)
}

// migrate lets one process at a time migrate, with a backup before.
func (f file) migrate(ctx context.Context, db *sql.DB, s sqlstore.Schema) error {
	lock := flock.New(f.path+".migrating", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return fmt.Errorf("wait for another migration of the state store: %w", err)
	}
	defer lock.Unlock()
	version, err := s.Version(ctx, db)
	if err != nil || version >= s.Newest() {
		return err
	}
	before := fmt.Sprintf("%s.schema%d", f.path, version)
	if version > 0 {
		if err := f.save(ctx, db, before); err != nil {
			return err
		}
	}
	if err := s.Up(ctx, db); err != nil {
		os.Remove(before) // a copy of what cannot be migrated is no backup
		return f.senseless(err)
	}
	return nil
}

// quickCheck is up to which size the whole file is checked when it is opened.
const quickCheck = 4 << 20

// check reads the file for damage; of a big one only what runs depend on.
func (f file) check(ctx context.Context, db *sql.DB) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	query := `pragma quick_check(1)`
	if info.Size() > quickCheck {
		query = `select quick_check from sqlite_master m, pragma_quick_check(m.name)
where m.type = 'table' and m.name in ('elt_bookmarks', 'elt_leases', 'elt_settings', 'elt_schema')`
	}
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var result string
		if err := rows.Scan(&result); err != nil {
			return err
		}
		if result != "ok" {
			return f.corrupt(errors.New(result))
		}
	}
	return rows.Err()
}
