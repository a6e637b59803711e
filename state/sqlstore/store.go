// Package sqlstore is the state store over database/sql, which state/sqlite
// and state/postgres open: the same tables, the same statements, and a
// Dialect for the few things in which the databases differ.
//
// Every write is one transaction. A write on behalf of a run first takes the
// run's lease row at the run's epoch; where that row is gone the transaction
// writes nothing and fails with state.ErrFenced (invariant 6).
package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"elt/state"
)

// Dialect is how databases differ.
type Dialect struct {
	// ForUpdate locks the selected row until the transaction ends, where the
	// transaction alone does not.
	ForUpdate string
	// SkipLocked does, and leaves out rows that another transaction has locked.
	SkipLocked string
	// Alone makes a transaction wait for any other that says it, where writing
	// transactions do not wait for each other anyway.
	Alone string
	// Notify wakes who listens, when the transaction is committed; "": nobody.
	Notify string
	// Listen calls wake at each Notify until the context ends; nil: never.
	Listen func(ctx context.Context, wake func())
	// Parameter is what stands before a parameter's number: "$" or "?".
	Parameter string
	// Now is the database's time (invariant 6).
	Now func(context.Context, Queryer) (time.Time, error)
	// Lost says that an error is a connection that broke; nil: none ever does.
	Lost func(error) bool
	// Refused says that the server ended the connection instead of committing;
	// after any other broken COMMIT nobody knows. nil: never.
	Refused func(error) bool
	// Explain turns a driver's error into one that a user understands.
	Explain func(error) error
}

// Queryer is sql.DB or sql.Tx.
type Queryer interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// Store is an open store.
type Store struct {
	db      *sql.DB
	uri     string
	dialect Dialect
	keep    int
}

var _ state.Store = (*Store)(nil)

// Keep is how many revisions of a bookmark are kept unless told otherwise.
const Keep = 100

// New is a store over a migrated database; keep 0 is Keep.
func New(db *sql.DB, uri string, d Dialect, keep int) *Store {
	if keep <= 0 {
		keep = Keep
	}
	return &Store{db: db, uri: uri, dialect: d, keep: keep}
}

// URI names the store without secrets.
func (s *Store) URI() string { return s.uri }

// DB is the database below, for what other programs keep in it.
func (s *Store) DB() *sql.DB { return s.db }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// write runs f in a transaction, with the database's time. When the
// connection breaks before the commit nothing was done, and it is run again.
func (s *Store) write(ctx context.Context, f func(tx conn, now time.Time) error) error {
	return s.explain(s.again(ctx, func() (retry bool, err error) {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return true, err
		}
		defer tx.Rollback()
		now, err := s.dialect.Now(ctx, tx)
		if err == nil {
			err = f(conn{to: tx, parameter: s.dialect.Parameter}, now.UTC().Truncate(time.Microsecond))
		}
		if err != nil {
			return true, err
		}
		err = tx.Commit()
		return err != nil && s.dialect.Refused != nil && s.dialect.Refused(err), err
	}))
}

// tries is how often a statement is tried whose connection breaks; the first
// connections after that may be broken ones of the pool too.
const tries = 6

// again does something until it does not fail by a broken connection.
func (s *Store) again(ctx context.Context, do func() (retry bool, err error)) error {
	for try := 1; ; try++ {
		retry, err := do()
		if err == nil || !retry || try == tries || ctx.Err() != nil || s.dialect.Lost == nil || !s.dialect.Lost(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond << try):
		}
	}
}

// read runs f outside of a transaction, with the database's time.
func (s *Store) read(ctx context.Context, f func(tx conn, now time.Time) error) error {
	now, err := s.dialect.Now(ctx, s.db)
	if err == nil {
		err = f(s.conn(s.db), now.UTC())
	}
	return s.explain(err)
}

func (s *Store) explain(err error) error {
	if err == nil {
		return nil
	}
	for _, own := range []error{state.ErrFenced, state.ErrNotFound, state.ErrEnded, state.ErrTaken, state.ErrEdited} {
		if errors.Is(err, own) {
			return err
		}
	}
	var held *state.HeldError
	if errors.As(err, &held) {
		return err
	}
	return s.dialect.Explain(err)
}

// conn runs statements, written with $1, $2 …, in a transaction or outside.
type conn struct {
	to        statements
	parameter string
	// again, of what is outside of a transaction, tries reading anew.
	again func(ctx context.Context, do func() (bool, error)) error
}

// statements is sql.DB or sql.Tx.
type statements interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	Queryer
}

func (s *Store) conn(to *sql.DB) conn { return conn{to, s.dialect.Parameter, s.again} }

func (c conn) text(query string) string { return strings.ReplaceAll(query, "$", c.parameter) }

func (c conn) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return c.to.ExecContext(ctx, c.text(query), args...)
}

func (c conn) rows(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	if c.again == nil {
		return c.to.QueryContext(ctx, c.text(query), args...)
	}
	err = c.again(ctx, func() (bool, error) {
		rows, err = c.to.QueryContext(ctx, c.text(query), args...)
		return true, err
	})
	return rows, err
}

func (c conn) row(ctx context.Context, query string, args ...any) row {
	if c.again == nil {
		return c.to.QueryRowContext(ctx, c.text(query), args...)
	}
	return oneRow(func(to ...any) error {
		return c.again(ctx, func() (bool, error) { return true, c.to.QueryRowContext(ctx, c.text(query), args...).Scan(to...) })
	})
}

// oneRow is a row that is asked for when it is read.
type oneRow func(to ...any) error

func (r oneRow) Scan(to ...any) error { return r(to...) }

// query runs a statement and hands each row to scan.
func (s *Store) query(ctx context.Context, scan func(row) error, query string, args ...any) error {
	rows, err := s.conn(s.db).rows(ctx, query, args...)
	if err != nil {
		return s.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return s.explain(err)
		}
	}
	return s.explain(rows.Err())
}

// row is sql.Row or sql.Rows.
type row interface{ Scan(...any) error }

// rawJSON stores and reads a JSON value as text; nil is NULL.
type rawJSON struct{ to *json.RawMessage }

func (r rawJSON) Scan(v any) error {
	switch x := v.(type) {
	case nil:
		*r.to = nil
	case string:
		*r.to = json.RawMessage(x)
	case []byte:
		*r.to = append(json.RawMessage(nil), x...)
	default:
		return errors.New("a JSON value is kept as something else than text")
	}
	return nil
}

func jsonText(v json.RawMessage) any {
	if v == nil {
		return nil
	}
	return string(v)
}

// changed says whether a statement met a row.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
