// Package csv is tap-csv: a stream per entity, from one or more files, with
// bookmarks that say how far which file was read, so that unchanged files are
// skipped and a keyless stream is exact (invariant 4).
package csv

import (
	"context"
	"errors"
	"fmt"

	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/files"

	"golang.org/x/sync/errgroup"
)

// New is the tap.
func New() taps.Tap { return tap{} }

type tap struct{}

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
		schema, err := s.schema(e, paths)
		if err != nil {
			return nil, err
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
	failed := make([]error, len(s.Files))
	var group errgroup.Group // no shared context: a stream that fails stops no other
	group.SetLimit(out.Parallel())
	for n, e := range s.Files {
		var wanted []string
		if catalog != nil {
			stream := catalog.Stream(e.Entity)
			if stream == nil || !stream.Selected() {
				continue
			}
			wanted = stream.SelectedProperties()
		}
		group.Go(func() error {
			if err := s.stream(ctx, e, wanted, files.ReadBookmark(bookmarks, e.Entity), out); err != nil {
				failed[n] = fmt.Errorf("stream %q: %w", e.Entity, err)
			}
			return nil
		})
	}
	group.Wait()
	return errors.Join(failed...)
}
