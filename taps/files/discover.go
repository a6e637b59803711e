package files

import (
	"context"

	"elt/internal/row"
	"elt/internal/singer"
)

// Discover is the catalog of entities whose columns shape finds in their
// files; stamped adds the columns that say where a row comes from.
func Discover[E any](ctx context.Context, list []E, stamped bool, set func(E) Set, shape func(context.Context, E, []File) (*row.Schema, error)) (*singer.Catalog, error) {
	catalog := &singer.Catalog{}
	for _, e := range list {
		found, err := set(e).Files(ctx)
		if err != nil {
			return nil, err
		}
		schema, err := shape(ctx, e, found)
		found.Close()
		if err != nil {
			return nil, err
		}
		if stamped {
			if schema, err = Stamped(schema, nil); err != nil {
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
