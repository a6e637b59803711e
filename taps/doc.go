// Package taps is the contract of a built-in tap: a source that hands typed
// rows and positions to an Output. A tap knows no project, no store and no
// command line; taps.Serve gives it the command line every Singer tap has,
// and a fused run gives it an Output that is the target itself.
//
// To add one: a folder taps/NAME with a New() taps.Tap, one line in taps/all,
// a changelog file. See CONTRIBUTING.md.
package taps

import (
	"context"
	"encoding/json"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
)

// Tap reads a source.
type Tap interface {
	// Spec is data: no I/O, always the same.
	Spec() spec.Spec
	// Discover lists what the source has, with everything a user may select.
	Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error)
	// Sync reads the selected streams of catalog from where bookmarks stand
	// and returns when all are complete or ctx ends. A stream that fails must
	// not stop the others: Sync ends it without Stream.End, goes on and
	// returns the joined errors (setting on_stream_error: stop changes that).
	// A nil catalog means: discover, and take all.
	Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out Output) error
}

// Opener is a Tap that lists its streams and reads them over the same
// connections, for a run that does both.
type Opener interface {
	Open(ctx context.Context, cfg spec.Config) (Opened, error)
}

// Opened is a Tap at work on one configuration: Discover, then Sync, each once
// at most. Close it in any case; nothing else is called at the same time.
type Opened interface {
	Discover(ctx context.Context) (*singer.Catalog, error)
	// Sync is Tap.Sync. Time may have passed since Discover: what was
	// connected then may be gone, and tables may be others.
	Sync(ctx context.Context, catalog *singer.Catalog, bookmarks singer.Bookmarks, out Output) error
	Close()
}

// Open opens any tap.
func Open(ctx context.Context, tap Tap, cfg spec.Config) (Opened, error) {
	if o, ok := tap.(Opener); ok {
		return o.Open(ctx, cfg)
	}
	return plain{tap, cfg}, nil
}

// plain is a Tap that keeps nothing between its calls.
type plain struct {
	tap Tap
	cfg spec.Config
}

func (p plain) Discover(ctx context.Context) (*singer.Catalog, error) {
	return p.tap.Discover(ctx, p.cfg)
}

func (p plain) Sync(ctx context.Context, catalog *singer.Catalog, bookmarks singer.Bookmarks, out Output) error {
	return p.tap.Sync(ctx, p.cfg, catalog, bookmarks, out)
}

func (p plain) Close() {}

// NULFree is a Tap whose texts never hold the character NUL, so that a fused
// run need not look for it on behalf of a target that cannot store it.
type NULFree interface{ NULFree() }

// Output takes a tap's rows. It is safe for concurrent use: one Stream per
// goroutine, at most Parallel of them open at once.
type Output interface {
	// Stream opens a stream of rows; its schema is announced even if no row follows.
	Stream(ctx context.Context, schema *row.Schema) (Stream, error)
	// Parallel is how many streams the tap may have open at the same time.
	Parallel() int
	// Acked carries positions that are durable at the destination, oldest
	// first; taps that hold resources until then (a replication slot) read
	// it. It is closed when the output is.
	Acked() <-chan Position
}

// Stream is one stream on its way. Its methods are called by one goroutine,
// in order; they block while the reader is slow and fail once ctx of
// Output.Stream is done or the reader is gone.
type Stream interface {
	// Schema announces a new shape; later batches have it.
	Schema(schema *row.Schema) error
	// Write consumes the batch, error or not: the caller must not touch it again.
	Write(batch *row.Batch) error
	// Position says: everything written so far is covered by this position.
	Position(p Position) error
	// Activate says that rows of other versions are dead once the stream ends.
	Activate(version int64) error
	// End says that the stream is complete: swaps and purges may happen now.
	End() error
	// Close gives the stream's place to the next one; after it the stream is
	// not touched again. Closed without End, it was broken off: what no
	// position covers is given up. Always call it (defer).
	Close() error
}

// Rejecter is a Stream that counts rows which a tap could not read and left
// out, for the summary of the run.
type Rejecter interface{ Rejected(rows int64) }

// Position is a bookmark of one stream.
type Position struct {
	Stream string
	// Value is the stream's bookmark object in the dialect of the tap, as
	// it stands under bookmarks.<stream> of a Singer state.
	Value json.RawMessage
	// Exact: resuming from Value repeats no row (invariant 4).
	Exact bool
	// Rows is how many rows of the stream were written before it.
	Rows int64
}
