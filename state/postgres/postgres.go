// Package postgres is the state store in a PostgreSQL database, for any
// number of machines. An empty database is migrated when it is opened; one
// that has a schema only by Migrate (`elt store migrate`), since other
// machines may still run the release before.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"elt/internal/fault"
	"elt/internal/pgdial"
	"elt/state/sqlstore"
)

//go:embed migrations/*.sql
var files embed.FS

func schema() (sqlstore.Schema, error) {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		return sqlstore.Schema{}, err
	}
	// One machine migrates, the others wait up to five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, 300))
	return sqlstore.Schema{
		Dialect: goose.DialectPostgres, Files: sub,
		Exists:  `select to_regclass('elt_schema') is not null`,
		Options: []goose.ProviderOption{goose.WithSessionLocker(locker)},
	}, err
}

// lockID is the advisory lock of a migration ("elt_" in ASCII).
const lockID = 0x656c745f

// takeID is the advisory lock under which executions are taken ("eltq").
const takeID = 0x656c7471

// Options say which database, and how.
type Options struct {
	// URI as SQLAlchemy writes it: postgresql://, postgresql+psycopg2://, postgres://.
	URI  string
	Keep int // revisions of a bookmark that are kept; 0 is sqlstore.Keep
	// Wait is for how long an absent server is tried again; 0 is 30 s.
	Wait time.Duration
	// Silence is how long one answer of the server may take; 0 is 20 s.
	Silence time.Duration
}

// Open opens the store; an empty database gets our tables.
func Open(ctx context.Context, o Options) (*sqlstore.Store, error) {
	quiet := &silence{}
	db, cfg, err := connect(ctx, o, quiet.dial)
	if err != nil {
		return nil, err
	}
	err = ready(ctx, db, o)                                                       // may wait for another machine's migration
	for try := 0; err != nil && lost(err) && try < 5 && ctx.Err() == nil; try++ { // a connection of the pool that has just broken
		time.Sleep(20 * time.Millisecond << try)
		err = ready(ctx, db, o)
	}
	if err != nil {
		db.Close()
		return nil, explain(cfg, err)
	}
	if o.Silence == 0 {
		o.Silence = usualSilence
	}
	quiet.set(o.Silence)
	d := sqlstore.Dialect{
		Parameter: "$", ForUpdate: " for update", SkipLocked: " for update skip locked", Now: now,
		Lost: lost, Refused: refused,
		Alone: fmt.Sprintf("select pg_advisory_xact_lock(%d)", takeID), Notify: "select pg_notify('" + channel + "', '')", Listen: listener(cfg),
		Explain: func(err error) error { return explain(cfg, err) },
	}
	return sqlstore.New(db, place(o.URI), d, o.Keep), nil
}

// Migrate brings the store's schema up to this release; it names the store
// and the schemas before and after.
func Migrate(ctx context.Context, o Options) (uri string, from, to int64, err error) {
	uri = place(o.URI)
	db, cfg, err := connect(ctx, o, new(silence).dial)
	if err != nil {
		return uri, 0, 0, err
	}
	defer db.Close()
	s, err := schema()
	if err != nil {
		return uri, 0, 0, err
	}
	if from, err = s.Version(ctx, db); err != nil {
		return uri, 0, 0, explain(cfg, err)
	}
	if from > s.Newest() {
		if s.Understood(from) {
			return uri, from, from, nil
		}
		return uri, from, from, s.TooNew(uri, from)
	}
	return uri, from, s.Newest(), explain(cfg, s.Up(ctx, db))
}

// ready checks the schema: a release works on its own, the one before, and the
// one after.
func ready(ctx context.Context, db *sql.DB, o Options) error {
	s, err := schema()
	if err != nil {
		return err
	}
	version, err := s.Version(ctx, db)
	if err == nil && version > 0 && version < s.Newest()-1 {
		version, err = settled(ctx, db, s)
	}
	switch {
	case err != nil:
		return err
	case !s.Understood(version):
		return s.TooNew(place(o.URI), version)
	case version == 0:
		return s.Up(ctx, db)
	case version < s.Newest()-1:
		return fault.New(fault.StoreSchema, "the state store %s has schema %d, this elt needs %d", place(o.URI), version, s.Newest()).
			WithHint("run: elt store migrate")
	}
	return nil
}

// settled is the schema once nobody migrates: another machine may be making
// the tables of an empty database, one migration after the other.
func settled(ctx context.Context, db *sql.DB, s sqlstore.Schema) (int64, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `select pg_advisory_xact_lock($1)`, int64(lockID)); err != nil {
		return 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	return s.Version(ctx, db)
}

// now is the server's time: machines need not agree about theirs (invariant
// 6). A process that is stopped in the middle of a transaction, which takes
// milliseconds, gives up its locks after ten seconds.
func now(ctx context.Context, tx sqlstore.Queryer) (time.Time, error) {
	var t time.Time
	var limit string
	err := tx.QueryRowContext(ctx, `select clock_timestamp(), set_config('idle_in_transaction_session_timeout', '10s', true)`).Scan(&t, &limit)
	return t, err
}

// connect waits for a server that is not up yet: in a pod or a compose file
// it may start after us.
func connect(ctx context.Context, o Options, dial pgconn.DialFunc) (*sql.DB, *pgx.ConnConfig, error) {
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
	}
	settings := pgdial.Settings{URL: o.URI, Retry: int(max(1, o.Wait/time.Second))}
	cfg, err := settings.Config()
	if err != nil {
		return nil, nil, ownWords(err)
	}
	cfg.RuntimeParams["application_name"] = "elt"
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // behind PgBouncer too
	pooled := cfg.Copy()                             // not for who listens, and hears nothing for long
	pooled.DialFunc = dial
	db := stdlib.OpenDB(*pooled)
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(time.Minute)
	if err := db.PingContext(ctx); err == nil {
		return db, cfg, nil
	}
	conn, err := settings.Dial(ctx) // tries again, and knows why not
	if err != nil {
		db.Close()
		return nil, nil, away(err)
	}
	conn.Close(ctx)
	return db, cfg, nil
}

// ownWords names the setting as the user knows it.
func ownWords(err error) error {
	var e *fault.Error
	if errors.As(err, &e) {
		e.Msg = strings.Replace(e.Msg, `"sqlalchemy_url"`, `"database_uri"`, 1)
	}
	return err
}

func away(err error) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	return fault.New(fault.StoreAway, "the state store is away: %s", e.Error()).WithHint("%s", e.Hint)
}

// explain tells a lost connection from a mistake.
func explain(cfg *pgx.ConnConfig, err error) error {
	var own *fault.Error
	if err == nil || errors.As(err, &own) || errors.Is(err, context.Canceled) {
		return err
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" { // a table of the newest schema, in a store of the one before
		return fault.Wrap(fault.StoreSchema, err, "the state store at %s:%d has an older schema", cfg.Host, cfg.Port).WithHint("run: elt store migrate")
	}
	if !lost(err) {
		return fmt.Errorf("state store at %s:%d: %w", cfg.Host, cfg.Port, err)
	}
	return fault.Wrap(fault.StoreAway, err, "the state store at %s:%d, database %q, cannot be reached", cfg.Host, cfg.Port, cfg.Database).
		WithHint("is the server up, and the network between? Try: psql -h %s -p %d -U %s %s", cfg.Host, cfg.Port, cfg.User, cfg.Database)
}

// lost says that a connection broke, or that none can be had.
func lost(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08") || pg.Code == "25P03" || pg.Code == "53300"
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, net.ErrClosed)
}

// refused: an administrator's end of the connection, or of its waiting, is
// said in the place of COMMIT's answer only when there was no commit.
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "57P01" || pg.Code == "25P03")
}

// place is a URI without password and parameters.
func place(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "postgresql://"
	}
	return "postgresql://" + u.User.Username() + "@" + u.Host + u.Path
}
