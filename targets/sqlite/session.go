package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// session runs statements on the one connection there is.
type session struct {
	path string
	conn *sqlite3.SQLiteConn
}

// Pages that SQLite keeps in memory, in KB: enough to append, and more for
// rows whose keys have to be found.
const (
	cacheSmall = "pragma cache_size = -4000"
	cacheLarge = "pragma cache_size = -8000"
)

// open opens or creates the file and makes sure that it can be written.
func open(ctx context.Context, path string, busySeconds int) (*session, error) {
	s, err := attach(ctx, path, busySeconds)
	return s, explain(path, err)
}

func attach(ctx context.Context, path string, busySeconds int) (*session, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(full)}
	c, err := (&sqlite3.SQLiteDriver{}).Open(name.String())
	if err != nil {
		return nil, err
	}
	s := &session{path, c.(*sqlite3.SQLiteConn)}
	for _, pragma := range []string{
		fmt.Sprintf("pragma busy_timeout = %d", busySeconds*1000),
		"pragma journal_mode = wal",
		"pragma synchronous = full", // a power cut loses no commit (invariant 1)
		"pragma foreign_keys = off",
		"pragma legacy_alter_table = on", // renaming must not rewrite others' views
		cacheSmall,
		"begin immediate",
		"rollback",
	} {
		if err := s.exec(ctx, pragma); err != nil {
			s.conn.Close()
			return nil, err
		}
	}
	return s, nil
}

// exec runs statements; a parameter is a string or an int64.
func (s *session) exec(ctx context.Context, sql string, args ...any) error {
	_, err := s.conn.ExecContext(ctx, numbered(sql, args), named(args))
	return err
}

// query runs one statement and returns its rows.
func (s *session) query(ctx context.Context, sql string, args ...any) (_ [][]driver.Value, err error) {
	rows, err := s.conn.QueryContext(ctx, numbered(sql, args), named(args))
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

// numbered writes parameters as SQLite numbers them: $1 would be a name.
func numbered(sql string, args []any) string {
	if len(args) == 0 {
		return sql
	}
	return strings.ReplaceAll(sql, "$", "?")
}

func named(args []any) []driver.NamedValue {
	values := make([]driver.NamedValue, len(args))
	for i, a := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return values
}

// text is a value of a query as text.
func text(v driver.Value) string {
	switch x := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(x)
	}
	return fmt.Sprint(v)
}

// micros is now in µs since 2000-01-01 UTC.
func micros() int64 { return time.Now().UnixMicro() - 946684800_000_000 }
