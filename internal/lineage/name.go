package lineage

import (
	"encoding/json"
	"net"
	"net/url"
	"path/filepath"
	"strings"
)

// Name is how a dataset is called: by the naming rules of OpenLineage
// (spec/Naming.md) where they have one for the kind of store, and where they
// have none by ours, which docs/observability.md lists.
type Name struct{ Namespace, Name string }

// Place is a connector with its settings.
type Place struct {
	Plugin string // its name: "tap-postgres"
	Root   string // of the project: what relative paths begin at
	Config json.RawMessage
}

// Of names what holds a stream: table is its schema and name as the connector
// splits the stream's, schema "" when it does not say.
func (p Place) Of(stream, schema, table string) Name {
	c := map[string]any{}
	_ = json.Unmarshal(p.Config, &c) // what is no object has no settings
	get := func(names ...string) string {
		for _, name := range names {
			if v, ok := c[name].(string); ok && v != "" {
				return v
			}
			if v, ok := c[name].(float64); ok {
				text, _ := json.Marshal(v)
				return string(text)
			}
		}
		return ""
	}
	of := func(parts ...string) string {
		var all []string
		for _, part := range parts {
			if part != "" {
				all = append(all, part)
			}
		}
		return strings.Join(all, ".")
	}
	kind := p.Plugin[strings.Index(p.Plugin, "-")+1:]
	switch {
	case strings.Contains(kind, "postgres"), strings.Contains(kind, "redshift"), strings.Contains(kind, "mysql"), strings.Contains(kind, "mssql"):
		scheme, port := "postgres", "5432"
		switch {
		case strings.Contains(kind, "mysql"):
			scheme, port = "mysql", "3306"
		case strings.Contains(kind, "mssql"):
			scheme, port = "mssql", "1433"
		case strings.Contains(kind, "redshift"):
			scheme, port = "redshift", "5439"
		}
		host, database := get("host"), get("dbname", "database")
		if given := get("port"); given != "" {
			port = given
		}
		if u, err := url.Parse(get("sqlalchemy_url", "dburi", "uri", "url")); err == nil && u.Host != "" {
			u.Host, _, _ = strings.Cut(u.Host, ",") // of several servers the first stands for all
			host, database = u.Hostname(), strings.TrimPrefix(u.Path, "/")
			if u.Port() != "" {
				port = u.Port()
			}
		}
		if host == "" {
			host = "localhost"
		}
		if schema == "" {
			if schema = get("default_target_schema", "schema"); schema == "" && scheme == "postgres" {
				schema = "public"
			}
		}
		return Name{scheme + "://" + net.JoinHostPort(host, port), of(database, schema, table)}
	case strings.Contains(kind, "snowflake"):
		if schema == "" {
			schema = get("default_target_schema", "schema")
		}
		// Without quotes Snowflake keeps names in capitals.
		return Name{"snowflake://" + strings.ToLower(strings.TrimSuffix(get("account"), ".snowflakecomputing.com")),
			strings.ToUpper(of(get("database", "dbname"), schema, table))}
	case strings.Contains(kind, "sqlite"):
		return Name{"file", p.path(get("database", "path_to_db", "path")) + ":" + table}
	}
	if path := get("path", "destination_path", "output_path", "folder", "directory", "filepath"); path != "" && !strings.Contains(path, "://") {
		return Name{"file", filepath.Join(p.path(path), stream)}
	}
	if u, err := url.Parse(get("api_url", "base_url", "url", "url_base", "host")); err == nil && u.Host != "" {
		return Name{u.Scheme + "://" + u.Host, stream}
	}
	return Name{"singer://" + p.Plugin, stream}
}

func (p Place) path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.Root, path)
}
