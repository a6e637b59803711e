package pgdial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/rs/zerolog"

	"elt/internal/fault"
)

// statement_timeout comes first: the role's own may be shorter than the rest takes.
const session = `set statement_timeout = 0; set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set extra_float_digits = 3;
set standard_conforming_strings = on; set bytea_output = 'hex'; set xmloption = 'content'; set lc_monetary = 'C';
set lock_timeout = 0; set idle_in_transaction_session_timeout = 0`

// Dial connects. A server that is absent or just starting is tried again for
// s.Retry seconds; a refused password or an unknown database is not.
func (s Settings) Dial(ctx context.Context) (*pgx.Conn, error) { return s.dial(ctx, nil, "") }

// DialWith is Dial for a session that begins with more statements.
func (s Settings) DialWith(ctx context.Context, statements string) (*pgx.Conn, error) {
	return s.dial(ctx, nil, ";\n"+statements)
}

// DialReplication is Dial for a connection that may make and start logical
// replication slots of its database. It takes plain SQL, too, as long as
// nothing is sent in pieces (the extended protocol).
func (s Settings) DialReplication(ctx context.Context) (*pgx.Conn, error) {
	return s.dial(ctx, map[string]string{"replication": "database"}, "")
}

func (s Settings) dial(ctx context.Context, params map[string]string, more string) (*pgx.Conn, error) {
	cfg, err := s.Config()
	if err != nil {
		return nil, err
	}
	prepare(cfg, session+more)
	maps.Copy(cfg.RuntimeParams, params)
	defer reuseRefused(cfg)()
	try := func() (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, cfg) }
	var conn *pgx.Conn
	if s.Retry > 0 {
		say := sync.OnceFunc(func() {
			zerolog.Ctx(ctx).Warn().Msgf("PostgreSQL at %s does not answer; trying again for up to %d s", address(cfg), s.Retry)
		})
		conn, err = failsafe.With(patience(s.Retry, say)).WithContext(ctx).Get(try)
	} else {
		conn, err = try()
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, explain(cfg, err)
	}
	if err := supported(conn.PgConn().ParameterStatus("server_version"), address(cfg)); err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

func patience(seconds int, say func()) retrypolicy.RetryPolicy[*pgx.Conn] {
	return retrypolicy.NewBuilder[*pgx.Conn]().
		HandleIf(func(_ *pgx.Conn, err error) bool { return transient(err) }).
		WithBackoff(200*time.Millisecond, 4*time.Second).
		WithJitterFactor(0.2).
		WithMaxDuration(time.Duration(seconds) * time.Second).
		WithMaxRetries(-1).
		OnRetryScheduled(func(failsafe.ExecutionScheduledEvent[*pgx.Conn]) { say() }).
		ReturnLastFailure().
		Build()
}

// prepare fixes what a session must not inherit from the server or the role.
func prepare(cfg *pgx.ConnConfig, session string) {
	cfg.RuntimeParams["application_name"] = "elt"
	cfg.RuntimeParams["client_encoding"] = "UTF8"
	var last *wire // of the attempt that succeeded: the last one
	// By statement, not as startup parameters: PgBouncer refuses those it does not know.
	cfg.AfterConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		c.CustomData()[wireKey] = last
		return c.Exec(ctx, session).Close()
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // behind PgBouncer too
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		last = newWire(r)
		return pgproto3.NewFrontend(last, w)
	}
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 2 * time.Second}
	}
}

// transient says that trying again may help: no answer, a server that is
// starting or stopping, no free connection slot; not a certificate that is
// refused or a server without TLS.
func transient(err error) bool {
	var pg *pgconn.PgError
	var certificate *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError // verify-ca: the chain is checked by pgconn
	var tunnel *fault.Error
	switch {
	case errors.As(err, &tunnel):
		kind := fault.KindOf(tunnel)
		return kind == fault.KindConnect || kind == fault.KindTimeout
	case err == nil || errors.Is(err, context.Canceled) || errors.As(err, &certificate) || errors.As(err, &unknown):
		return false
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, "57P") || pg.Code == "53300" || strings.HasPrefix(pg.Code, "08")
	}
	return !refusesTLS(err)
}

// refusesTLS: pgconn has no error value for it.
func refusesTLS(err error) bool { return strings.Contains(err.Error(), "refused TLS") }

func explain(cfg *pgx.ConnConfig, err error) error {
	var tunnel *fault.Error
	if errors.As(err, &tunnel) {
		return fmt.Errorf("connect to PostgreSQL at %s: %w", address(cfg), tunnel)
	}
	e := fault.Wrap(fault.Failed, because(err), "cannot connect to PostgreSQL at %s, database %q as %q", address(cfg), cfg.Database, cfg.User).WithKind(kind(err))
	var pg *pgconn.PgError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return e.WithHint("is ssl_certificate_authority the authority that signed the server's certificate? ssl_mode: require encrypts without checking it")
	case e.Kind == fault.KindDNS, e.Kind == fault.KindTLS && !refusesTLS(err):
		return e.WithHint("%s", fault.Advice(err))
	case !errors.As(err, &pg):
		return e.WithHint("is the server running at that host and port, does a firewall or the ssl settings stand in between? Try: psql -h %s -p %d -U %s %s",
			cfg.Host, cfg.Port, cfg.User, cfg.Database)
	case strings.HasPrefix(pg.Code, "28"):
		return e.WithHint("check user and password, and pg_hba.conf on the server")
	case pg.Code == "3D000":
		return e.WithHint("check the setting database")
	case pg.Code == "53300":
		return e.WithHint("the server has no free connection; lower parallelism or raise max_connections")
	}
	return e
}

// because is the server's or the network's word, without pgx's own prefix.
func because(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return answer{pg}
	}
	return errors.New(reason(err))
}

// answer is what a server said, without its code, which callers may ask for.
type answer struct{ *pgconn.PgError }

func (a answer) Error() string { return a.Message }
func (a answer) Unwrap() error { return a.PgError }

func address(cfg *pgx.ConnConfig) string { return fmt.Sprintf("%s:%d", cfg.Host, cfg.Port) }
