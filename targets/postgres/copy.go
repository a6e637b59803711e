package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

const (
	// copyBytes ends a COPY, so that the batches of rows not yet accepted can
	// be kept: one of them is named when the server refuses it.
	copyBytes = 4 << 20
	// frameBytes is the largest CopyData message: the server buffers it whole.
	frameBytes = 1 << 20
)

var copyHeader = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// copying is a COPY … FROM STDIN that is open on a connection. Bytes are
// written to the socket from where they lie; the server's answer is read at
// the end. An error before that makes the server swallow the rest.
type copying struct {
	conn   *pgconn.PgConn
	loader *loader
	direct bool // a key that comes twice is no error yet
	bytes  int
	lines  int
	sent   []sent
	iov    [2][]byte
	frame  [5]byte
}

// sent is a batch whose rows the server has not accepted yet.
type sent struct {
	batch *row.Batch
	first int // line of its first row
}

// start opens a COPY for a loader, ending another one's.
func (l *lane) startCopy(ctx context.Context, ld *loader, sql string) error {
	if l.copying != nil && l.copying.loader == ld {
		return nil
	}
	if err := l.finishCopy(ctx); err != nil {
		return err
	}
	direct := ld.direct && ld.stage == nil
	if ld.stage != nil && ld.first != "" {
		sql, ld.first = ld.first+"; "+sql, ""
	}
	if direct {
		sql = "savepoint " + directly + "; " + sql
	}
	if l.saved {
		sql = "release savepoint " + directly + "; " + sql
	}
	l.saved = direct
	l.conn.Frontend().SendQuery(&pgproto3.Query{String: sql})
	if err := l.conn.Frontend().Flush(); err != nil {
		return err
	}
	for {
		msg, err := l.conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *pgproto3.CopyInResponse:
			l.copying = &copying{conn: l.conn, loader: ld, direct: direct}
			return l.copying.write(ctx, copyHeader)
		case *pgproto3.ErrorResponse:
			refused := pgconn.ErrorResponseToPgError(m)
			for { // up to ReadyForQuery
				if msg, err = l.conn.ReceiveMessage(ctx); err != nil {
					return errors.Join(refused, err)
				}
				if _, ready := msg.(*pgproto3.ReadyForQuery); ready {
					return refused
				}
			}
		}
	}
}

// send gives rows to the open COPY; batch is released once they are accepted.
func (l *lane) send(ctx context.Context, batch *row.Batch, rows int, data []byte) error {
	c := l.copying
	c.sent = append(c.sent, sent{batch, c.lines + 1})
	c.lines += rows
	if err := c.write(ctx, data); err != nil {
		return err
	}
	if c.bytes >= copyBytes {
		return l.finishCopy(ctx)
	}
	return nil
}

func (c *copying) write(ctx context.Context, data []byte) error {
	socket := c.conn.Conn()
	stop := context.AfterFunc(ctx, func() { socket.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	for len(data) > 0 {
		n := min(len(data), frameBytes)
		c.frame[0] = 'd'
		binary.BigEndian.PutUint32(c.frame[1:], uint32(n+4))
		c.iov = [2][]byte{c.frame[:], data[:n]}
		buffers := net.Buffers(c.iov[:])
		if _, err := buffers.WriteTo(socket); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return c.lastWords(err)
		}
		data, c.bytes = data[n:], c.bytes+n
	}
	return nil
}

// lastWords is what the server said before it hung up, else err.
func (c *copying) lastWords(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for range 10 {
		msg, gone := c.conn.ReceiveMessage(ctx)
		if gone != nil {
			break
		}
		if m, ok := msg.(*pgproto3.ErrorResponse); ok {
			return errors.Join(pgconn.ErrorResponseToPgError(m), err)
		}
	}
	return err
}

// finishCopy ends the open COPY, if any, and waits for the server's verdict.
func (l *lane) finishCopy(ctx context.Context) error {
	c := l.copying
	if c == nil {
		return nil
	}
	l.copying = nil
	defer c.release()
	if err := c.write(ctx, []byte{0xff, 0xff}); err != nil {
		return err
	}
	l.conn.Frontend().Send(&pgproto3.CopyDone{})
	if err := l.conn.Frontend().Flush(); err != nil {
		return c.lastWords(err)
	}
	var refused *pgconn.PgError
	for {
		msg, err := l.conn.ReceiveMessage(ctx)
		if err != nil {
			if refused != nil {
				return c.name(refused)
			}
			return err
		}
		switch m := msg.(type) {
		case *pgproto3.ErrorResponse:
			refused = pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			switch {
			case refused != nil && c.direct && refused.Code == "23505":
				return l.fallBack(ctx, c)
			case refused != nil:
				return c.name(refused)
			}
			return nil
		}
	}
}

func (c *copying) release() {
	for _, s := range c.sent {
		s.batch.Release()
	}
	c.sent = nil
}

var contextLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^COPY .*, line (\d+)(?:, column (.+?))?(?::|$)`) })

// name says which row the server refused: by stream, key and column, and
// never by another value.
func (c *copying) name(refused *pgconn.PgError) error {
	stream, column, key := c.loader.schema.Stream, refused.ColumnName, ""
	first, _, _ := strings.Cut(refused.Where, "\n")
	if m := contextLine().FindStringSubmatch(first); m != nil {
		line, _ := strconv.Atoi(m[1])
		if m[2] != "" {
			column = m[2]
		}
		for i := len(c.sent) - 1; i >= 0; i-- {
			if c.sent[i].first <= line {
				key = sqltarget.KeyText(c.sent[i].batch, line-c.sent[i].first)
				break
			}
		}
	}
	return rowError(refused, stream, key, column)
}

const longKey = "is a value of the key too long for an index? load_method: append-only needs none"

// rowError is the user's text of a refusal.
func rowError(refused *pgconn.PgError, stream, key, column string) error {
	where := fmt.Sprintf("stream %q", stream)
	if key != "" {
		where += ", row with key " + key
	}
	if column != "" {
		where += fmt.Sprintf(", column %q", column)
	}
	e := fault.Wrap(fault.BadInput, &refusal{refused, beforeValue(refused.Message)}, "%s: PostgreSQL refused the row", where)
	switch refused.Code {
	case "23502":
		if slices.Contains(strings.Split(key, ", "), column+"=NULL") {
			return fault.New(fault.BadInput, "stream %q: key property %q of a record is null", stream, column).WithHint("every record needs its whole key")
		}
		return e.WithHint("the table demands a value in column %q, which the stream does not bring: drop the column's NOT NULL or give it a default", column)
	case "54000":
		return e.WithHint(longKey)
	case "23505":
		return e.WithHint("the table has a unique constraint that the stream's rows do not keep; is its key right?")
	}
	return e
}

// beforeValue cuts a server's message where it shows the value.
func beforeValue(message string) string {
	before, _, _ := strings.Cut(message, `: "`)
	return before
}

// refusal hides the values in a server's message.
type refusal struct {
	err  *pgconn.PgError
	text string
}

func (r *refusal) Error() string { return r.text + " (SQLSTATE " + r.err.Code + ")" }
func (r *refusal) Unwrap() error { return r.err }
