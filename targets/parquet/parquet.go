// Package parquet is target-parquet: Parquet files, one per commit and shape
// of a stream's rows. A Parquet file cannot be appended to, so each commit
// makes files of its own, which appear complete or not at all (package
// filesink); under elt's own runner each row stands in exactly one of them
// (invariants 3 and 4).
//
// Values are exact. What no Parquet type holds (numbers without a declared
// precision, NaN, infinities, nanoseconds, 24:00) is text, and a note in the
// file says of which kind, so that tap-parquet reads back what was written.
package parquet

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/gzip"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/uncompressed"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/filesink"
	"elt/internal/load"
	"elt/internal/objectstore"
	"elt/internal/row"
	"elt/internal/spec"
	"elt/targets"
)

// Target is target-parquet.
type Target struct {
	now  func() time.Time
	home func() (string, error)
}

// New is target-parquet.
func New() targets.Target { return Target{time.Now, os.UserHomeDir} }

// Spec implements targets.Target.
func (Target) Spec() spec.Spec {
	return spec.Spec{
		Name:         "target-parquet",
		Summary:      "Writes streams into Parquet files.",
		Capabilities: []string{"about", "schema-flattening"},
		Settings: append([]spec.Setting{
			{Name: "destination_path", Aliases: []string{"output_path"}, Type: spec.String, Default: ".", Example: "output",
				Help: "The directory that takes the files; it is made when it is missing. Or a bucket: s3://bucket/path, gs://bucket/path, az://container/path."},
			{Name: "file_naming_scheme", Type: spec.String, Example: "raw_data/{stream}/{yyyy}/{mm}/{dd}/{stream}_{timestamp}.parquet",
				Help: "How files are named, out of " + filesink.SchemeHelp + ". By default {stream}/{stream}_{timestamp}.parquet, and {stream}.parquet with load_method: overwrite. Further files of the same name get .part2, .part3 before their ending."},
			{Name: "partition_cols", Aliases: []string{"partition_by"}, Type: spec.Array, Example: partitionExample,
				Help: "Columns whose values make folders, as in Hive (country=DE/day=2024-01-02), outermost first: of all streams; or a list of entries with stream (a name or pattern) and columns, of which the first that fits counts. The files do not have these columns."},
			{Name: "max_partitions", Type: spec.Integer, Default: 1000,
				Help: "A stream whose rows of one commit (with load_method: overwrite, of the run) have more partitions fails; 0 is no limit."},
			{Name: "timestamp_timezone", Type: spec.String, Default: "UTC", Example: "Europe/Berlin", Help: "The time zone of file_naming_scheme."},
			{Name: "compression", Type: spec.String, Default: "zstd", OneOf: []string{"zstd", "snappy", "gzip", "none"},
				Help: "How pages are compressed."},
			{Name: "row_group_bytes", Type: spec.Integer, Default: 32 << 20,
				Help: "A row group ends after this many bytes of row data; it is kept in memory until then, compressed."},
			{Name: "nested", Type: spec.String, Default: "json", OneOf: []string{"json", "typed"}, Example: "typed",
				Help: "Objects and arrays are JSON texts, or, where their JSON Schema says all of their shape, STRUCT, LIST and MAP columns; a value of another shape makes its column JSON from there on, in a new file."},
			{Name: "load_method", Type: spec.String, Default: "append", OneOf: []string{"append", "append-only", "overwrite"},
				Help: "append adds files, overwrite replaces those of a stream once it is complete, so elt gives the tap no bookmark then (under another runner do not pass --state)."},
			{Name: "on_schema_change", Type: spec.String, Default: "evolve", OneOf: []string{"evolve", "add", "freeze", "fail"},
				Help: "When a stream gets new properties on the way: evolve and add write them, in a new file, freeze leaves them out, fail stops."},
		}, append(objectstore.Settings(), load.Settings(load.KeepNUL, load.KeepEmpty)...)...),
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

func (t Target) options(cfg spec.Config) (o filesink.Options, err error) {
	var set struct {
		Path     string            `json:"destination_path"`
		Scheme   string            `json:"file_naming_scheme"`
		Columns  []json.RawMessage `json:"partition_cols"`
		Most     int               `json:"max_partitions"`
		Zone     string            `json:"timestamp_timezone"`
		Compress string            `json:"compression"`
		RowGroup int64             `json:"row_group_bytes"`
		Nested   string            `json:"nested"`
		Method   string            `json:"load_method"`
		OnChange string            `json:"on_schema_change"`
		objectstore.Access
	}
	if err := cfg.Decode(&set); err != nil {
		return o, err
	}
	if set.RowGroup < 1 {
		return o, fault.New(fault.BadConfig, "target-parquet: setting \"row_group_bytes\" is %d, but must be positive", set.RowGroup)
	}
	zone, err := time.LoadLocation(set.Zone)
	if err != nil {
		return o, fault.Wrap(fault.BadConfig, err, "target-parquet: setting \"timestamp_timezone\"")
	}
	parts, err := readPartitions(set.Columns)
	if err != nil {
		return o, err
	}
	replace := set.Method == "overwrite"
	file, err := t.naming(set.Scheme, zone, replace, parts)
	if err != nil {
		return o, err
	}
	home, _ := t.home() // without one ~ is a name like any other
	return filesink.Options{
		Dir:            filesink.Expand(set.Path, home),
		Access:         set.Access,
		Whole:          format{codec: codec(set.Compress), rowGroup: set.RowGroup, typed: set.Nested == "typed"},
		File:           file,
		Partitions:     parts.of,
		MaxPartitions:  set.Most,
		Dated:          true, // files of a lake are taken away by others
		Replace:        replace,
		Empty:          replace,
		OnSchemaChange: set.OnChange,
	}, nil
}

// naming is what files are called. What replaces its stream has a name that
// stays, and where there are partitions a folder of its own.
func (t Target) naming(scheme string, zone *time.Location, replace bool, parts partitions) (func(stream string) string, error) {
	named := func(scheme string) (func(stream string) string, error) {
		file, _, err := filesink.Naming{Target: "target-parquet", Scheme: scheme,
			Now: t.now().In(zone), Datestamp: "%Y-%m-%d", Timestamp: "%Y%m%dT%H%M%S"}.File()
		return file, err
	}
	switch {
	case scheme != "":
		return named(scheme)
	case !replace:
		return named("{stream}/{stream}_{timestamp}.parquet")
	}
	plain, err := named("{stream}.parquet")
	if err != nil {
		return nil, err
	}
	parted, err := named("{stream}/{stream}.parquet")
	return func(stream string) string {
		if len(parts.of(stream)) > 0 {
			return parted(stream)
		}
		return plain(stream)
	}, err
}

func codec(name string) compress.Codec {
	switch name {
	case "snappy":
		return &snappy.Codec{}
	case "gzip":
		return &gzip.Codec{Level: gzip.BestSpeed}
	case "none":
		return &uncompressed.Codec{}
	}
	return &zstd.Codec{Level: zstd.SpeedFastest}
}
