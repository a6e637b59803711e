package jdbc

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/secret"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/httpapi"
)

type settings struct {
	Jars        []string       `json:"driver_jars"`
	Class       string         `json:"driver_class"`
	URL         string         `json:"url"`
	User        string         `json:"user"`
	Password    string         `json:"password"`
	Properties  map[string]any `json:"properties"`
	Java        string         `json:"java"`
	Options     []string       `json:"jvm_options"`
	Fetch       int            `json:"fetch_size"`
	Schemas     []string       `json:"schemas"`
	Tables      []string       `json:"tables"`
	Streams     []entry        `json:"streams"`
	StartDate   string         `json:"start_date"`
	EndDate     string         `json:"end_date"`
	Page        int            `json:"page_size"`
	Limit       string         `json:"limit_clause"`
	Lookback    float64        `json:"lookback_seconds"`
	Quote       *string        `json:"identifier_quote"`
	Literals    bool           `json:"literals"`
	Method      string         `json:"default_replication_method"`
	Parallelism int            `json:"parallelism"`
	OnError     string         `json:"on_stream_error"`

	jars       []string // absolute paths
	flags      []string // of jvm_options, what is no system property
	system     []string // names and values of system properties
	connection []string // names and values of connection properties
	start, end time.Time
	hidden     *secret.Redactor
}

// entry is a stream of the user's own.
type entry struct {
	Name   string   `json:"name"`
	Query  string   `json:"query"`
	Schema string   `json:"schema"`
	Table  string   `json:"table"`
	Keys   []string `json:"key_properties"`
	Key    string   `json:"replication_key"`
	Method string   `json:"replication_method"`
}

func decode(cfg spec.Config) (*settings, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "tap-jdbc: the settings cannot be read")
	}
	bad := func(format string, args ...any) error {
		return fault.New(fault.BadConfig, "tap-jdbc: "+format, args...)
	}
	if !strings.HasPrefix(s.URL, "jdbc:") {
		return nil, fault.New(fault.BadConfig, "tap-jdbc: the setting url does not begin with jdbc:").WithHint("JDBC URLs look like jdbc:postgresql://db.example.com:5432/shop; see the driver's documentation")
	}
	var err error
	if s.jars, err = expand(s.Jars); err != nil {
		return nil, err
	}
	if len(s.jars) == 0 {
		return nil, fault.New(fault.BadConfig, "tap-jdbc: driver_jars names no jar").WithHint("get the driver's jar from the database's vendor and name its path")
	}
	if s.start, err = httpapi.ParseTime("start_date", s.StartDate); err != nil {
		return nil, err
	}
	if s.end, err = httpapi.ParseTime("end_date", s.EndDate); err != nil {
		return nil, err
	}
	if !s.end.IsZero() && !s.start.Before(s.end) {
		return nil, bad("start_date %s is not before end_date %s", s.StartDate, s.EndDate)
	}
	if s.Page < 0 || s.Fetch < 0 || s.Lookback < 0 {
		return nil, bad("page_size, fetch_size and lookback_seconds cannot be negative")
	}
	seen := map[string]bool{}
	for i, e := range s.Streams {
		switch {
		case e.Name == "":
			return nil, bad("streams[%d] has no name", i)
		case seen[e.Name]:
			return nil, bad("two streams are called %q", e.Name)
		case (e.Query == "") == (e.Table == ""):
			return nil, bad("stream %q needs either a query or a table", e.Name)
		}
		seen[e.Name] = true
	}
	s.properties()
	return s, nil
}

// properties sorts what goes to Java, and learns what must not be shown.
func (s *settings) properties() {
	s.system = []string{"user.timezone", "UTC"} // java.sql's own dates are in this zone, and without summer time nothing is shifted
	for _, o := range s.Options {
		// On the command line everybody could read it (invariant 10).
		if name, value, ok := property(o); ok {
			s.system = append(s.system, name, value)
		} else {
			s.flags = append(s.flags, o)
		}
	}
	if s.User != "" {
		s.connection = append(s.connection, "user", s.User)
	}
	if s.Password != "" {
		s.connection = append(s.connection, "password", s.Password)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		s.connection = append(s.connection, name, fmt.Sprint(s.Properties[name]))
	}
	s.hidden = &secret.Redactor{}
	s.hidden.Add(s.Password)
	s.hidden.Add(s.secrets()...)
}

// property is name and value of an option -Dname=value.
func property(option string) (name, value string, ok bool) {
	rest, ok := strings.CutPrefix(option, "-D")
	if !ok {
		return "", "", false
	}
	name, value, _ = strings.Cut(rest, "=")
	return name, value, true
}

// entry is the user's stream of that name, nil when there is none.
func (s *settings) entry(name string) *entry {
	if i := slices.IndexFunc(s.Streams, func(e entry) bool { return e.Name == name }); i >= 0 {
		return &s.Streams[i]
	}
	return nil
}

// Spec lists the settings.
func (tap) Spec() spec.Spec {
	shared := taps.Settings()
	for i := range shared {
		if shared[i].Name == "parallelism" {
			shared[i].Default, shared[i].Help = 1, "How many streams are read at the same time; each has a Java process and a connection of its own."
		}
	}
	return spec.Spec{
		Name:    "tap-jdbc",
		Summary: "Reads any database that has a JDBC driver: tables, views and queries.",
		Settings: append([]spec.Setting{
			{Name: "driver_jars", Type: spec.Array, Required: true, Help: "The driver's jar and those that it needs: paths, folders or globs. No driver is part of elt.", Example: "drivers/postgresql-42.7.4.jar"},
			{Name: "driver_class", Type: spec.String, Help: "The driver's class, where its jar does not name it.", Example: "com.xactly.connect.jdbc.Driver"},
			{Name: "url", Aliases: []string{"jdbc_url"}, Type: spec.String, Required: true, Secret: true, Help: "The JDBC URL, as the driver's documentation describes it; secret, since it may hold credentials.", Example: "jdbc:postgresql://db.example.com:5432/shop"},
			{Name: "user", Aliases: []string{"username"}, Type: spec.String, Help: "The user to log in as.", Example: "reader"},
			{Name: "password", Type: spec.String, Secret: true, Help: "The user's password.", Example: "$TAP_JDBC_PASSWORD"},
			{Name: "properties", Type: spec.Object, Secret: true, Help: "Further properties for the driver.", Example: `{"ssl": "true"}`},
			{Name: "java", Type: spec.String, Help: "The java program; without it that of JAVA_HOME, else the one on PATH. Java 8 or newer.", Example: "/usr/lib/jvm/default-java/bin/java"},
			{Name: "jvm_options", Type: spec.Array, Secret: true, Help: "Options for Java. System properties (-Dname=value) are not shown in the process list.", Example: `["-Xmx512m"]`},
			{Name: "fetch_size", Type: spec.Integer, Default: 10000, Help: "How many rows the driver asks for at once.", Example: "1000"},
			{Name: "schemas", Type: spec.Array, Help: "Schemas (in MySQL and its kin: databases) to discover; without it all but the system's.", Example: "PUBLIC,SALES"},
			{Name: "tables", Type: spec.Array, Help: "Tables to discover, by name or pattern, with or without their schema; without it all.", Example: "orders,sales.line_*"},
			{Name: "streams", Type: spec.Array, Help: "Streams of your own: name, and query or table (with schema), key_properties, replication_key, replication_method. With them, discovery lists tables only where schemas or tables is set.", Example: `[{"name": "big_orders", "query": "select * from orders where total > 1000", "key_properties": ["ID"], "replication_key": "CHANGED"}]`},
			{Name: "default_replication_method", Type: spec.String, Default: singer.FullTable, OneOf: []string{singer.FullTable, singer.Incremental}, Help: "How streams are replicated that have no replication key; with a key it is INCREMENTAL.", Example: "INCREMENTAL"},
			{Name: "start_date", Type: spec.Date, Help: "INCREMENTAL streams: nothing whose replication key is older is read.", Example: "2024-01-01T00:00:00Z"},
			{Name: "end_date", Type: spec.Date, Help: "INCREMENTAL streams: nothing from here on is read; the window is half open.", Example: "2024-02-01T00:00:00Z"},
			{Name: "lookback_seconds", Type: spec.Number, Default: 0, Help: "How far before its bookmark a stream is read again, for rows that were committed late.", Example: "3600"},
			{Name: "page_size", Type: spec.Integer, Default: 0, Help: "Reads so many rows per query, each page from the key of the last; 0 reads a stream with one query.", Example: "10000"},
			{Name: "limit_clause", Type: spec.String, Default: "auto", Help: "What ends the query of a page, with {n} for the number of rows; auto knows the common databases, none leaves it to the driver.", Example: "FETCH FIRST {n} ROWS ONLY"},
			{Name: "identifier_quote", Type: spec.String, Help: "The character around names; without it the one that the driver says, empty for none.", Example: `"`},
			{Name: "literals", Type: spec.Boolean, Default: false, Help: "Writes values into the query, for drivers that know no parameters.", Example: "true"},
		}, shared...),
		Capabilities: []string{"catalog", "discover", "state", "about"},
		Hidden:       hidden,
		Window:       &spec.Window{Start: "start_date", End: "end_date"},
	}
}
