package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// session runs statements on one connection; values travel as text.
type session struct{ conn *pgconn.PgConn }

// exec runs statements without parameters.
func (s session) exec(ctx context.Context, sql string) error {
	return s.conn.Exec(ctx, sql).Close()
}

// query runs one statement and returns its rows; a NULL is "".
func (s session) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	rows, _, err := s.run(ctx, sql, args)
	return rows, err
}

// affected runs one statement and returns how many rows it touched.
func (s session) affected(ctx context.Context, sql string, args ...string) (int64, error) {
	_, tag, err := s.run(ctx, sql, args)
	return tag.RowsAffected(), err
}

func (s session) run(ctx context.Context, sql string, args []string) ([][]string, pgconn.CommandTag, error) {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	r := s.conn.ExecParams(ctx, sql, params, nil, nil, nil)
	var rows [][]string
	for r.NextRow() {
		line := make([]string, len(r.Values()))
		for i, v := range r.Values() {
			line[i] = string(v)
		}
		rows = append(rows, line)
	}
	tag, err := r.Close()
	return rows, tag, err
}

// attempt runs statements within a savepoint: on an error the transaction
// goes on as if they had not been tried.
func (s session) attempt(ctx context.Context, sql string) error {
	err := s.exec(ctx, "savepoint elt; "+sql+"; release savepoint elt")
	if err != nil && s.conn.TxStatus() == 'E' {
		if back := s.exec(ctx, "rollback to savepoint elt; release savepoint elt"); back != nil {
			return back
		}
	}
	return err
}

// tried runs one statement within a savepoint, as attempt does, and returns
// how many rows it touched.
func (s session) tried(ctx context.Context, sql string) (int64, error) {
	if err := s.exec(ctx, "savepoint elt"); err != nil {
		return 0, err
	}
	touched, err := s.affected(ctx, sql)
	after := "release savepoint elt"
	if err != nil {
		if s.conn.TxStatus() != 'E' {
			return 0, err
		}
		after = "rollback to savepoint elt; " + after
	}
	if failed := s.exec(ctx, after); failed != nil {
		return 0, failed
	}
	return touched, err
}

func num(v int64) string { return strconv.FormatInt(v, 10) }

// digest is a short name for something long.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// shortly is a context for what must be tried even when the run was cancelled.
func shortly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 5*time.Second)
}
