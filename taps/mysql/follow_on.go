package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/taps/mysql/wire"
)

// A connection that breaks again and again without bringing anything is given
// up: what breaks it is in the binlog itself, or in what the server does with it.
const (
	maxBreaks  = 5
	breakPause = 200 * time.Millisecond // after the first; doubled with each
)

// broken is what the connection that the binlog is read by has met.
type broken struct{ error }

func (b *broken) Unwrap() error { return b.error }

// readOn reads until the run's end. Where the connection breaks, another one
// goes on: behind the last transaction that was read, and of one that was
// being read with the change after the last. So nothing that was handed on
// comes again, and the stream does not notice.
func (f *follower) readOn(ctx context.Context) error {
	p := f.plan
	for breaks := 0; ; {
		at, taken := p.at, f.taken
		err := f.connect(ctx)
		if err == nil {
			err = f.read(ctx)
		}
		var met *broken
		if !errors.As(err, &met) {
			return err
		}
		if ctx.Err() != nil || !lost(met.error) {
			return unreadable(met.error, p)
		}
		if breaks++; p.at.File != at.File || p.at.Pos != at.Pos || f.taken != taken {
			breaks = 1
		}
		if breaks > maxBreaks {
			return fault.Wrap(fault.Failed, met.error, "the connection that reads the binlog broke %d times in a row at %s:%d", breaks, p.at.File, p.at.Pos).WithKind(fault.KindConnect).
				WithHint("the server's own log says why")
		}
		zerolog.Ctx(ctx).Warn().Msgf("stream %s: the connection that reads the binlog broke (%v); going on from %s:%d", p.id, met.error, p.at.File, p.at.Pos)
		f.hangUp()
		select {
		case <-time.After(breakPause << (breaks - 1)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// connect makes the server send what follows the plan's place.
func (f *follower) connect(ctx context.Context) (err error) {
	f.repeat, f.dirty, f.table = f.taken, f.taken > 0, nil
	if f.over, err = f.set.connect(ctx); err != nil {
		return err // was tried again already
	}
	if f.log, err = f.over.dump(ctx, f.plan, f.set, f.byGTID); err != nil {
		return &broken{err}
	}
	return nil
}

// hangUp closes the connection, if there is one.
func (f *follower) hangUp() {
	if f.log != nil {
		f.log.Close()
	}
	if f.over != nil {
		f.over.close()
	}
	f.log, f.over = nil, nil
}

// askAnew makes the connection that answers questions anew when it was broken
// by err, or long before; false: there is nothing to be done about err.
func (f *follower) askAnew(err error) bool {
	if err == nil || f.ctx.Err() != nil || !lost(err) {
		return false
	}
	next, err := f.set.connect(f.ctx)
	if err != nil {
		return false
	}
	f.ask.close()
	f.ask.conn = next.conn
	return true
}

// lost says that a connection broke, or was closed by a server that stops.
func lost(err error) bool {
	var refused *mysql.MySQLError
	var network *net.OpError
	switch {
	case errors.As(err, &refused):
		switch refused.Number {
		case 1053, 1317, 1927, 4031: // shut down, query or connection killed, idle for too long
			return true
		}
		return false
	case errors.As(err, &network), errors.Is(err, os.ErrDeadlineExceeded):
		return true
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, mysql.ErrInvalidConn, driver.ErrBadConn, net.ErrClosed, wire.ErrEnded} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
