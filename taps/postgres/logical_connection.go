package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/taps/postgres/replication"
)

// A connection that breaks again and again without bringing anything is given
// up: what breaks it is in the log itself, or in what the server does with it.
const (
	maxBreaks  = 5
	breakPause = 200 * time.Millisecond // after the first; doubled with each
)

// readOn reads until the run's end. Where the connection breaks, another one
// goes on: behind the last transaction that was read, and of one that was
// being read with the change after the last. So nothing that was handed on
// comes again, and streams do not notice.
func (r *logReader) readOn(ctx context.Context) error {
	for breaks := 0; ; {
		at, taken := r.at, r.taken
		err := r.read(ctx)
		var lost *replication.Lost
		if !errors.As(err, &lost) || ctx.Err() != nil {
			return explainReplication(err, r.set, r.slot.Name)
		}
		if breaks++; r.at != at || r.taken != taken {
			breaks = 1
		}
		if breaks > maxBreaks {
			return fault.Wrap(fault.Failed, lost, "the connection that reads the log broke %d times in a row at %s", breaks, r.at).WithKind(fault.KindConnect).
				WithHint("the server's own log says why")
		}
		zerolog.Ctx(ctx).Warn().Msgf("the connection that reads the log broke (%v); going on from %s", lost, r.at)
		select {
		case <-time.After(breakPause << (breaks - 1)):
		case <-ctx.Done():
			return ctx.Err()
		}
		r.hangUp(false)
		if err := r.connect(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fault.Wrap(fault.Failed, err, "the connection that reads the log broke (%v), and there is no other", lost).WithKind(fault.KindOf(err)).WithHint("%s", fault.Advice(err))
		}
	}
}

// connect makes the slot send what follows r.at, and waits for a server that
// is being started again.
func (r *logReader) connect(ctx context.Context) error {
	deadline := time.Now().Add(time.Duration(r.set.primary.Retry) * time.Second)
	for {
		conn, err := r.start(ctx)
		if err == nil {
			r.conn = conn
			r.kept.tell(conn)
			r.owners = map[*replication.Relation]*logStream{}
			for _, s := range r.streams {
				clear(s.maps) // the decoder is another, and so are its relations
			}
			r.asked, r.silent = time.Time{}, 0
			r.repeat, r.awaited = r.taken, r.within
			return r.covers(ctx)
		}
		if !closed(err) || time.Now().After(deadline) {
			return explainReplication(err, r.set, r.slot.Name)
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start begins to read the slot, and waits for one that a run which was just
// killed, or a connection which broke, has not given back yet.
func (r *logReader) start(ctx context.Context) (*replication.Conn, error) {
	deadline := time.Now().Add(time.Duration(r.set.primary.Retry) * time.Second)
	for {
		conn, err := r.set.primary.DialReplication(ctx)
		if err != nil {
			return nil, err
		}
		pid := conn.PgConn().PID()
		c, err := replication.Start(ctx, conn, r.slot.Name, r.at, r.kept.least(), r.decoder())
		if err == nil {
			r.sender = pid
			return c, nil
		}
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "55006" || time.Now().After(deadline) {
			return nil, orCancelled(ctx, err)
		}
		if err := r.release(ctx); err != nil {
			return nil, err
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// release ends the process that sends the log to this run's own connection
// which broke: the server may take a minute to see that nobody listens.
func (r *logReader) release(ctx context.Context) error {
	if r.sender == 0 {
		return nil
	}
	return r.asking(ctx, func(ask *pgx.Conn) error {
		_, err := ask.Exec(ctx, "select pg_catalog.pg_terminate_backend(active_pid) from pg_catalog.pg_replication_slots where slot_name = $1 and active_pid = $2", r.slot.Name, int64(r.sender))
		return err
	})
}

// covers says whether the server still has the log that was read so far: one
// that was restored, or took over from another, may have less.
func (r *logReader) covers(ctx context.Context) error {
	if r.source.standby {
		return nil
	}
	end, err := r.logEnd(ctx)
	if err == nil && end < r.at {
		return fault.New(fault.Failed, "the server's log ends at %s, before %s, which was read already", end, r.at).WithKind(fault.KindServer).
			WithHint("the server was restored, or is another one: drop its slot if it has one, and read its streams anew: elt run --full-refresh")
	}
	return err
}

// hangUp closes the connection, if there is one.
func (r *logReader) hangUp(orderly bool) {
	if r.conn != nil {
		r.conn.Close(orderly)
		r.conn = nil
	}
}

// asking does something with the connection that answers questions; where
// that turns out to be broken, with a new one.
func (l *logs) asking(ctx context.Context, do func(ask *pgx.Conn) error) error {
	for breaks := 1; ; breaks++ {
		err := do(l.ask)
		if err == nil || ctx.Err() != nil || !l.ask.IsClosed() || breaks > maxBreaks {
			return err
		}
		next, dialled := l.set.primary.Dial(ctx)
		if dialled != nil {
			return dialled
		}
		(&worker{conn: l.ask}).close()
		l.ask = next
	}
}

// closed says that a connection was broken off, and that trying again may help.
func closed(err error) bool {
	var pg *pgconn.PgError
	var said *fault.Error
	var network net.Error
	switch {
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08")
	case errors.As(err, &said):
		return false // was tried again already
	}
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// logEnd is where the log ends that the server can send.
func (l *logs) logEnd(ctx context.Context) (end replication.LSN, err error) {
	function := "pg_catalog.pg_current_wal_flush_lsn()"
	if l.source.standby {
		function = "pg_catalog.pg_last_wal_replay_lsn()"
	}
	var text string
	err = l.asking(ctx, func(ask *pgx.Conn) error { return ask.QueryRow(ctx, "select "+function+"::text").Scan(&text) })
	if err != nil {
		return 0, fmt.Errorf("ask where the log ends: %w", err)
	}
	return replication.ParseLSN(text)
}
