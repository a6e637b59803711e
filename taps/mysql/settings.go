package mysql

import (
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/internal/sshtunnel"
	"elt/taps"
)

// Naming dialects: whose stream names, catalog metadata and bookmarks we speak.
const (
	meltanoLabs  = "meltanolabs"
	transferwise = "transferwise"
)

type settings struct {
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Socket   string   `json:"unix_socket"`
	User     string   `json:"user"`
	Password string   `json:"password"`
	Database string   `json:"database"`
	URL      string   `json:"sqlalchemy_url"`
	Dialect  string   `json:"dialect"`
	DBs      []string `json:"filter_dbs"`
	Tables   []string `json:"filter_tables"`
	SSL      string   `json:"ssl"`
	Verify   bool     `json:"ssl_verify"`
	CA       string   `json:"ssl_ca"`
	Cert     string   `json:"ssl_cert"`
	Key      string   `json:"ssl_key"`
	Internal string   `json:"internal_hostname"`
	Session  []string `json:"session_sqls"`
	Retry    int      `json:"connect_retry_seconds"`
	Start    string   `json:"start_date"`
	End      string   `json:"end_date"`
	Method   string   `json:"default_replication_method"`
	Zero     string   `json:"zero_dates"`
	Boolean  bool     `json:"tinyint1_is_boolean"`
	OnError  string   `json:"on_stream_error"`
	ServerID uint32   `json:"server_id"`
	Engine   string   `json:"engine"`
	GTID     bool     `json:"use_gtid"`
	MaxRun   int64    `json:"replication_max_run_seconds"`

	Tunnel sshtunnel.Settings `json:"ssh_tunnel"`

	start, end time.Time // zero: open
	probing    bool      // a look at first rows is all that is wanted: no log is read
}

func decode(cfg spec.Config) (s settings, err error) {
	if err := cfg.Decode(&s); err != nil {
		return s, fault.Wrap(fault.BadConfig, err, "tap-mysql: the settings cannot be read")
	}
	if err := s.url(); err != nil {
		return s, err
	}
	if s.start, err = bound("start_date", s.Start); err != nil {
		return s, err
	}
	if s.end, err = bound("end_date", s.End); err != nil {
		return s, err
	}
	if !s.start.IsZero() && !s.end.IsZero() && !s.start.Before(s.end) {
		return s, fault.New(fault.BadConfig, "tap-mysql: start_date %s is not before end_date %s", s.Start, s.End)
	}
	trim := func(list []string) []string {
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		return slices.DeleteFunc(list, func(n string) bool { return n == "" })
	}
	s.DBs, s.Tables = trim(s.DBs), trim(s.Tables)
	if len(s.DBs) == 0 && s.Database != "" && s.Dialect == meltanoLabs {
		s.DBs = []string{s.Database}
	}
	return s, nil
}

// logBased says that some stream is read from the binlog.
func (s settings) logBased(catalog *singer.Catalog) bool {
	if s.probing {
		return false
	}
	if catalog == nil {
		return s.Method == singer.LogBased
	}
	return catalog.LogBased(s.Method)
}

func bound(setting, text string) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err = time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return t, fault.New(fault.BadConfig, "tap-mysql: %s is %q, which is no date", setting, text).WithHint("write it like 2024-01-31 or 2024-01-31T00:00:00Z")
}

// Spec lists the settings of both families of plugins.
func (tap) Spec() spec.Spec {
	own := []spec.Setting{
		{Name: "host", Type: spec.String, Default: "localhost", Help: "Host name or address of the server.", Example: "db.example.com"},
		{Name: "port", Type: spec.Integer, Default: 3306, Help: "Port of the server.", Example: "3307"},
		{Name: "unix_socket", Type: spec.String, Help: "Path of the server's Unix socket, instead of host and port.", Example: "/run/mysqld/mysqld.sock"},
		{Name: "user", Type: spec.String, Help: "User to log in as.", Example: "reader"},
		{Name: "password", Type: spec.String, Secret: true, Help: "Password of the user.", Example: "${MYSQL_PASSWORD}"},
		{Name: "database", Type: spec.String, Help: "Database of the session; in the meltanolabs dialect the one to read, unless filter_dbs names others.", Example: "shop"},
		{Name: "sqlalchemy_url", Type: spec.String, Secret: true, Help: "URL to connect to instead of host, port, user, password and database.", Example: "mysql+pymysql://user:password@host:3306/database"},
		{Name: "dialect", Type: spec.String, Default: meltanoLabs, OneOf: []string{meltanoLabs, transferwise}, Help: "Whose catalog metadata, table versions and bookmarks to speak.", Example: "transferwise"},
		{Name: "filter_dbs", Aliases: []string{"filter_schemas"}, Type: spec.Array, Help: "Databases to read; without it all but the system's.", Example: "shop,crm"},
		{Name: "filter_tables", Type: spec.Array, Help: "Tables to read; without it all.", Example: "orders,customers"},
		{Name: "ssl", Type: spec.String, Help: "\"true\" demands an encrypted connection (PipelineWise's spelling); the server is checked only with ssl_verify or ssl_ca.", Example: "true"},
		{Name: "ssl_verify", Type: spec.Boolean, Default: false, Help: "Check the server's certificate and name.", Example: "true"},
		{Name: "ssl_ca", Type: spec.String, Help: "Certificate authority of the server: a file, or the PEM text itself.", Example: "/etc/ssl/db-ca.pem"},
		{Name: "ssl_cert", Type: spec.String, Help: "Client certificate: a file, or the PEM text itself.", Example: "client.crt"},
		{Name: "ssl_key", Type: spec.String, Secret: true, Help: "Key of the client certificate: a file, or the PEM text itself.", Example: "client.key"},
		{Name: "internal_hostname", Type: spec.String, Help: "The name that the server's certificate bears, where that is another than host.", Example: "project:instance"},
		{Name: "session_sqls", Type: spec.Array, Help: "Statements that set up the session; one that the server refuses is warned about.", Example: `["SET @@session.wait_timeout=28800"]`},
		{Name: "cursorclass", Type: spec.String, Help: "Accepted for compatibility: rows are always read as they come.", Example: "pymysql.cursors.SSCursor"},
		{Name: "connect_retry_seconds", Type: spec.Integer, Default: 30, Help: "For how long an absent server is tried again at the start.", Example: "60"},
		{Name: "default_replication_method", Type: spec.String, Default: singer.FullTable, OneOf: []string{singer.FullTable, singer.Incremental, singer.LogBased}, Help: "How streams are replicated of which the catalog does not say it.", Example: "INCREMENTAL"},
		{Name: "start_date", Type: spec.Date, Help: "Of INCREMENTAL streams, read no row whose replication key, a date or timestamp, is older; rows without a key are not read then.", Example: "2024-01-01T00:00:00Z"},
		{Name: "end_date", Type: spec.Date, Help: "Of INCREMENTAL streams, read no row whose replication key is this or newer: the window is half open.", Example: "2024-02-01T00:00:00Z"},
		{Name: "zero_dates", Type: spec.String, Default: "null", OneOf: []string{"null", "fail"}, Help: "What becomes of 0000-00-00: null, with a warning, or a failed stream.", Example: "fail"},
		{Name: "tinyint1_is_boolean", Type: spec.Boolean, Default: true, Help: "tinyint(1) is a boolean; one that holds other numbers becomes text.", Example: "false"},
		{Name: "server_id", Type: spec.Integer, Default: 0, Help: "Of LOG_BASED: the id of the first stream as a replica, the next stream's is one more; they must be free. 0 is a random one.", Example: "5000"},
		{Name: "engine", Type: spec.String, OneOf: []string{"mysql", "mariadb"}, Help: "Of LOG_BASED: whose GTIDs and snapshots to expect; without it the server's version says so.", Example: "mariadb"},
		{Name: "use_gtid", Type: spec.Boolean, Default: false, Help: "Of LOG_BASED: go on by GTID, which means the same on every server of a cluster, instead of file and position.", Example: "true"},
		{Name: "replication_max_run_seconds", Type: spec.Integer, Default: 0, Help: "Of LOG_BASED: stop at the next end of a transaction after so long, and go on in the next run; 0 is no limit.", Example: "600"},
	}
	own = append(own, sshtunnel.Spec("ssh_tunnel")...)
	return spec.Spec{
		Name:         "tap-mysql",
		Summary:      "Reads tables and views of MySQL and MariaDB.",
		Settings:     slices.Concat(own, taps.Settings()),
		Capabilities: []string{"catalog", "discover", "state", "about", "log-based"},
		Window:       &spec.Window{Start: "start_date", End: "end_date"},
		Replaces: []spec.Replacement{
			{Package: "pipelinewise-tap-mysql", Variant: "transferwise", Dialect: transferwise},
			{Variant: "meltanolabs", Dialect: meltanoLabs},
		},
	}
}
