package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const epoch = 946684800_000_000 // 2000-01-01 in Unix microseconds

// statusEvery is how often the server hears of us, or more often where it
// cuts the connection soon: after wal_sender_timeout, by default a minute,
// without a word.
const statusEvery = 5 * time.Second

// patience is how long the server is waited for when the stream is ended.
const patience = 5 * time.Second

// Conn is a connection on which a slot sends its changes.
type Conn struct {
	net      net.Conn
	frontend *pgproto3.Frontend
	inbox    *inbox
	decoder  Decoder
	confirm  atomic.Uint64 // the LSN up to which the server may forget
	received atomic.Uint64
	answer   chan struct{} // the server wants a status now
	question chan struct{} // so does the consumer, with an answer
	stop     chan struct{}
	work     sync.WaitGroup
	finished chan struct{} // the socket's reader is done
}

// Snapshot is what CreateSlot made: a view of the database in which exactly
// the transactions show that the slot, starting at LSN, does not send.
type Snapshot struct {
	Name string
	LSN  LSN
}

// CreateSlot makes a logical slot on a connection in replication mode; it
// waits until the transactions that are open now have ended. The snapshot
// can be taken by other sessions until conn is used again or closed, which
// also drops the slot if it is temporary.
func CreateSlot(ctx context.Context, conn *pgx.Conn, slot, plugin string, temporary bool) (Snapshot, error) {
	kind := ""
	if temporary {
		kind = "TEMPORARY "
	}
	results, err := conn.PgConn().Exec(ctx, "CREATE_REPLICATION_SLOT "+identifier(slot)+" "+kind+"LOGICAL "+identifier(plugin)+" EXPORT_SNAPSHOT").ReadAll()
	if err != nil {
		return Snapshot{}, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < 3 {
		return Snapshot{}, errors.New("the server did not describe the slot that it made")
	}
	row := results[0].Rows[0]
	lsn, err := ParseLSN(string(row[1]))
	return Snapshot{Name: string(row[2]), LSN: lsn}, err
}

// Lost says that the connection broke, or that the server has closed it for
// reasons of its own: the log is as it was, and another Start may go on.
type Lost struct{ Err error }

func (l *Lost) Error() string { return l.Err.Error() }
func (l *Lost) Unwrap() error { return l.Err }

// Start makes the slot send from lsn on; the server takes the slot's own
// place when that is later, and may forget what lies before confirmed. It
// takes over conn, error or not.
func Start(ctx context.Context, conn *pgx.Conn, slot string, lsn, confirmed LSN, d Decoder) (*Conn, error) {
	var options []string
	for _, o := range d.Options() {
		options = append(options, identifier(o.Name)+" '"+strings.ReplaceAll(o.Value, "'", "''")+"'")
	}
	pg := conn.PgConn()
	every, err := statusInterval(ctx, pg)
	if err != nil {
		shut(conn)
		return nil, err
	}
	pg.Frontend().SendQuery(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL %s (%s)", identifier(slot), lsn, strings.Join(options, ", "))})
	err = pg.Frontend().Flush()
	for err == nil {
		var message pgproto3.BackendMessage
		if message, err = pg.ReceiveMessage(ctx); err != nil {
			break
		}
		switch m := message.(type) {
		case *pgproto3.CopyBothResponse:
			return begin(pg, lsn, confirmed, d, every)
		case *pgproto3.ErrorResponse:
			err = pgconn.ErrorResponseToPgError(m)
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		default:
			err = fmt.Errorf("the server answered START_REPLICATION with %T", m)
		}
	}
	shut(conn)
	return nil, err
}

func shut(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn.Close(ctx)
}

// statusInterval asks how patient the server is.
func statusInterval(ctx context.Context, pg *pgconn.PgConn) (time.Duration, error) {
	results, err := pg.Exec(ctx, "select setting from pg_catalog.pg_settings where name = 'wal_sender_timeout'").ReadAll()
	if err != nil {
		return 0, fmt.Errorf("ask for wal_sender_timeout: %w", err)
	}
	if len(results) == 1 && len(results[0].Rows) == 1 {
		if ms, err := strconv.Atoi(string(results[0].Rows[0][0])); err == nil && ms > 0 {
			return min(statusEvery, max(100*time.Millisecond, time.Duration(ms)*time.Millisecond/4)), nil
		}
	}
	return statusEvery, nil
}

func begin(pg *pgconn.PgConn, lsn, confirmed LSN, d Decoder, every time.Duration) (*Conn, error) {
	raw, err := pg.Hijack()
	if err != nil {
		return nil, err
	}
	c := &Conn{net: raw.Conn, frontend: raw.Frontend, inbox: newInbox(), decoder: d,
		answer: make(chan struct{}, 1), question: make(chan struct{}, 1), stop: make(chan struct{}), finished: make(chan struct{})}
	giveUpSilent(raw.Conn)
	c.confirm.Store(uint64(confirmed))
	c.received.Store(uint64(lsn))
	c.work.Go(c.read)
	c.work.Go(func() { c.report(every) })
	return c, nil
}

// read fills the inbox until the stream ends.
func (c *Conn) read() {
	defer close(c.finished)
	for {
		message, err := c.frontend.Receive()
		if err != nil {
			c.inbox.end(&Lost{fmt.Errorf("read the log: %w", err)})
			return
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			if len(m.Data) >= 18 && m.Data[0] == 'k' && m.Data[17] != 0 {
				signal(c.answer)
			}
			c.inbox.put(m.Data, c.stop)
		case *pgproto3.ErrorResponse:
			refused := pgconn.ErrorResponseToPgError(m)
			if strings.HasPrefix(m.Code, "57P") || strings.HasPrefix(m.Code, "08") { // it stops, or was told to end this
				c.inbox.end(&Lost{refused})
			} else {
				c.inbox.end(refused)
			}
			return
		case *pgproto3.CopyDone:
			c.inbox.end(&Lost{errors.New("the server has ended the log's stream")})
		case *pgproto3.ReadyForQuery:
			return
		}
	}
}

// report sends the status at once, regularly, and when the server asks.
func (c *Conn) report(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ask := false; c.status(ask) == nil; {
		ask = false
		select {
		case <-tick.C:
		case <-c.answer:
		case <-c.question:
			ask = true
		case <-c.stop:
			return
		}
	}
}

// status sends a standby status update. A failure is met by the reader, too.
func (c *Conn) status(reply bool) error {
	confirmed := c.confirm.Load()
	m := make([]byte, 0, 39)
	m = append(m, 'd')
	m = binary.BigEndian.AppendUint32(m, 38)
	m = append(m, 'r')
	m = binary.BigEndian.AppendUint64(m, max(confirmed, c.received.Load()))
	m = binary.BigEndian.AppendUint64(m, confirmed)
	m = binary.BigEndian.AppendUint64(m, confirmed)
	m = binary.BigEndian.AppendUint64(m, uint64(time.Now().UnixMicro()-epoch))
	if reply {
		m = append(m, 1)
	} else {
		m = append(m, 0)
	}
	_, err := c.net.Write(m)
	return err
}

// Confirm lets the server forget what lies before lsn. It never goes back.
func (c *Conn) Confirm(lsn LSN) {
	for {
		was := c.confirm.Load()
		if uint64(lsn) <= was {
			return
		}
		if c.confirm.CompareAndSwap(was, uint64(lsn)) {
			signal(c.answer)
			return
		}
	}
}

// Ask makes the server say, by a KeepAlive, how far it has read the log.
func (c *Conn) Ask() { signal(c.question) }

// Ready signals that Next may have something.
func (c *Conn) Ready() <-chan struct{} { return c.inbox.ready }

// Next reads the next change into ch; false: none has come. Changes that are
// of no interest come as Skip.
func (c *Conn) Next(ch *Change) (bool, error) {
	m, err := c.inbox.next()
	if m == nil {
		return false, err
	}
	switch {
	case m[0] == 'k' && len(m) >= 18:
		*ch = Change{Kind: KeepAlive, LSN: LSN(binary.BigEndian.Uint64(m[1:]))}
	case m[0] == 'w' && len(m) >= 25:
		lsn := LSN(binary.BigEndian.Uint64(m[1:]))
		if uint64(lsn) > c.received.Load() {
			c.received.Store(uint64(lsn))
		}
		return true, c.decoder.Decode(lsn, m[25:], ch)
	default:
		return true, fmt.Errorf("the server sent a message of the unknown kind %q", m[0])
	}
	return true, nil
}

// Close ends the stream, once the server has heard of the last Confirm if
// orderly, and returns when the goroutines have.
func (c *Conn) Close(orderly bool) error {
	close(c.stop)
	var err error
	if orderly {
		c.net.SetDeadline(time.Now().Add(patience))
		if err = c.status(false); err == nil {
			if _, err = c.net.Write([]byte{'c', 0, 0, 0, 4}); err == nil { // CopyDone
				<-c.finished
			}
		}
	}
	c.net.Close()
	c.work.Wait()
	return err
}

func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
