package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

func (s session) run(ctx context.Context, sql string, args []string) ([][]string, pgconn.CommandTag, error) {
	return readAll(s.conn.ExecParams(ctx, sql, params(args), nil, nil, nil))
}

func params(args []string) [][]byte {
	out := make([][]byte, len(args))
	for i, a := range args {
		out[i] = []byte(a)
	}
	return out
}

func readAll(r *pgconn.ResultReader) ([][]string, pgconn.CommandTag, error) {
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

// statement is one statement with the values of its parameters.
type statement struct {
	sql  string
	args []string
}

func stmt(sql string, args ...string) statement { return statement{sql, args} }

// answer is what came of a statement.
type answer struct {
	rows    [][]string
	touched int64
}

// batch runs statements in one round trip. With an error there are the answers
// of the statements before it; none behind it was run.
func (s session) batch(ctx context.Context, list ...statement) (answers []answer, err error) {
	p := s.conn.StartPipeline(ctx)
	for _, st := range list {
		p.SendQueryParams(st.sql, params(st.args), nil, nil, nil)
	}
	err = p.Sync()
	for len(answers) < len(list) && err == nil {
		var got any
		if got, err = p.GetResults(); err != nil {
			break
		}
		r, ok := got.(*pgconn.ResultReader)
		if !ok {
			err = fmt.Errorf("statement %d of %d has no result", len(answers)+1, len(list))
			break
		}
		var a answer
		var tag pgconn.CommandTag
		if a.rows, tag, err = readAll(r); err == nil {
			a.touched = tag.RowsAffected()
			answers = append(answers, a)
		}
	}
	if closed := p.Close(); err == nil {
		err = closed
	}
	return answers, err
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
	answers, err := s.batch(ctx, stmt("savepoint elt"), stmt(sql), stmt("release savepoint elt"))
	if err == nil {
		return answers[1].touched, nil
	}
	if s.conn.TxStatus() == 'E' {
		if back := s.exec(ctx, "rollback to savepoint elt; release savepoint elt"); back != nil {
			return 0, back
		}
	}
	return 0, err
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
