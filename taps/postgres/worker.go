package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
)

// positionEvery is after how many rows an INCREMENTAL stream says how far it is.
const positionEvery = 10_000

// ahead is how many finished batches wait for the reader of the output.
const ahead = 2

// worker reads one stream after the other on its own connection.
type worker struct {
	dial func(context.Context) (*pgx.Conn, error)
	conn *pgx.Conn // nil: to be opened
	out  taps.Output
	pool *row.Pool
}

// piece is what the reading half hands to the writing half.
type piece struct {
	batch    *row.Batch     // nil: none
	position *taps.Position // after the batch
}

// sync reads one stream: a goroutine runs its COPY statements, the caller
// hands on, so that the server works while the output is busy.
func (w *worker) sync(ctx context.Context, p *plan) error {
	stream, err := w.out.Stream(ctx, p.schema)
	if err != nil {
		return err
	}
	defer stream.Close()
	if p.activate && p.firstTime {
		if err := stream.Activate(p.version); err != nil {
			return err
		}
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	pieces := make(chan piece, ahead)
	type end struct {
		position taps.Position
		err      error
	}
	ended := make(chan end, 1)
	go func() {
		defer close(pieces)
		position, err := w.read(reading, p, pieces)
		ended <- end{position, err}
	}()
	var failed error
	for next := range pieces {
		if failed != nil {
			if next.batch != nil {
				next.batch.Release()
			}
			continue
		}
		if failed = deliver(stream, next); failed != nil {
			stop()
		}
	}
	last := <-ended
	switch {
	case failed != nil:
		return failed
	case last.err != nil:
		return last.err
	}
	if err := stream.Position(last.position); err != nil {
		return err
	}
	if p.activate {
		if err := stream.Activate(p.version); err != nil {
			return err
		}
	}
	return stream.End()
}

func deliver(stream taps.Stream, next piece) error {
	if next.batch != nil {
		if next.batch.Len() == 0 {
			next.batch.Release()
		} else if err := stream.Write(next.batch); err != nil {
			return err
		}
	}
	if next.position != nil {
		return stream.Position(*next.position)
	}
	return nil
}

// read runs the statements of p in one snapshot: nothing that is committed
// meanwhile can slip in below the last key read.
func (w *worker) read(ctx context.Context, p *plan, pieces chan<- piece) (end taps.Position, err error) {
	if w.conn == nil {
		if w.conn, err = w.dial(ctx); err != nil {
			return end, err
		}
	}
	defer func() { w.settle(err) }()
	r := newReader(ctx, w, p, pieces)
	if p.method == singer.FullTable {
		err = r.whole(ctx)
	} else {
		err = r.incremental(ctx)
	}
	if err == nil {
		err = r.flush()
	}
	if err != nil {
		r.drop()
		return end, err
	}
	if r.begun {
		if err := w.exec(ctx, "commit"); err != nil {
			return end, err
		}
	}
	if r.keyed {
		return p.position(r.key, r.rows, false), nil
	}
	return p.position(nil, r.rows, false), nil
}

// settle leaves the connection fit for the next stream, or none.
func (w *worker) settle(err error) {
	switch {
	case err == nil:
		return
	case w.conn.IsClosed():
	default:
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if w.exec(ctx, "rollback") == nil {
			return
		}
	}
	w.close()
}

func (w *worker) close() {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	w.conn.Close(ctx)
	select { // pgconn's own goroutine cancels the statement and says good-bye
	case <-w.conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
	w.conn = nil
}

func (w *worker) exec(ctx context.Context, sql string) error {
	return w.conn.PgConn().Exec(ctx, sql).Close()
}

// explain gives the server's refusals a hint.
func explain(err error, p *plan) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	e := fault.New(fault.Failed, "PostgreSQL refuses to read %s: %s", p.table(), pg.Message)
	if pg.Detail != "" {
		e.Msg += " (" + pg.Detail + ")"
	}
	switch {
	case pg.Code == "42501":
		return e.WithHint("grant select on %s to the role that the tap logs in as, or deselect the stream", p.table())
	case pg.Code == "22021" || pg.Code == "22P05":
		return e.WithHint("a text of the table is not valid in the encoding of its database: repair it, or deselect its column")
	case pg.Code == "42883" && p.key != nil:
		return e.WithHint("%s has the type %s, which has no order: choose another replication key", p.key.name, p.key.sqlType)
	case len(pg.Code) == 5 && pg.Code[:2] == "22" && p.resumed:
		return e.WithHint("the bookmark %s may not fit the replication key %s of type %s; see elt state get", literal(p.from), p.key.name, p.key.sqlType)
	case pg.Code == "42601" && len(p.where) > 0:
		return e.WithHint("look at custom_where_clauses of this stream")
	}
	return fmt.Errorf("%w (SQLSTATE %s)", e, pg.Code)
}
