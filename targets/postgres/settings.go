package postgres

import (
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/fault"
	"elt/internal/spec"
	"elt/internal/sqltarget"
)

// The two naming dialects: MeltanoLabs' (names as they are) and pipelinewise's (lower case).
const (
	sdkDialect          = "meltanolabs"
	pipelinewiseDialect = "pipelinewise"
)

func connection() []spec.Setting {
	return []spec.Setting{
		{Name: "host", Type: spec.String, Default: "localhost", Help: "Host name or address of the server.", Example: "db.example.com"},
		{Name: "port", Type: spec.Integer, Default: 5432, Help: "Port of the server."},
		{Name: "user", Type: spec.String, Help: "User to log in as."},
		{Name: "password", Type: spec.String, Secret: true, Help: "Password of the user."},
		{Name: "database", Aliases: []string{"dbname"}, Type: spec.String, Help: "Database to load into."},
		{Name: "sqlalchemy_url", Type: spec.String, Secret: true, Help: "Everything about the connection as one URL; wins over the single settings.", Example: "postgresql://user:password@host:5432/database"},
		{Name: "dialect+driver", Type: spec.String, Help: "Accepted for compatibility and ignored."},
		{Name: "use_copy", Type: spec.Boolean, Help: "Accepted for compatibility: rows always go in by COPY."},
		{Name: "dialect", Type: spec.String, Default: sdkDialect, OneOf: []string{sdkDialect, pipelinewiseDialect},
			Help: "How names are made: meltanolabs keeps them as they are, pipelinewise turns them into lower case."},
		{Name: "default_target_schema", Type: spec.String, Help: "Schema for all streams; meltanolabs: melty when nothing is said.", Example: "raw"},
		{Name: "schema_mapping", Type: spec.Object, Help: "Per source schema (the first part of stream names like schema-table) the target_schema to load into.", Example: `{"public": {"target_schema": "raw_public"}}`},
		{Name: "default_target_schema_select_permission", Aliases: []string{"default_target_schema_select_permissions"}, Type: spec.Array, Help: "Roles that may read every new table."},
		{Name: "ssl", Type: spec.Boolean, Default: false, Help: "Insist on an encrypted connection."},
		{Name: "ssl_enable", Type: spec.Boolean, Default: false, Help: "Insist on an encrypted connection, as ssl_mode says."},
		{Name: "ssl_mode", Type: spec.String, Default: "verify-full", OneOf: []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, Help: "How the server's certificate is checked when ssl_enable is set."},
		{Name: "ssl_certificate_authority", Type: spec.String, Default: "~/.postgresql/root.crl", Help: "Certificate authority: a path or the PEM text."},
		{Name: "ssl_client_certificate_enable", Type: spec.Boolean, Default: false, Help: "Show a client certificate."},
		{Name: "ssl_client_certificate", Type: spec.String, Default: "~/.postgresql/postgresql.crt", Help: "Client certificate: a path or the PEM text."},
		{Name: "ssl_client_private_key", Type: spec.String, Secret: true, Default: "~/.postgresql/postgresql.key", Help: "Key of the client certificate: a path or the PEM text."},
		{Name: "ssl_storage_directory", Type: spec.String, Help: "Accepted for compatibility: certificates given as text are not stored."},
		{Name: "max_parallelism", Aliases: []string{"parallelism_max"}, Type: spec.Integer, Help: "How many connections load at the same time; one per core and at most 4 when nothing is said."},
		{Name: "connect_timeout", Type: spec.Integer, Default: 30, Help: "Seconds to go on trying while the server does not answer."},
		{Name: "lock_timeout", Type: spec.Integer, Default: 0, Help: "Seconds to wait for a lock that somebody else holds, 0: as long as it takes."},
		{Name: "statement_timeout", Type: spec.Integer, Default: 0, Help: "Seconds a statement may take, 0: as long as it takes."},
	}
}

type settings struct {
	sqltarget.Options
	Host          string `json:"host"`
	Port          int    `json:"port"`
	User          string `json:"user"`
	Password      string `json:"password"`
	Database      string `json:"database"`
	URL           string `json:"sqlalchemy_url"`
	Dialect       string `json:"dialect"`
	Schema        string `json:"default_target_schema"`
	SchemaMapping map[string]struct {
		Target   string `json:"target_schema"`
		Grantees names  `json:"target_schema_select_permissions"`
	} `json:"schema_mapping"`
	Grantees         names  `json:"default_target_schema_select_permission"`
	SSL              bool   `json:"ssl"`
	SSLEnable        bool   `json:"ssl_enable"`
	SSLMode          string `json:"ssl_mode"`
	SSLAuthority     string `json:"ssl_certificate_authority"`
	SSLClient        bool   `json:"ssl_client_certificate_enable"`
	SSLCertificate   string `json:"ssl_client_certificate"`
	SSLKey           string `json:"ssl_client_private_key"`
	Parallelism      int    `json:"max_parallelism"`
	ConnectTimeout   int    `json:"connect_timeout"`
	LockTimeout      int    `json:"lock_timeout"`
	StatementTimeout int    `json:"statement_timeout"`
}

// names is a list of names that may also be written as one name.
type names []string

func (l *names) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*l = names{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(l))
}

func (s *settings) check() error {
	if s.pipelinewise() && s.Schema == "" && len(s.SchemaMapping) == 0 {
		return fault.New(fault.BadConfig, "target-postgres: neither default_target_schema nor schema_mapping is set").
			WithHint("name the schema to load into: default_target_schema: raw")
	}
	if s.URL == "" && s.Database == "" {
		return fault.New(fault.BadConfig, "target-postgres: setting %q is missing", "database").WithHint("name the database to load into, or give everything in sqlalchemy_url")
	}
	return nil
}

func (s *settings) pipelinewise() bool { return s.Dialect == pipelinewiseDialect }

func (s *settings) metadata() sqltarget.Metadata {
	switch {
	case s.pipelinewise() && (s.AddMetadata != nil && *s.AddMetadata || s.HardDelete):
		return sqltarget.PipelinewiseMetadata
	case !s.pipelinewise() && (s.AddMetadata == nil || *s.AddMetadata):
		return sqltarget.SDKMetadata
	}
	return sqltarget.NoMetadata
}

func (s *settings) naming() sqltarget.Naming {
	return sqltarget.Naming{Lower: s.pipelinewise(), Max: 63,
		Reserved: []string{"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"}}
}

// home is the schema of _elt_state.
func (s *settings) home() string {
	n := s.naming()
	switch {
	case s.Schema != "":
		return n.Ident(s.Schema)
	case !s.pipelinewise():
		return "melty"
	}
	var all []string
	for _, m := range s.SchemaMapping {
		all = append(all, m.Target)
	}
	slices.Sort(all)
	return n.Ident(all[0])
}

// place is the schema and table of a stream, and who may read it.
func (s *settings) place(stream string) (schema, table string, grantees []string, err error) {
	n, split := s.naming(), sqltarget.SDK
	if s.pipelinewise() {
		split = sqltarget.Pipelinewise
	}
	from, table := split.Table(stream)
	grantees = s.Grantees
	if m, ok := s.SchemaMapping[from]; ok && from != "" {
		schema = m.Target
		if m.Grantees != nil {
			grantees = m.Grantees
		}
	} else if s.Schema != "" {
		schema = s.Schema
	} else if !s.pipelinewise() {
		if schema = from; schema == "" {
			schema = "melty"
		}
	}
	if schema == "" {
		return "", "", nil, fault.New(fault.BadConfig, "target-postgres: no schema for stream %q: schema_mapping has no %q and default_target_schema is not set", stream, from)
	}
	return n.Ident(schema), n.Ident(table), grantees, nil
}

// server is the driver's configuration.
func (s *settings) server() (*pgconn.Config, error) {
	u := &url.URL{Scheme: "postgres", Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), Path: "/" + s.Database}
	if s.User != "" {
		u.User = url.UserPassword(s.User, s.Password)
	}
	q := url.Values{}
	if s.URL != "" {
		given, err := url.Parse(s.URL)
		if err != nil {
			return nil, fault.New(fault.BadConfig, "target-postgres: setting %q is no URL", "sqlalchemy_url")
		}
		given.Scheme = "postgres" // without "+driver"
		u, q = given, given.Query()
	}
	if strings.HasPrefix(s.Host, "/") && s.URL == "" { // a unix socket's folder
		u.Host = ""
		q.Set("host", s.Host)
		q.Set("port", strconv.Itoa(s.Port))
	}
	temp, err := s.encryption(q)
	if temp != "" {
		defer os.RemoveAll(temp)
	}
	if err != nil {
		return nil, err
	}
	u.RawQuery = q.Encode()
	cfg, err := pgconn.ParseConfig(u.String())
	if err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "target-postgres: the connection's settings are not right")
	}
	params := cfg.RuntimeParams
	params["application_name"] = "elt target-postgres"
	params["client_encoding"] = "UTF8"
	params["client_min_messages"] = "error" // notices nobody reads could fill the socket during a COPY
	params["timezone"] = "UTC"
	params["lock_timeout"] = strconv.Itoa(s.LockTimeout * 1000)
	params["statement_timeout"] = strconv.Itoa(s.StatementTimeout * 1000)
	params["idle_in_transaction_session_timeout"] = "0"
	cfg.ConnectTimeout = 10 * time.Second
	return cfg, nil
}

// encryption adds the ssl settings to the URL's query. Certificates given as
// text lie in the returned folder until the driver has read them.
func (s *settings) encryption(q url.Values) (temp string, err error) {
	if !s.SSLEnable {
		if s.SSL {
			q.Set("sslmode", "require")
		}
		return "", nil
	}
	q.Set("sslmode", s.SSLMode)
	file := func(param, value string) error {
		if strings.Contains(value, "-----BEGIN") {
			if temp == "" {
				if temp, err = os.MkdirTemp("", "elt-ssl-"); err != nil {
					return err
				}
			}
			path := filepath.Join(temp, param)
			q.Set(param, path)
			return os.WriteFile(path, []byte(value), 0o600)
		}
		if rest, ok := strings.CutPrefix(value, "~/"); ok {
			home, err := os.UserHomeDir()
			if err != nil {
				return err
			}
			value = filepath.Join(home, rest)
		}
		q.Set(param, value)
		return nil
	}
	if strings.HasPrefix(s.SSLMode, "verify-") {
		if err := file("sslrootcert", s.SSLAuthority); err != nil {
			return temp, err
		}
	}
	if s.SSLClient {
		if err := file("sslcert", s.SSLCertificate); err != nil {
			return temp, err
		}
		return temp, file("sslkey", s.SSLKey)
	}
	return temp, nil
}

// micros is now in µs since 2000-01-01 UTC.
func micros() int64 { return time.Now().UnixMicro() - 946684800_000_000 }
