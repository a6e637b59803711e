package files

import (
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"elt/internal/fault"
	"elt/internal/singer"
)

// Sync reads those streams that the catalog selects, all without one, up to
// parallel at a time. read gets the index of a stream and its selected
// properties (nil: all). A stream that fails stops no other, and one without
// any selected property fails: none must not become all.
func Sync(catalog *singer.Catalog, streams []string, parallel int, read func(n int, selected []string) error) error {
	failed := make([]error, len(streams))
	var group errgroup.Group // no shared context: see above
	group.SetLimit(parallel)
	for n, name := range streams {
		var selected []string
		if catalog != nil {
			stream := catalog.Stream(name)
			if stream == nil || !stream.Selected() {
				continue
			}
			if selected = stream.SelectedProperties(); len(selected) == 0 {
				failed[n] = fault.New(fault.BadConfig, "stream %q is selected, but none of its properties", name).
					WithHint("select some, or exclude %s.*", name)
				continue
			}
		}
		group.Go(func() error {
			if err := read(n, selected); err != nil {
				failed[n] = fmt.Errorf("stream %q: %w", name, err)
			}
			return nil
		})
	}
	group.Wait()
	return errors.Join(failed...)
}
