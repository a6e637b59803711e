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
	Stamp bool      `json:"add_file_columns"`
}

// entity is one stream.
type entity struct {
	Entity string   `json:"entity"`
	Path   string   `json:"path"`
	Keys   []string `json:"keys"`
}

const filesExample = `[{"entity": "orders", "path": "data/orders/**/*.parquet", "keys": ["id"]}]`

func (tap) Spec() spec.Spec {
	return spec.Spec{
		Name:    "tap-parquet",
		Summary: "Reads Parquet files.",
		Settings: []spec.Setting{
			{Name: "files", Type: spec.Array, Required: true, Help: "The streams: per entry entity, path (a file, a folder, a glob with **) and optionally keys.", Example: filesExample},
			files.StampSetting(),
		},
		Capabilities: []string{"catalog", "discover", "state", "about"},
	}
}

func load(cfg spec.Config) (*settings, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "tap-parquet: the settings do not have the expected shape").WithHint("files is a list like %s", filesExample)
	}
	seen := map[string]bool{}
	for n, e := range s.Files {
		if e.Entity == "" || e.Path == "" {
			return nil, fault.New(fault.BadConfig, "tap-parquet: entry %d of files lacks entity or path", n+1)
		}
		if seen[e.Entity] {
			return nil, fault.New(fault.BadConfig, "tap-parquet: two entries of files are called %q", e.Entity)
		}
		seen[e.Entity] = true
	}
	if len(s.Files) == 0 {
		return nil, fault.New(fault.BadConfig, "tap-parquet: there are no files to read").WithHint("set files, for example %s", filesExample)
	}
	return s, nil
}

func (e *entity) set() files.Set {
	return files.Set{Tap: "tap-parquet", Entity: e.Entity, Path: e.Path, Suffixes: []string{".parquet", ".parq"}}
}

// shape is the union of the files' columns; where files differ a column is
// wide enough for all of them.
func (e *entity) shape(paths []string) (*row.Schema, error) {
	schema := &row.Schema{Stream: e.Entity, Key: e.Keys}
	for _, path := range paths {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		for _, l := range f.leaves {
			if at := schema.Index(l.column.Name); at < 0 {
				schema.Columns = append(schema.Columns, l.column)
			} else {
				schema.Columns[at] = row.Widen(schema.Columns[at], l.column)
			}
		}
		f.close()
	}
	var names []string
	for _, c := range schema.Columns {
		names = append(names, c.Name)
	}
	for _, key := range e.Keys {
		if schema.Index(key) < 0 {
			err := fault.New(fault.BadConfig, "tap-parquet: key %q of entity %q is no column of %s", key, e.Entity, paths[0])
			if near := fault.Nearest(key, names); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return nil, err
		}
	}
	return schema, nil
}

func (tap) Discover(_ context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := load(cfg)
	if err != nil {
		return nil, err
	}
	catalog := &singer.Catalog{}
	for _, e := range s.Files {
		paths, err := e.set().Paths()
		if err != nil {
			return nil, err
		}
		schema, err := e.shape(paths)
		if err != nil {
			return nil, err
		}
		if s.Stamp {
			if schema, err = files.Stamped(schema, nil); err != nil {
				return nil, err
			}
		}
		stream, err := singer.NewCatalogStream(schema)
		if err != nil {
			return nil, err
		}
		catalog.Streams = append(catalog.Streams, stream)
	}
	return catalog, nil
}

func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	s, err := load(cfg)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range s.Files {
		names = append(names, e.Entity)
	}
	return files.Sync(catalog, names, out.Parallel(), func(n int, selected []string) error {
		e := s.Files[n]
		return e.read(ctx, selected, s.Stamp, files.ReadBookmark(bookmarks, e.Entity), out)
	})
}
