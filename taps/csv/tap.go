// Package csv is tap-csv: a stream per entity, from one or more files, with
// bookmarks that say how far which file was read, so that unchanged files are
// skipped and a keyless stream is exact (invariant 4).
package csv

import (
	"context"

	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/files"
)

// New is the tap.
func New() taps.Tap { return tap{} }

type tap struct{}

func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := load(cfg)
	if err != nil {
		return nil, err
	}
	return files.Discover(ctx, s.Files, s.Stamp, (*entity).set, s.schema)
}

func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	s, err := load(cfg)
	if err != nil {
		return err
	}
	return files.Sync(catalog, files.Names(s.Files), out.Parallel(), func(n int, selected []string) error {
		e := s.Files[n]
		return s.stream(ctx, e, selected, files.ReadBookmark(bookmarks, e.Entity), out)
	})
}
