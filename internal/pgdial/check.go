package pgdial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/check"
	"elt/internal/fault"
)

// Check tries the way to the server (name server, network) and the login
// (TLS, role, database), one attempt each. The connection is the caller's to
// close, nil when a check failed.
func (s Settings) Check(ctx context.Context, report *check.Report) *pgx.Conn {
	cfg, err := s.Config()
	report.Add("settings", "", err)
	if err != nil {
		return nil
	}
	if !report.Do(ctx, "connect", func(ctx context.Context) (string, error) {
		network, at := pgconn.NetworkAddress(cfg.Host, cfg.Port)
		conn, err := cfg.DialFunc(ctx, network, at)
		if err != nil {
			return "", fmt.Errorf("connect to %s: %w", at, err)
		}
		if s.SSHTunnel.Enable {
			at += " through " + s.SSHTunnel.Host
		}
		return at, conn.Close()
	}) {
		return nil
	}
	s.Retry = 0
	var conn *pgx.Conn
	report.Do(ctx, "login", func(ctx context.Context) (string, error) {
		if conn, err = s.Dial(ctx); err != nil {
			return "", err
		}
		safe := "without TLS"
		if t, ok := conn.PgConn().Conn().(*tls.Conn); ok {
			safe = tls.VersionName(t.ConnectionState().Version)
		}
		return fmt.Sprintf("PostgreSQL %s, database %q as %q, %s", conn.PgConn().ParameterStatus("server_version"), cfg.Database, cfg.User, safe), nil
	})
	return conn
}

// kind is fault.KindOf, and knows what pgconn says in words only. What a
// server answered counts more than an attempt before it.
func kind(err error) fault.Kind {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg):
		return fault.KindOf(pg)
	case refusesTLS(err):
		return fault.KindTLS
	}
	return fault.KindOf(err)
}
