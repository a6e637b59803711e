package sqlite

import (
	"time"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

type settings struct {
	Database  string            `json:"database"`
	Attach    map[string]string `json:"attach"`
	Tables    []string          `json:"tables"`
	Method    string            `json:"default_replication_method"`
	Start     string            `json:"start_date"`
	End       string            `json:"end_date"`
	Immutable bool              `json:"immutable"`
	Busy      int               `json:"busy_timeout"`
	OnError   string            `json:"on_stream_error"`

	start, end time.Time // zero: open
}

func decode(cfg spec.Config) (s settings, err error) {
	if err := cfg.Decode(&s); err != nil {
		return s, fault.Wrap(fault.BadConfig, err, "tap-sqlite: the settings cannot be read").WithHint(`attach is written {"other": "other.db"}`)
	}
	for name := range s.Attach {
		if name == "main" || name == "temp" || name == "" {
			return s, fault.New(fault.BadConfig, "tap-sqlite: an attached file cannot be called %q", name).WithHint("choose another name in attach")
		}
	}
	if s.start, err = bound("start_date", s.Start); err != nil {
		return s, err
	}
	if s.end, err = bound("end_date", s.End); err != nil {
		return s, err
	}
	if !s.start.IsZero() && !s.end.IsZero() && !s.start.Before(s.end) {
		return s, fault.New(fault.BadConfig, "tap-sqlite: start_date %s is not before end_date %s", s.Start, s.End)
	}
	if s.Busy < 0 {
		return s, fault.New(fault.BadConfig, "tap-sqlite: busy_timeout cannot be negative")
	}
	return s, nil
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
	return t, fault.New(fault.BadConfig, "tap-sqlite: %s is %q, which is no date", setting, text).WithHint("write it like 2024-01-31 or 2024-01-31T00:00:00Z")
}

// Spec lists the settings.
func (tap) Spec() spec.Spec {
	var shared []spec.Setting
	for _, set := range taps.Settings() {
		if set.Name == "parallelism" {
			set.Help = "Accepted; streams are read one after the other, in one transaction."
		}
		shared = append(shared, set)
	}
	return spec.Spec{
		Name:    "tap-sqlite",
		Summary: "Reads tables and views of SQLite files, all as of one moment.",
		Settings: append([]spec.Setting{
			{Name: "database", Aliases: []string{"path", "db_path", "path_to_db"}, Type: spec.String, Required: true, Help: "The file. It is opened read-only, and never made.", Example: "shop.db"},
			{Name: "attach", Type: spec.Object, Help: "Further files by name: their streams are called NAME-TABLE.", Example: `{"archive": "archive.db"}`},
			{Name: "tables", Aliases: []string{"filter", "filter_tables"}, Type: spec.Array, Help: "Tables and views to discover, by name or pattern, with or without the attached file's name; without it all.", Example: "orders,archive.line_*"},
			{Name: "default_replication_method", Type: spec.String, Default: singer.FullTable, OneOf: []string{singer.FullTable, singer.Incremental}, Help: "How streams are replicated that have no replication key; with a key it is INCREMENTAL.", Example: "INCREMENTAL"},
			{Name: "start_date", Type: spec.Date, Help: "Of INCREMENTAL streams, read no row whose replication key, a date or timestamp as text, is older; rows without a key are not read then.", Example: "2024-01-01T00:00:00Z"},
			{Name: "end_date", Type: spec.Date, Help: "Of INCREMENTAL streams, read no row whose replication key is this or newer: the window is half open.", Example: "2024-02-01T00:00:00Z"},
			{Name: "immutable", Type: spec.Boolean, Default: false, Help: "Nobody writes to the files meanwhile: they are read without locks, also from a folder that is read-only.", Example: "true"},
			{Name: "busy_timeout", Type: spec.Integer, Default: 30, Help: "Seconds to wait for a program that holds the file locked.", Example: "300"},
		}, shared...),
		Capabilities: []string{"catalog", "discover", "state", "about"},
		Window:       &spec.Window{Start: "start_date", End: "end_date"},
	}
}
