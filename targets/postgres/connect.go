package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/fault"
)

// dial connects. A server that does not answer yet, is starting or is full
// is tried again for connect_timeout seconds.
func (s *sink) dial(ctx context.Context) (*pgconn.PgConn, error) {
	patience := time.Duration(s.set.ConnectTimeout) * time.Second
	again := retrypolicy.NewBuilder[*pgconn.PgConn]().
		HandleIf(func(_ *pgconn.PgConn, err error) bool { return err != nil && transient(err) && ctx.Err() == nil }).
		WithBackoff(100*time.Millisecond, 5*time.Second).WithJitterFactor(0.2).
		WithMaxRetries(-1).WithMaxDuration(patience).ReturnLastFailure().Build()
	began := time.Now()
	conn, err := failsafe.With(again).WithContext(ctx).Get(func() (*pgconn.PgConn, error) {
		return pgconn.ConnectConfig(ctx, s.server)
	})
	if err == nil {
		return conn, nil
	}
	where := fmt.Sprintf("PostgreSQL at %s:%d (database %q, user %q)", s.server.Host, s.server.Port, s.server.Database, s.server.User)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && !transient(err) {
		return nil, fault.New(fault.BadConfig, "target-postgres: %s refused the connection: %s", where, refused.Message).
			WithHint("check user, password, database and the server's pg_hba.conf")
	}
	return nil, fault.New(fault.Failed, "target-postgres: %s does not answer, tried for %s: %s", where, time.Since(began).Round(time.Second/10), cause(err)).
		WithHint("check that the server runs, that host and port are right and that no firewall stands between")
}

// transient says that waiting may help.
func transient(err error) bool {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		var parse *pgconn.ParseConfigError
		return !errors.As(err, &parse)
	}
	switch refused.Code {
	case "57P03", "57P01", "57P02", "53300": // starting up, shutting down, crashed, too many connections
		return true
	}
	return false
}

// cause is the innermost text: the outer ones repeat host and user.
func cause(err error) string {
	for {
		if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
			err = many.Unwrap()[0]
			continue
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
