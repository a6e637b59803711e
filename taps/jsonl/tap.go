// Package jsonl is tap-jsonl: a stream per entity, from files with one JSON
// object per line, with bookmarks that say how far which file was read, so
// that unchanged files are skipped and a keyless stream is exact (invariant 4).
package jsonl

import (
	"context"
	"slices"

	"elt/internal/fault"
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
	Infer bool      `json:"infer"`
	Stamp bool      `json:"add_file_columns"`
}

// entity is one stream.
type entity struct {
	Entity   string   `json:"entity"`
	Path     string   `json:"path"`
	Keys     []string `json:"keys"`
	Encoding string   `json:"encoding"`
	Infer    *bool    `json:"infer"`
}

const filesExample = `[{"entity": "events", "path": "data/events-*.jsonl.gz", "keys": ["id"]}]`

func (tap) Spec() spec.Spec {
	return spec.Spec{
		Name:    "tap-jsonl",
		Summary: "Reads files with one JSON object per line, compressed or not.",
		Settings: []spec.Setting{
			{Name: "files", Type: spec.Array, Required: true, Help: "The streams: per entry entity, path (a file, a folder, a glob with **), keys, and optionally encoding, infer.", Example: filesExample},
			{Name: "infer", Type: spec.Boolean, Default: false, Help: "Takes strings that are all dates or all timestamps as such.", Example: "true"},
			files.StampSetting(),
		},
		Capabilities: []string{"catalog", "discover", "state", "about"},
	}
}

func load(cfg spec.Config) (*settings, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "tap-jsonl: the settings do not have the expected shape").WithHint("files is a list like %s", filesExample)
	}
	seen := map[string]bool{}
	for n, e := range s.Files {
		if e.Entity == "" || e.Path == "" {
			return nil, fault.New(fault.BadConfig, "tap-jsonl: entry %d of files lacks entity or path", n+1)
		}
		if seen[e.Entity] {
			return nil, fault.New(fault.BadConfig, "tap-jsonl: two entries of files are called %q", e.Entity)
		}
		seen[e.Entity] = true
		if e.Infer == nil {
			e.Infer = &s.Infer
		}
	}
	if len(s.Files) == 0 {
		return nil, fault.New(fault.BadConfig, "tap-jsonl: there are no files to read").WithHint("set files, for example %s", filesExample)
	}
	return s, nil
}

func (e *entity) set() files.Set {
	return files.Set{Tap: "tap-jsonl", Entity: e.Entity, Path: e.Path, Suffixes: []string{".jsonl", ".ndjson", ".json"}, Encoding: e.Encoding}
}

func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := load(cfg)
	if err != nil {
		return nil, err
	}
	catalog := &singer.Catalog{}
	for _, e := range s.Files {
		shape, err := e.shape(ctx)
		if err != nil {
			return nil, err
		}
		schema, err := shape.Schema(nil)
		if err != nil {
			return nil, err
		}
		if s.Stamp {
			if schema, err = files.StampedJSON(schema); err != nil {
				return nil, err
			}
		}
		stream := &singer.CatalogStream{TapStreamID: e.Entity, Stream: e.Entity, Schema: schema, KeyProperties: e.Keys}
		stream.SetMeta("inclusion", singer.Available)
		stream.SetMeta("table-key-properties", e.Keys)
		names := shape.Names()
		if s.Stamp {
			names = append(slices.Clone(names), files.StampNames()...)
		}
		for _, name := range names {
			stream.SetMeta("inclusion", singer.Available, name)
		}
		for _, key := range e.Keys {
			stream.SetMeta("inclusion", singer.Automatic, key)
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
	return files.Sync(catalog, s.entities(), out.Parallel(), func(n int, selected []string) error {
		e := s.Files[n]
		if selected != nil {
			selected = append(selected, e.Keys...)
		}
		return e.read(ctx, selected, s.Stamp, files.ReadBookmark(bookmarks, e.Entity), out)
	})
}

func (s *settings) entities() (names []string) {
	for _, e := range s.Files {
		names = append(names, e.Entity)
	}
	return names
}
