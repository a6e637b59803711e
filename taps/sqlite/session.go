package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-sqlite3"

	"elt/internal/fault"
)

// session is the connection with the one transaction in which a run reads.
type session struct {
	path   string
	conn   *sqlite3.SQLiteConn
	buffer []byte // of cursors
}

// open opens the files of the settings, none of which it makes or changes,
// and begins to read: every stream sees them as of now.
func open(ctx context.Context, s settings) (*session, error) {
	names := slices.Sorted(maps.Keys(s.Attach))
	for _, path := range append([]string{s.Database}, values(s.Attach, names)...) {
		switch info, err := os.Stat(path); {
		case err != nil:
			return nil, fault.Wrap(fault.BadConfig, err, "tap-sqlite: the database cannot be opened").WithKind(fault.KindPath).
				WithHint("look at the settings database and attach; a relative path begins at the project")
		case info.IsDir():
			return nil, fault.New(fault.BadConfig, "tap-sqlite: %s is a folder, not a database", path).WithKind(fault.KindPath)
		}
	}
	uri, err := s.uri(s.Database)
	if err != nil {
		return nil, err
	}
	c, err := (&sqlite3.SQLiteDriver{}).Open(uri)
	if err != nil {
		return nil, explain(s.Database, err)
	}
	ses := &session{path: s.Database, conn: c.(*sqlite3.SQLiteConn)}
	if err := ses.begin(ctx, s, names); err != nil {
		ses.close()
		return nil, err
	}
	return ses, nil
}

func (s *session) begin(ctx context.Context, set settings, names []string) error {
	for _, sql := range []string{fmt.Sprintf("pragma busy_timeout = %d", set.Busy*1000), "pragma query_only = on", "pragma cache_size = -8000"} {
		if err := s.exec(ctx, sql); err != nil {
			return explain(s.path, err)
		}
	}
	for _, name := range names {
		uri, err := set.uri(set.Attach[name])
		if err != nil {
			return err
		}
		if err := s.exec(ctx, "attach "+textLiteral([]byte(uri))+" as "+quote(name)); err != nil {
			return explain(set.Attach[name], err)
		}
	}
	if err := s.exec(ctx, "begin"); err != nil {
		return explain(s.path, err)
	}
	for _, name := range append([]string{"main"}, names...) { // the snapshot is taken at the first read
		path := s.path
		if name != "main" {
			path = set.Attach[name]
		}
		if _, err := s.query(ctx, "select count(*) from "+quote(name)+".sqlite_schema"); err != nil {
			return explain(path, err)
		}
	}
	return nil
}

// uri names a file to SQLite so that nothing is ever written.
func (s settings) uri(path string) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	query := "mode=ro"
	if s.Immutable {
		query += "&immutable=1"
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(full), RawQuery: query}
	return u.String(), nil
}

func (s *session) close() { s.conn.Close() } // with it the transaction ends

func (s *session) exec(ctx context.Context, sql string) error {
	_, err := s.conn.ExecContext(ctx, sql, nil)
	return err
}

// query runs a statement of discovery and returns its rows.
func (s *session) query(ctx context.Context, sql string, args ...string) (_ [][]driver.Value, err error) {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	rows, err := s.conn.QueryContext(ctx, sql, named)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all [][]driver.Value
	for {
		line := make([]driver.Value, len(rows.Columns()))
		switch err := rows.Next(line); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, line)
	}
}

// explain gives SQLite's refusal of a file a hint.
func explain(path string, err error) error {
	code := sqlite3.ErrNo(0)
	var ours *refusal
	var theirs sqlite3.Error
	switch {
	case errors.As(err, &ours):
		code = ours.code
	case errors.As(err, &theirs):
		code = theirs.Code
	}
	wrap := func(kind fault.Kind, hint string) error {
		return fault.Wrap(fault.Failed, err, "tap-sqlite: %s", path).WithKind(kind).WithHint("%s", hint)
	}
	switch code {
	case sqlite3.ErrNotADB:
		return wrap(fault.KindShape, "it is no SQLite database, or an encrypted one")
	case sqlite3.ErrCantOpen, sqlite3.ErrReadonly:
		return wrap(fault.KindPath, "may the file be read? One in WAL mode also needs its -wal and -shm files, which cannot be made in a folder that is read-only: immutable: true does without, if nobody writes meanwhile")
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return wrap(fault.KindConnect, "another program writes to it: raise busy_timeout, or let it use WAL mode, in which readers need not wait")
	case sqlite3.ErrCorrupt:
		return wrap(fault.KindShape, "the file is damaged: sqlite3 FILE 'pragma integrity_check' says where")
	}
	return err
}

func values(m map[string]string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = m[n]
	}
	return out
}

// quote is a name in SQL.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
