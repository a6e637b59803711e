package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/rs/zerolog"

	"elt/internal/fault"
)

// url takes apart sqlalchemy_url.
func (s *settings) url() error {
	if s.URL == "" {
		return nil
	}
	u, err := url.Parse(s.URL)
	if err != nil || !strings.HasPrefix(u.Scheme, "mysql") && !strings.HasPrefix(u.Scheme, "mariadb") { // err would show the password
		return fault.New(fault.BadConfig, "tap-mysql: sqlalchemy_url is no URL of MySQL").WithHint("it looks like mysql+pymysql://user:password@host:3306/database; characters like @ and / in the password are written %%40 and %%2F")
	}
	s.Host, s.Port, s.User, s.Database = u.Hostname(), 3306, u.User.Username(), strings.Trim(u.Path, "/")
	s.Password, _ = u.User.Password()
	if u.Port() != "" {
		if s.Port, err = strconv.Atoi(u.Port()); err != nil {
			return fault.New(fault.BadConfig, "tap-mysql: the port of sqlalchemy_url is no number")
		}
	}
	if socket := u.Query().Get("unix_socket"); socket != "" {
		s.Socket = socket
	}
	return nil
}

func (s settings) address() (network, address string) {
	if s.Socket != "" {
		return "unix", s.Socket
	}
	return "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

func (s settings) tls() (*tls.Config, error) {
	if !strings.EqualFold(s.SSL, "true") && !s.Verify && s.CA == "" && s.Cert == "" {
		return nil, nil
	}
	c := &tls.Config{ServerName: s.Host, InsecureSkipVerify: !s.Verify && s.CA == "", MinVersion: tls.VersionTLS12}
	if s.Internal != "" {
		c.ServerName = s.Internal
	}
	if s.CA != "" {
		text, err := pem(s.CA)
		if err != nil {
			return nil, fault.Wrap(fault.BadConfig, err, "tap-mysql: ssl_ca")
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fault.New(fault.BadConfig, "tap-mysql: ssl_ca holds no certificate")
		}
	}
	if s.Cert != "" {
		cert, err := pem(s.Cert)
		key, err2 := pem(s.Key)
		if err = errors.Join(err, err2); err == nil {
			var pair tls.Certificate
			pair, err = tls.X509KeyPair(cert, key)
			c.Certificates = []tls.Certificate{pair}
		}
		if err != nil {
			return nil, fault.Wrap(fault.BadConfig, err, "tap-mysql: ssl_cert and ssl_key")
		}
	}
	return c, nil
}

func pem(text string) ([]byte, error) {
	if strings.Contains(text, "-----BEGIN") {
		return []byte(text), nil
	}
	return os.ReadFile(text)
}

// session is a connection to the server.
type session struct{ conn driver.Conn }

// connect logs in; an absent server is tried again for as long as the settings say.
func (s settings) connect(ctx context.Context) (*session, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = s.address()
	cfg.User, cfg.Passwd, cfg.DBName, cfg.Timeout, cfg.Logger = s.User, s.Password, s.Database, 30*time.Second, &mysql.NopLogger{}
	cfg.Collation = "utf8mb4_general_ci"
	if s.Tunnel.Enable {
		cfg.DialFunc = s.Tunnel.Dial
	}
	var err error
	if cfg.TLS, err = s.tls(); err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "tap-mysql: the settings cannot be used")
	}
	until := time.Now().Add(time.Duration(s.Retry) * time.Second)
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		conn, err := connector.Connect(ctx)
		if err == nil {
			ses := &session{conn}
			if err := ses.begin(ctx, s); err != nil {
				ses.close()
				return nil, err
			}
			return ses, nil
		}
		var tunnel *fault.Error // of the bastion, with its own hint
		if errors.As(err, &tunnel) {
			return nil, err
		}
		if ctx.Err() != nil || final(err) || time.Now().Add(pause).After(until) {
			return nil, s.explainLogin(err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// final says that a connection fails again however often it is tried.
func final(err error) bool {
	var refused *mysql.MySQLError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &refused) && refused.Number != 1040 && refused.Number != 1053 || errors.Is(err, mysql.ErrNoTLS) || errors.As(err, &certificate)
}

func (s *session) begin(ctx context.Context, set settings) error {
	for _, sql := range set.Session {
		if err := s.exec(ctx, sql); err != nil {
			zerolog.Ctx(ctx).Warn().Msgf("the server refuses a statement of session_sqls: %v", err)
		}
	}
	// After the user's own: what is read must mean the same everywhere.
	for _, sql := range []string{"set time_zone = '+00:00'", "set session transaction isolation level repeatable read", "set session net_write_timeout = 3600"} {
		if err := s.exec(ctx, sql); err != nil {
			return fmt.Errorf("tap-mysql: %s: %w", sql, err)
		}
	}
	return nil
}

func (s *session) close() { s.conn.Close() }

func (s *session) exec(ctx context.Context, sql string) error {
	_, err := s.conn.(driver.ExecerContext).ExecContext(ctx, sql, nil)
	return err
}

// rows runs a statement by the binary protocol, in which numbers are numbers.
func (s *session) rows(ctx context.Context, sql string, args []string) (driver.Rows, func(), error) {
	stmt, err := s.conn.(driver.ConnPrepareContext).PrepareContext(ctx, sql)
	if err != nil {
		return nil, nil, err
	}
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, named)
	if err != nil {
		stmt.Close()
		return nil, nil, err
	}
	return rows, func() { rows.Close(); stmt.Close() }, nil
}

// query is the rows of a small statement as text, NULL as "".
func (s *session) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	rows, done, err := s.rows(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	defer done()
	line := make([]driver.Value, len(rows.Columns()))
	var all [][]string
	for {
		if err := rows.Next(line); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		words := make([]string, len(line))
		for i, v := range line {
			switch x := v.(type) {
			case nil:
			case []byte:
				words[i] = string(x)
			default:
				words[i] = fmt.Sprint(x)
			}
		}
		all = append(all, words)
	}
}

func (s settings) explainLogin(err error) error {
	_, address := s.address()
	var refused *mysql.MySQLError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, mysql.ErrNoTLS):
		return fault.Wrap(fault.Failed, err, "tap-mysql: there is no connection to %s", address).WithKind(fault.KindTLS).WithHint("the server has no TLS: give it a certificate, or leave the setting ssl out")
	case errors.As(err, &certificate):
		return fault.Wrap(fault.Failed, err, "tap-mysql: there is no connection to %s", address).WithKind(fault.KindTLS).
			WithHint("is ssl_ca the authority that signed the server's certificate, and does that bear the host's name (else internal_hostname)?")
	case !errors.As(err, &refused):
		return fault.Wrap(fault.Failed, err, "tap-mysql: there is no connection to %s", address).WithHint("check host, port and ssl, and whether the server can be reached from here")
	}
	e := fault.Wrap(fault.BadConfig, err, "tap-mysql: cannot log in at %s as %q", address, s.User)
	switch refused.Number {
	case 1045, 1698, 1130:
		return e.WithKind(fault.KindAuth).WithHint("check user and password, and from which hosts the user may log in")
	case 1049:
		return e.WithKind(fault.KindPath).WithHint("there is no database %q", s.Database)
	case 1044:
		return e.WithKind(fault.KindPermission).WithHint("grant select on %s.* to the user", s.Database)
	case 1040, 1203, 1226:
		return e.WithKind(fault.KindLimit).WithHint("the server has too many connections: lower parallelism")
	}
	return e
}
