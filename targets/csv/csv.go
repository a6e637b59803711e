// Package csv is target-csv: one CSV file with a header per stream. NULL and
// the empty string stay apart (an empty field, and a quoted one). When a
// stream gets new columns on the way, the file is written anew with the wider
// header, in the commit that brings them: no column and no row is lost.
// Commits are whole (package filesink): a kill at any moment leaves no half
// of one.
package csv

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/text/encoding/htmlindex"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/filesink"
	"elt/internal/load"
	"elt/internal/objectstore"
	"elt/internal/row"
	"elt/internal/spec"
	"elt/targets"
)

// Target is target-csv.
type Target struct {
	now  func() time.Time
	home func() (string, error)
}

// New is target-csv.
func New() targets.Target { return Target{time.Now, os.UserHomeDir} }

// Spec implements targets.Target.
func (Target) Spec() spec.Spec {
	return spec.Spec{
		Name:         "target-csv",
		Summary:      "Writes streams into CSV files.",
		Capabilities: []string{"about", "schema-flattening"},
		Settings: append([]spec.Setting{
			{Name: "output_path", Aliases: []string{"destination_path"}, Type: spec.String, Example: "output",
				Help: "The directory that takes the files; it is made when it is missing. Or a bucket: s3://bucket/path, gs://bucket/path, az://container/path."},
			{Name: "output_path_prefix", Type: spec.String, Example: "output/run1_",
				Help: "What file names begin with, directory included; used instead of output_path."},
			{Name: "file_naming_scheme", Type: spec.String, Default: "{stream_name}.csv",
				Example: "raw_data/{stream}/{yyyy}/{mm}/{dd}/{stream}_{timestamp}.csv",
				Help:    "How files are named, out of " + filesink.SchemeHelp + "."},
			{Name: "datestamp_format", Type: spec.String, Default: "%Y-%m-%d", Help: "How {datestamp} looks, as in strftime."},
			{Name: "timestamp_format", Type: spec.String, Default: "%Y-%m-%d.T%H%M%S", Help: "How {timestamp} looks, as in strftime."},
			{Name: "timestamp_timezone", Type: spec.String, Default: "UTC", Example: "Europe/Berlin", Help: "The time zone of file_naming_scheme."},
			{Name: "compression", Type: spec.String, Default: "none", OneOf: []string{"none", "gzip", "zstd"},
				Help: "Compress files; .gz or .zst is added to their names where it is missing."},
			{Name: "overwrite_behavior", Type: spec.String, Default: "replace_file", OneOf: []string{"replace_file", "append_records"},
				Help: "replace_file replaces a file once its stream is complete, so elt gives the tap no bookmark then (under another runner do not pass --state); append_records adds to it."},
			{Name: "delimiter", Type: spec.String, Default: ",", Help: "What stands between fields: one character, or \\t."},
			{Name: "quotechar", Type: spec.String, Default: `"`, Help: "What fields with special characters are put into."},
			{Name: "escape_character", Type: spec.String, Example: `\`, Help: "What stands before a quote inside of quotes; the quote itself is doubled when it is not set."},
			{Name: "encoding", Type: spec.String, Default: "utf-8", Example: "windows-1252", Help: "The encoding of the files; utf-8-sig is utf-8 with a byte order mark."},
			{Name: "record_sort_property_name", Type: spec.String, Help: "Not supported: sorting a file would need all of it in memory."},
			{Name: "on_schema_change", Type: spec.String, Default: "evolve", OneOf: []string{"evolve", "add", "freeze", "fail"},
				Help: "When a stream gets new properties: evolve and add widen the file, freeze leaves them out, fail stops."},
		}, append(objectstore.Settings(), load.Settings(load.KeepNUL, load.KeepEmpty)...)...),
		Replaces: []spec.Replacement{{Package: "meltanolabs-target-csv", Variant: "meltanolabs"}},
	}
}

type settings struct {
	Path      string               `json:"output_path"`
	Prefix    string               `json:"output_path_prefix"`
	Scheme    string               `json:"file_naming_scheme"`
	Datestamp string               `json:"datestamp_format"`
	Timestamp string               `json:"timestamp_format"`
	Zone      string               `json:"timestamp_timezone"`
	Overwrite string               `json:"overwrite_behavior"`
	Delimiter string               `json:"delimiter"`
	Quote     string               `json:"quotechar"`
	Escape    string               `json:"escape_character"`
	Encoding  string               `json:"encoding"`
	SortBy    string               `json:"record_sort_property_name"`
	OnChange  string               `json:"on_schema_change"`
	Compress  filesink.Compression `json:"compression"`
	objectstore.Access
}

// Open implements targets.Target.
func (t Target) Open(ctx context.Context, cfg spec.Config) (targets.Sink, error) {
	o, err := t.options(cfg)
	if err != nil {
		return nil, err
	}
	return filesink.Open(ctx, o)
}

// Place implements targets.Placer.
func (t Target) Place(cfg spec.Config, schema *row.Schema) (targets.Place, error) {
	o, err := t.options(cfg)
	return o.Place(schema.Stream), err
}

// Check implements targets.Checker.
func (t Target) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	o, err := t.options(cfg)
	if report.Add("settings", "", err); err == nil {
		filesink.Check(ctx, o, report)
	}
}

func (t Target) options(cfg spec.Config) (o filesink.Options, err error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return o, err
	}
	if set.SortBy != "" {
		return o, fault.New(fault.BadConfig, "target-csv: setting \"record_sort_property_name\" is not supported").
			WithHint("sorting needs a whole stream in memory; sort at the source or the finished file, or set native: never for this plugin")
	}
	f, err := set.format()
	if err != nil {
		return o, err
	}
	zone, err := time.LoadLocation(set.Zone)
	if err != nil {
		return o, fault.Wrap(fault.BadConfig, err, "target-csv: setting \"timestamp_timezone\"")
	}
	home, _ := t.home() // without one ~ is a name like any other
	dir, prefix := filesink.Expand(set.Path, home), ""
	if set.Prefix != "" {
		dir, prefix = filepath.Split(filesink.Expand(set.Prefix, home))
		if dir == "" {
			dir = "."
		}
	}
	file, dated, err := filesink.Naming{Target: "target-csv", Scheme: set.Scheme, Compress: set.Compress,
		Now: t.now().In(zone), Datestamp: set.Datestamp, Timestamp: set.Timestamp}.File()
	if err != nil {
		return o, err
	}
	return filesink.Options{
		Dir:            dir,
		Access:         set.Access,
		Format:         f,
		Compress:       set.Compress,
		File:           func(stream string) string { return prefix + file(stream) },
		Dated:          dated,
		Replace:        set.Overwrite == "replace_file",
		Empty:          true,
		OnSchemaChange: set.OnChange,
	}, nil
}

func (set settings) format() (format, error) {
	f := format{name: set.Encoding}
	for _, one := range []struct {
		name, value string
		into        *byte
	}{{"delimiter", set.Delimiter, &f.comma}, {"quotechar", set.Quote, &f.quote}, {"escape_character", set.Escape, &f.escape}} {
		value := one.value
		if value == `\t` {
			value = "\t"
		}
		switch {
		case value == "" && one.name == "escape_character":
			f.escape = f.quote
		case len(value) != 1 || value[0] >= 0x80 || value == "\n" || value == "\r":
			return f, fault.New(fault.BadConfig, "target-csv: setting %q is %q, but must be one ASCII character", one.name, one.value)
		default:
			*one.into = value[0]
		}
	}
	if f.comma == f.quote || f.comma == f.escape {
		return f, fault.New(fault.BadConfig, "target-csv: delimiter, quotechar and escape_character must differ")
	}
	switch strings.ReplaceAll(strings.ToLower(set.Encoding), "_", "-") {
	case "", "utf-8", "utf8":
		return f, nil
	case "utf-8-sig":
		f.bom = true
		return f, nil
	}
	charset, err := htmlindex.Get(set.Encoding)
	name, _ := htmlindex.Name(charset)
	if err != nil || strings.HasPrefix(name, "utf-16") || name == "iso-2022-jp" || name == "replacement" {
		return f, fault.New(fault.BadConfig, "target-csv: the encoding %q cannot be written", set.Encoding).
			WithHint("utf-8, utf-8-sig, windows-1252, shift_jis and the like can")
	}
	f.charset = charset
	return f, nil
}
