// Package jsonl is target-jsonl: one file of JSON lines per stream, each line
// a record as the tap sent it (numbers digit by digit). Commits are whole
// (package filesink): a kill at any moment leaves no half of one, and under
// elt's own runner files are appended to exactly once.
package jsonl

import (
	"context"
	"os"
	"time"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/filesink"
	"elt/internal/load"
	"elt/internal/objectstore"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/targets"
)

// Target is target-jsonl.
type Target struct {
	now  func() time.Time
	home func() (string, error)
}

// New is target-jsonl.
func New() targets.Target { return Target{time.Now, os.UserHomeDir} }

// Spec implements targets.Target.
func (Target) Spec() spec.Spec {
	return spec.Spec{
		Name:         "target-jsonl",
		Summary:      "Writes streams into files of JSON lines.",
		Capabilities: []string{"about", "schema-flattening"},
		Settings: append([]spec.Setting{
			{Name: "destination_path", Aliases: []string{"output_path"}, Type: spec.String, Default: ".", Example: "output",
				Help: "The directory that takes the files; it is made when it is missing. Or a bucket: s3://bucket/path, gs://bucket/path, az://container/path."},
			{Name: "do_timestamp_file", Type: spec.Boolean, Default: false,
				Help: "Put the time of the run into the file names: STREAM-20240131T235959.jsonl."},
			{Name: "custom_name", Type: spec.String, Example: "everything",
				Help: "Write all streams into one file of this name."},
			{Name: "file_naming_scheme", Type: spec.String, Example: "raw_data/{stream}/{yyyy}/{mm}/{dd}/{stream}_{timestamp}.jsonl",
				Help: "How files are named, in place of the two settings before, out of " + filesink.SchemeHelp + "."},
			{Name: "timestamp_timezone", Type: spec.String, Default: "UTC", Example: "Europe/Berlin", Help: "The time zone of file_naming_scheme."},
			{Name: "compression", Type: spec.String, Default: "none", OneOf: []string{"none", "gzip", "zstd"},
				Help: "Compress files; .gz or .zst is added to their names."},
			{Name: "load_method", Type: spec.String, Default: "append", OneOf: []string{"append", "append-only", "overwrite"},
				Help: "append adds to files that are there, overwrite replaces a file once its stream is complete, so elt gives the tap no bookmark then (under another runner do not pass --state)."},
			{Name: "on_schema_change", Type: spec.String, Default: "evolve", OneOf: []string{"evolve", "add", "freeze", "fail"},
				Help: "When a stream gets new properties on the way: evolve and add write them, freeze leaves them out, fail stops."},
		}, append(objectstore.Settings(), load.Settings(load.KeepNUL, load.KeepEmpty)...)...),
		Replaces: []spec.Replacement{{Package: "target-jsonl", Variant: "andyh1203"}},
	}
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

func (t Target) options(cfg spec.Config) (filesink.Options, error) {
	var set struct {
		Path      string               `json:"destination_path"`
		Timestamp bool                 `json:"do_timestamp_file"`
		Name      string               `json:"custom_name"`
		Scheme    string               `json:"file_naming_scheme"`
		Zone      string               `json:"timestamp_timezone"`
		Compress  filesink.Compression `json:"compression"`
		Method    string               `json:"load_method"`
		OnChange  string               `json:"on_schema_change"`
		objectstore.Access
	}
	if err := cfg.Decode(&set); err != nil {
		return filesink.Options{}, err
	}
	home, _ := t.home() // without one ~ is a name like any other
	suffix := ".jsonl" + set.Compress.Suffix()
	if set.Timestamp {
		suffix = t.now().Format("-20060102T150405") + suffix
	}
	o := filesink.Options{
		Dir:      filesink.Expand(set.Path, home),
		Access:   set.Access,
		Format:   format{},
		Compress: set.Compress,
		File: func(stream string) string {
			if set.Name != "" {
				stream = set.Name
			}
			return filesink.Name(stream) + suffix
		},
		Shared:         set.Name != "",
		Dated:          set.Timestamp,
		Replace:        set.Method == "overwrite",
		OnSchemaChange: set.OnChange,
	}
	if set.Scheme == "" {
		return o, nil
	}
	if set.Name != "" || set.Timestamp {
		return o, fault.New(fault.BadConfig, "target-jsonl: file_naming_scheme does not go with custom_name or do_timestamp_file").
			WithHint("put the name and {timestamp} into file_naming_scheme")
	}
	zone, err := time.LoadLocation(set.Zone)
	if err != nil {
		return o, fault.Wrap(fault.BadConfig, err, "target-jsonl: setting \"timestamp_timezone\"")
	}
	o.File, o.Dated, err = filesink.Naming{Target: "target-jsonl", Scheme: set.Scheme, Compress: set.Compress,
		Now: t.now().In(zone), Datestamp: "%Y-%m-%d", Timestamp: "%Y%m%dT%H%M%S"}.File()
	return o, err
}

// format is JSON lines.
type format struct{ filesink.Headless }

func (format) Encoder(s *row.Schema, _ []string) filesink.Encoder {
	return &encoder{schema: s, Encoder: singer.NewEncoder(s, singer.Plain, false)}
}

type encoder struct {
	*singer.Encoder
	schema  *row.Schema
	deletes bool
}

func (e *encoder) Append(dst []byte, b *row.Batch) ([]byte, error) {
	if b.Ops != nil {
		e.mark(b)
	}
	for i := range b.Len() {
		dst = append(e.AppendObject(dst, b, i), '\n')
	}
	return dst, nil
}

// mark gives rows a deletion marker from the first deleted row on.
func (e *encoder) mark(b *row.Batch) {
	for _, op := range b.Ops {
		if op != row.Delete {
			continue
		}
		if !e.deletes {
			e.deletes = true
			e.Encoder = singer.NewEncoder(e.schema, singer.Plain, true)
		}
		e.SetNow(time.Now().UnixMicro() - epoch)
		return
	}
}

const epoch = 946684800_000_000 // 2000-01-01 in Unix microseconds
