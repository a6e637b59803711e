// Package jsonl is tap-jsonl: a stream per entity, from files with one JSON
// object per line, with bookmarks that say how far which file was read, so
// that unchanged files are skipped and a keyless stream is exact (invariant 4).
package jsonl

import (
	"context"
	"slices"

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
	files.Settings
}

// entity is one stream.
type entity struct {
	files.Stream
	Encoding string `json:"encoding"`
	Infer    *bool  `json:"infer"`
}

const filesExample = `[{"entity": "events", "path": "data/events-*.jsonl.gz", "keys": ["id"]}]`

func (tap) Spec() spec.Spec {
	return spec.Spec{
		Name:    "tap-jsonl",
		Summary: "Reads files with one JSON object per line, compressed or not.",
		Settings: append([]spec.Setting{
			{Name: "files", Type: spec.Array, Required: true, Help: "The streams: per entry entity, path (a file, a folder, a glob with **; also of a bucket: s3://, gs://, az://), keys, and optionally encoding, infer.", Example: filesExample},
			{Name: "infer", Type: spec.Boolean, Default: false, Help: "Takes strings that are all dates or all timestamps as such.", Example: "true"},
		}, files.TextSpecs()...),
		Capabilities: []string{"catalog", "discover", "state", "about"},
	}
}

func load(cfg spec.Config) (*settings, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, files.Shapeless("tap-jsonl", filesExample, err)
	}
	for _, e := range s.Files {
		if e.Infer == nil {
			e.Infer = &s.Infer
		}
	}
	return s, files.Accept("tap-jsonl", filesExample, s.Settings, s.Files)
}

func (e *entity) set() files.Set {
	return e.Set("tap-jsonl", e.Encoding, ".jsonl", ".ndjson", ".json")
}

func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := load(cfg)
	if err != nil {
		return nil, err
	}
	catalog := &singer.Catalog{}
	for _, e := range s.Files {
		found, err := e.set().Files(ctx)
		if err != nil {
			return nil, err
		}
		shape, err := e.shape(ctx, found, s.BadRows(e.Entity).Fatal())
		found.Close()
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
	return files.Sync(catalog, files.Names(s.Files), out.Parallel(), func(n int, selected []string) error {
		e := s.Files[n]
		if selected != nil {
			selected = append(selected, e.Keys...)
		}
		return e.read(ctx, selected, s.Settings, files.ReadBookmark(bookmarks, e.Entity), out)
	})
}
