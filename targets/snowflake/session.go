package snowflake

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"
)

// session is one Snowflake session: its temporary tables and its stage end
// with it. Statements on it run one at a time.
type session struct {
	conn *sql.Conn
	db   *sql.DB
	set  *settings
	tag  func() string // QUERY_TAG, which names the run once it is known
	// stop ends the statement under way (an abort request) some time after the
	// run was told to stop.
	stop context.Context
}

// dial logs in. Nothing but the account's host is contacted: no telemetry, no
// look at the machine's cloud, no revocation lists.
func (s *sink) dial(ctx context.Context) (*session, error) {
	config, err := s.set.config()
	if err != nil {
		return nil, err
	}
	config.TmpDirPath = s.folder.path
	quiet()
	deadline := time.Now().Add(time.Duration(s.set.Retry) * time.Second)
	for wait := time.Second; ; wait = min(2*wait, 5*time.Second) {
		db := sql.OpenDB(sf.NewConnector(sf.SnowflakeDriver{}, *config))
		conn, err := db.Conn(ctx)
		if err == nil {
			return &session{
				conn: conn, db: db, set: s.set, stop: s.stopping(),
				tag: func() string { return s.set.tag(s.stateID, s.run) },
			}, nil
		}
		db.Close()
		if !unreachable(err) || time.Now().Add(wait).After(deadline) || ctx.Err() != nil {
			return nil, s.set.explain("log in", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// config is the driver's configuration.
func (s *settings) config() (*sf.Config, error) {
	yes, no, utc, auto, hex := "true", "false", "UTC", "AUTO", "HEX"
	c := &sf.Config{
		Account: s.Account, Host: s.Host, Port: s.Port, Protocol: s.Protocol,
		Database: s.Database, Schema: s.ConnectSchema, Warehouse: s.Warehouse, Role: s.Role, Application: "elt",
		LoginTimeout: loginTimeout, MaxRetryCount: s.attempts,
		DisableOCSPChecks: true, CertRevocationCheckMode: sf.CertRevocationCheckDisabled,
		ClientStoreTemporaryCredential: sf.ConfigBoolFalse, ClientRequestMfaToken: sf.ConfigBoolFalse,
		Params: map[string]*string{
			"CLIENT_TELEMETRY_ENABLED": &no, "CLIENT_SESSION_KEEP_ALIVE": &yes,
			// what text means does not depend on the account's own settings
			"TIMEZONE": &utc, "DATE_INPUT_FORMAT": &auto, "TIME_INPUT_FORMAT": &auto, "TIMESTAMP_INPUT_FORMAT": &auto, "BINARY_INPUT_FORMAT": &hex,
		},
	}
	if s.IgnoreCase {
		c.Params["QUOTED_IDENTIFIERS_IGNORE_CASE"] = &yes
	}
	if s.StatementTimeout > 0 {
		seconds := strconv.Itoa(s.StatementTimeout)
		c.Params["STATEMENT_TIMEOUT_IN_SECONDS"] = &seconds
	}
	return c, s.authenticate(c)
}

const (
	// loginTimeout bounds the driver's own retries of a login: a refused
	// connection is reported within seconds. connect_retry_seconds goes on
	// from there.
	loginTimeout = 8 * time.Second
	// retries of a request by its id, with a pause of up to 16 s between.
	retries = 7
	// stopGrace is how long the statement under way may go on once the run
	// was told to stop; a runner waits 22 s before it kills.
	stopGrace = 12 * time.Second
)

// quiet keeps the driver, which has one logger per process, from writing to
// standard error past the masking of secrets (invariant 10): what goes wrong
// comes back as an error. It also keeps it from asking the machine's cloud
// who it is, and from loading a library of its own.
var quiet = sync.OnceFunc(func() {
	os.Setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
	os.Setenv("SF_DISABLE_MINICORE", "true")
	sf.GetLogger().SetOutput(io.Discard)
	_ = sf.GetLogger().SetLogLevel("fatal")
})

// bounded ends with ctx, or some time after the run was told to stop.
func (c *session) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(sf.WithQueryTag(ctx, c.tag()))
	end := context.AfterFunc(c.stop, cancel)
	return ctx, func() { end(); cancel() }
}

// exec runs one statement and returns how many rows it changed, where it is
// one that changes rows.
func (c *session) exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	result, err := c.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, c.failed(query, err)
	}
	n, err := result.RowsAffected()
	if err != nil { // DDL has no rows
		return 0, nil
	}
	return n, nil
}

// query runs one statement and returns its rows by column name (upper case);
// a NULL is "".
func (c *session) query(ctx context.Context, query string, args ...any) (all []map[string]string, err error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	rows, err := c.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, c.failed(query, err)
	}
	defer func() { err = errorsJoin(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		line := make(map[string]string, len(columns))
		for i, name := range columns {
			line[strings.ToUpper(name)] = values[i].String
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		return nil, c.failed(query, err)
	}
	return all, nil
}

// failed names the statement, not its values.
func (c *session) failed(query string, err error) error {
	verb, _, _ := strings.Cut(query, " ")
	return c.set.explain(strings.ToUpper(verb), err)
}

// alive says whether the session may be used after an error: the service
// answered.
func alive(err error) bool {
	var answer *sf.SnowflakeError
	return errors.As(err, &answer) && !unreachable(err)
}

func (c *session) close() error {
	err := c.conn.Close()
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	return errorsJoin(err, c.db.Close())
}

// errorsJoin is errors.Join that leaves a single error as it is.
func errorsJoin(errs ...error) error {
	var some []error
	for _, err := range errs {
		if err != nil {
			some = append(some, err)
		}
	}
	if len(some) == 1 {
		return some[0]
	}
	return errors.Join(some...)
}
