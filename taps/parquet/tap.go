// Package parquet is tap-parquet: a stream per entity, from one or more
// Parquet files of any writer, with bookmarks that say how far which file was
// read, so that unchanged files are skipped and a keyless stream is exact
// (invariant 4). Only the columns that are selected are read.
package parquet

import (
	"context"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/files"
)

// New is the tap.
func New() taps.Tap { return tap{} }

type tap struct{}

type settings struct {
	Files []*entity `json:"files"`
	Hive  bool      `json:"hive_partitioning"`
	Types hiveTypes `json:"hive_types"`
	files.Settings
}

// entity is one stream.
type entity struct {
	files.Stream
	hive  bool // folders column=value are columns
	types hiveTypes
}

const filesExample = `[{"entity": "orders", "path": "data/orders/**/*.parquet", "keys": ["id"]}]`

func (tap) Spec() spec.Spec {
	return spec.Spec{
		Name:    "tap-parquet",
		Summary: "Reads Parquet files.",
		Settings: append([]spec.Setting{
			{Name: "files", Type: spec.Array, Required: true, Help: "The streams: per entry entity, path (a file, a folder, a glob with **; also of a bucket: s3://, gs://, az://) and optionally keys.", Example: filesExample},
			{Name: "hive_partitioning", Type: spec.Boolean, Default: true, Example: "false",
				Help: "Folders called column=value, as Hive, Spark and target-parquet make them, are columns of the files below them."},
			{Name: "hive_types", Type: spec.Object, Example: `{"month": "integer"}`,
				Help: "The types of such columns, where they shall not be those that the names of the folders suggest: " + typeNames() + "."},
		}, files.Specs()...),
		Capabilities: []string{"catalog", "discover", "state", "about"},
	}
}

func load(cfg spec.Config) (*settings, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, files.Shapeless("tap-parquet", filesExample, err)
	}
	for _, e := range s.Files {
		if e != nil {
			e.hive, e.types = s.Hive, s.Types
		}
	}
	if err := s.Types.check(); err != nil {
		return nil, err
	}
	return s, files.Accept("tap-parquet", filesExample, s.Settings, s.Files)
}

func (e *entity) set() files.Set {
	return e.Set("tap-parquet", "", ".parquet", ".parq")
}

// shape is the union of the files' columns; where files differ a column is
// wide enough for all of them.
func (e *entity) shape(ctx context.Context, found []files.File) (*row.Schema, error) {
	schema := &row.Schema{Stream: e.Entity, Key: e.Keys}
	var vague []row.Column
	for _, from := range found {
		f, err := e.open(ctx, from)
		if err != nil {
			return nil, err
		}
		for _, l := range f.leaves {
			if at := schema.Index(l.column.Name); l.vague {
				vague = append(vague, l.column)
			} else if at < 0 {
				schema.Columns = append(schema.Columns, l.column)
			} else {
				schema.Columns[at] = row.Widen(schema.Columns[at], l.column)
			}
		}
		f.close()
	}
	for _, c := range vague { // no file has more than NULL
		if schema.Index(c.Name) < 0 {
			schema.Columns = append(schema.Columns, c)
		}
	}
	var names []string
	for _, c := range schema.Columns {
		names = append(names, c.Name)
	}
	for _, key := range e.Keys {
		if schema.Index(key) < 0 {
			err := fault.New(fault.BadConfig, "tap-parquet: key %q of entity %q is no column of %s", key, e.Entity, found[0].Path)
			if near := fault.Nearest(key, names); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return nil, err
		}
	}
	return schema, nil
}

func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := load(cfg)
	if err != nil {
		return nil, err
	}
	return files.Discover(ctx, s.Files, s.Stamp, (*entity).set, func(ctx context.Context, e *entity, found []files.File) (*row.Schema, error) {
		return e.shape(ctx, found)
	})
}

func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	s, err := load(cfg)
	if err != nil {
		return err
	}
	return files.Sync(catalog, files.Names(s.Files), out.Parallel(), func(n int, selected []string) error {
		e := s.Files[n]
		return e.read(ctx, selected, s.Stamp, files.ReadBookmark(bookmarks, e.Entity), out)
	})
}
