package pgdial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"elt/internal/fault"
	"elt/internal/spec"
	"elt/internal/sshtunnel"
)

// Settings say where the server is and how to log in. A connector embeds
// them in its own configuration struct.
type Settings struct {
	Host         string             `json:"host"`
	Port         int                `json:"port"`
	User         string             `json:"user"`
	Password     string             `json:"password"`
	Database     string             `json:"database"`
	URL          string             `json:"sqlalchemy_url"`
	SSL          string             `json:"ssl"`
	SSLEnable    bool               `json:"ssl_enable"`
	SSLMode      string             `json:"ssl_mode"`
	Authority    string             `json:"ssl_certificate_authority"`
	ClientEnable bool               `json:"ssl_client_certificate_enable"`
	ClientCert   string             `json:"ssl_client_certificate"`
	ClientKey    string             `json:"ssl_client_private_key"`
	SSHTunnel    sshtunnel.Settings `json:"ssh_tunnel"`
	// Retry is for how many seconds an absent server is tried again.
	Retry int `json:"connect_retry_seconds"`
}

// Spec lists the settings for a connector's spec.Spec.
func Spec() []spec.Setting {
	return slices.Concat([]spec.Setting{
		{Name: "host", Type: spec.String, Help: "Host name or address of the server, or the folder of its Unix socket.", Example: "db.example.com"},
		{Name: "port", Type: spec.Integer, Default: 5432, Help: "Port of the server.", Example: "5433"},
		{Name: "user", Type: spec.String, Help: "Role to log in as.", Example: "etl"},
		{Name: "password", Type: spec.String, Secret: true, Help: "Password of the role; without one ~/.pgpass is asked.", Example: "${PG_PASSWORD}"},
		{Name: "database", Aliases: []string{"dbname"}, Type: spec.String, Help: "Name of the database.", Example: "shop"},
		{Name: "sqlalchemy_url", Type: spec.String, Secret: true, Help: "URL to connect to instead of host, port, user, password, database and ssl_*; with several hosts (`@a:5432,b:5432/`) and `target_session_attrs=read-write` the one that takes writes.", Example: "postgresql://user:password@host:5432/database?sslmode=require"},
		{Name: "ssl", Type: spec.String, Help: `"true" demands an encrypted connection (PipelineWise's spelling).`, Example: "true"},
		{Name: "ssl_enable", Type: spec.Boolean, Default: false, Help: "Encrypt the connection and check the server as ssl_mode says.", Example: "true"},
		{Name: "ssl_mode", Type: spec.String, Default: "verify-full", OneOf: []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, Help: "How strictly the server is checked, as PostgreSQL's sslmode.", Example: "require"},
		{Name: "ssl_certificate_authority", Type: spec.String, Default: "~/.postgresql/root.crl", Help: "Certificate authority of the server: a file, or the PEM text itself.", Example: "/etc/ssl/db-ca.pem"},
		{Name: "ssl_client_certificate_enable", Type: spec.Boolean, Default: false, Help: "Log in with a client certificate.", Example: "true"},
		{Name: "ssl_client_certificate", Type: spec.String, Default: "~/.postgresql/postgresql.crt", Help: "Client certificate: a file, or the PEM text itself.", Example: "client.crt"},
		{Name: "ssl_client_private_key", Type: spec.String, Default: "~/.postgresql/postgresql.key", Secret: true, Help: "Key of the client certificate: a file, or the PEM text itself.", Example: "client.key"},
		{Name: "ssl_storage_directory", Type: spec.String, Default: ".secrets", Help: "Accepted for compatibility; PEM texts are never written to disk.", Example: ".secrets"},
	}, sshtunnel.Spec("ssh_tunnel"), []spec.Setting{
		{Name: "connect_retry_seconds", Type: spec.Integer, Default: 30, Help: "For how long an absent server is tried again at the start.", Example: "60"},
	})
}

// Config is the configuration to connect with. Its errors never hold the password.
func (s Settings) Config() (*pgx.ConnConfig, error) {
	params, inline, err := s.params()
	if err != nil {
		return nil, err
	}
	params.impatience()
	cfg, err := pgx.ParseConfig(params.dsn())
	if err != nil {
		// The cause repeats the connection string; only its reason is told.
		return nil, fault.New(fault.BadConfig, "the connection settings are not usable: %s", reason(err)).
			WithHint("check host, port, user, database and the ssl_* settings, and that the certificate files can be read")
	}
	if err := inline.apply(cfg); err != nil {
		return nil, err
	}
	cfg.DialFunc = dialTCP
	if s.SSHTunnel.Enable {
		cfg.DialFunc = s.SSHTunnel.Dial
		cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // the bastion knows its address
	}
	return cfg, nil
}

// reason is err without pgx's own words, which repeat the settings, in one line.
func reason(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	lines := strings.Split(err.Error(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return strings.Join(slices.Compact(lines), "; ")
}

func (s Settings) params() (params, pemText, error) {
	p := params{}
	if s.URL != "" {
		return p, pemText{}, p.fromURL(s.URL)
	}
	for _, must := range [][2]string{{"host", s.Host}, {"user", s.User}, {"database", s.Database}} {
		if must[1] == "" {
			return nil, pemText{}, fault.New(fault.BadConfig, "setting %q is missing", must[0]).
				WithHint("set host, user, password and database, or sqlalchemy_url")
		}
	}
	p["host"], p["port"], p["user"], p["dbname"] = s.Host, strconv.Itoa(s.Port), s.User, s.Database
	if s.Password != "" {
		p["password"] = s.Password
	}
	var inline pemText
	if on, _ := strconv.ParseBool(s.SSL); on {
		p["sslmode"] = "require"
	}
	if s.SSLEnable {
		p["sslmode"] = s.SSLMode
		if strings.HasPrefix(s.SSLMode, "verify-") {
			p.pem("sslrootcert", s.Authority, &inline.authority)
		}
	}
	if s.ClientEnable {
		p.pem("sslcert", s.ClientCert, &inline.cert)
		p.pem("sslkey", s.ClientKey, &inline.key)
		if (inline.cert == "") != (inline.key == "") { // one in a file, one as text: read the file
			for name, text := range map[string]*string{"sslcert": &inline.cert, "sslkey": &inline.key} {
				if path := p[name]; path != "" {
					raw, err := os.ReadFile(path)
					if err != nil {
						return nil, pemText{}, fault.Wrap(fault.BadConfig, err, "the client certificate cannot be read")
					}
					*text = string(raw)
					delete(p, name)
				}
			}
		}
	}
	return p, inline, nil
}

// params are libpq's connection parameters.
type params map[string]string

// dsn quotes every value, so that none can add a parameter.
func (p params) dsn() string {
	var b strings.Builder
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	for k, v := range p {
		fmt.Fprintf(&b, "%s='%s' ", k, quote.Replace(v))
	}
	return b.String()
}

// fromURL takes SQLAlchemy's form, whose scheme may name a driver.
func (p params) fromURL(text string) error {
	bad := func(why string) error {
		return fault.New(fault.BadConfig, "setting \"sqlalchemy_url\" %s", why).
			WithHint("it looks like postgresql://user:password@host:5432/database, with @ : / in the password written as %%40 %%3A %%2F")
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("is no URL") // err would repeat the password
	}
	if scheme, _, _ := strings.Cut(u.Scheme, "+"); scheme != "postgresql" && scheme != "postgres" {
		return bad(fmt.Sprintf("begins with %q, not with postgresql://", u.Scheme+"://"))
	}
	p["dbname"], p["user"] = strings.TrimPrefix(u.Path, "/"), u.User.Username()
	if password, ok := u.User.Password(); ok {
		p["password"] = password
	}
	places := strings.Split(u.Host, ",") // as libpq
	for k, v := range u.Query() {
		if p[k] = v[0]; k == "host" && len(v) > 1 { // as SQLAlchemy
			places = v
		}
	}
	p.hosts(places)
	if p["host"] == "" || p["dbname"] == "" || p["user"] == "" {
		return bad("must name user, host and database")
	}
	return nil
}

// hosts are the servers of a URL. Where several are named a parameter may say
// which of them is wanted (target_session_attrs), as with libpq.
func (p params) hosts(places []string) {
	var hosts, ports []string
	for _, place := range places {
		u := url.URL{Host: place}
		host, port := u.Hostname(), u.Port()
		if port == "" {
			port = "5432"
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	if _, given := p["host"]; !given || len(places) > 1 {
		p["host"] = strings.Join(hosts, ",")
	}
	if _, given := p["port"]; !given {
		p["port"] = strings.Join(ports, ",")
	}
}

// impatience is for how many seconds a server's answer is waited for: with
// several, the one that is tried first may be a machine that is no more.
func (p params) impatience() {
	switch {
	case p["connect_timeout"] != "":
	case strings.Contains(p["host"], ","):
		p["connect_timeout"] = "2"
	default:
		p["connect_timeout"] = "15"
	}
}

// pem stores a certificate that stands in a file as parameter, one given as
// text in text.
func (p params) pem(name, value string, text *string) {
	if strings.Contains(value, "-----BEGIN") {
		*text = value
		return
	}
	if rest, ok := strings.CutPrefix(value, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			value = filepath.Join(home, rest)
		}
	}
	p[name] = value
}

// pemText holds certificates that were given as text instead of as files.
type pemText struct{ authority, cert, key string }

func (t pemText) apply(cfg *pgx.ConnConfig) error {
	if t == (pemText{}) {
		return nil
	}
	configs := []*tls.Config{cfg.TLSConfig}
	for _, f := range cfg.Fallbacks {
		configs = append(configs, f.TLSConfig)
	}
	for _, c := range configs {
		if c == nil {
			continue
		}
		if t.authority != "" {
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM([]byte(t.authority)) {
				return fault.New(fault.BadConfig, "setting \"ssl_certificate_authority\" holds no usable certificate")
			}
			c.RootCAs = pool
		}
		if t.cert != "" {
			pair, err := tls.X509KeyPair([]byte(t.cert), []byte(t.key))
			if err != nil {
				return fault.Wrap(fault.BadConfig, err, "ssl_client_certificate and ssl_client_private_key do not fit together")
			}
			c.Certificates = []tls.Certificate{pair}
		}
	}
	return nil
}
