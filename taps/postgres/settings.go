package postgres

import (
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/pgdial"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// Naming dialects: whose stream names, catalog metadata and bookmarks we speak.
const (
	meltanoLabs  = "meltanolabs"
	transferwise = "transferwise"
)

type settings struct {
	pgdial.Settings
	Dialect       string                   `json:"dialect"`
	Schemas       []string                 `json:"filter_schemas"`
	DatesAsString bool                     `json:"dates_as_string"`
	MaxRecords    int64                    `json:"max_record_count"`
	Limit         int64                    `json:"limit"`
	Options       map[string]streamOptions `json:"stream_options"`
	Method        string                   `json:"default_replication_method"`
	Activate      bool                     `json:"emit_activate_version_messages"`
	OnError       string                   `json:"on_stream_error"`
	Secondary     bool                     `json:"use_secondary"`
	SecondaryHost string                   `json:"secondary_host"`
	SecondaryPort int                      `json:"secondary_port"`
	Lookback      string                   `json:"incremental_lookback"`
	Start         string                   `json:"start_date"`
	End           string                   `json:"end_date"`
	Log           logSettings              `json:"-"`

	primary pgdial.Settings // the server whose log is read
}

type streamOptions struct {
	Where []string `json:"custom_where_clauses"`
}

func decode(cfg spec.Config) (settings, error) {
	var s settings
	if err := cfg.Decode(&s); err != nil {
		return s, fault.Wrap(fault.BadConfig, err, "tap-postgres: the settings cannot be read")
	}
	if err := cfg.Decode(&s.Log); err != nil {
		return s, fault.Wrap(fault.BadConfig, err, "tap-postgres: the settings of LOG_BASED replication cannot be read")
	}
	s.primary = s.Settings
	if s.Secondary {
		if s.SecondaryHost == "" || s.SecondaryPort == 0 {
			return s, fault.New(fault.BadConfig, "tap-postgres: use_secondary needs secondary_host and secondary_port")
		}
		s.Host, s.Port = s.SecondaryHost, s.SecondaryPort
	}
	if err := s.checkWindow(); err != nil {
		return s, err
	}
	return s, nil
}

// schemas are the schemas to discover, nil for all but the system's.
func (s settings) schemas() []string {
	var names []string
	for _, name := range s.Schemas {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Spec lists the settings of both families of plugins.
func (tap) Spec() spec.Spec {
	own := []spec.Setting{
		{Name: "dialect", Type: spec.String, Default: meltanoLabs, OneOf: []string{meltanoLabs, transferwise}, Help: "Whose catalog metadata, table versions and bookmarks to speak.", Example: "transferwise"},
		{Name: "filter_schemas", Type: spec.Array, Help: "Schemas to read; without it all but the system's.", Example: "public,sales"},
		{Name: "default_replication_method", Type: spec.String, Default: singer.FullTable, OneOf: []string{singer.FullTable, singer.Incremental, singer.LogBased}, Help: "How streams are replicated of which the catalog does not say it.", Example: "INCREMENTAL"},
		{Name: "stream_options", Type: spec.Object, Help: "Per stream: custom_where_clauses, a list of SQL conditions that all rows must meet.", Example: `{"public-orders": {"custom_where_clauses": ["status <> 'draft'"]}}`},
		{Name: "max_record_count", Type: spec.Integer, Help: "Read at most so many rows of each stream.", Example: "1000"},
		{Name: "limit", Type: spec.Integer, Help: "Read at most so many rows of each INCREMENTAL stream per run.", Example: "100000"},
		{Name: "incremental_lookback", Type: spec.String, Help: "How far below their bookmark INCREMENTAL streams read again: an interval for times, a number for numbers. For keys that are written late, as by clients with clocks of their own; open transactions are seen without it.", Example: "10 minutes"},
		{Name: "start_date", Type: spec.Date, Help: "Of INCREMENTAL streams, read no row whose replication key, a date or timestamp, is older; rows without a key are not read then.", Example: "2024-01-01T00:00:00Z"},
		{Name: "end_date", Type: spec.Date, Help: "Of INCREMENTAL streams, read no row whose replication key is this or newer: the window is half open.", Example: "2024-02-01T00:00:00Z"},
		{Name: "dates_as_string", Type: spec.Boolean, Default: false, Help: "Hand on dates and timestamps as the text that PostgreSQL prints.", Example: "true"},
		{Name: "json_as_object", Type: spec.Boolean, Default: false, Help: "Accepted for compatibility: json and jsonb always travel as JSON.", Example: "true"},
		{Name: "emit_activate_version_messages", Type: spec.Boolean, Default: false, Help: "Give FULL_TABLE streams a table version, so that rows which are gone get deleted; always on in the transferwise dialect.", Example: "true"},
		{Name: "use_secondary", Type: spec.Boolean, Default: false, Help: "Read from secondary_host and secondary_port.", Example: "true"},
		{Name: "secondary_host", Type: spec.String, Help: "Host of a replica.", Example: "replica.example.com"},
		{Name: "secondary_port", Type: spec.Integer, Help: "Port of the replica.", Example: "5432"},
		{Name: "itersize", Type: spec.Integer, Help: "Accepted for compatibility: COPY needs no cursor.", Example: "20000"},
	}
	own = append(own, logSpec()...)
	return spec.Spec{
		Name:         "tap-postgres",
		Summary:      "Reads tables and views of a PostgreSQL database by binary COPY.",
		Settings:     slices.Concat(pgdial.Spec(), own, taps.Settings()),
		Capabilities: []string{"catalog", "discover", "state", "about", "log-based"},
		Window:       &spec.Window{Start: "start_date", End: "end_date"},
		Replaces: []spec.Replacement{
			{Package: "meltanolabs-tap-postgres", Variant: "meltanolabs", Dialect: meltanoLabs},
			{Package: "pipelinewise-tap-postgres", Variant: "transferwise", Dialect: transferwise},
		},
	}
}
