// Package targets is the contract of a built-in target: a destination that
// takes typed rows, and makes them durable together with the position that
// covers them where it has transactions. A target knows no project, no store
// of ours and no command line; package load batches, times and acknowledges
// for all of them, and load.Serve gives each the command line every
// Singer target has.
//
// To add one: a folder targets/NAME with a New() targets.Target, one line in
// targets/all, a changelog file. See CONTRIBUTING.md.
package targets

import (
	"context"
	"encoding/json"
	"errors"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
)

// ErrFenced: another run has claimed the state id; nothing was written.
var ErrFenced = errors.New("another run has taken over this state id")

// ErrMoved: the destination is not as the last run left it; nothing was written.
var ErrMoved = errors.New("the destination is not as the last run left it")

// Target is a kind of destination.
type Target interface {
	Spec() spec.Spec
	// Open connects. A destination that is away is retried for a while by
	// the target; the error then says host and what to check.
	Open(ctx context.Context, cfg spec.Config) (Sink, error)
}

// Sink is an open destination for one run. Lanes may work at the same time;
// the Sink's own methods are called by one goroutine.
type Sink interface {
	// Claim makes the destination this run's (invariant 3): it locks the
	// fence row of stateID (waiting for any transaction that a dead run left
	// open), hands decide what it found, stores what decide returns, commits.
	// From then on every commit of this Sink checks that the fence's epoch is
	// still the claimed one, and fails with ErrFenced if not. A destination
	// that can keep nothing calls decide with Fence{Keepless: true}.
	// Without a Claim (under a foreign runner) no state is kept there.
	Claim(ctx context.Context, stateID string, decide func(found Fence) (Fence, error)) error
	// Lanes is how many lanes may be open at the same time, at least 1.
	Lanes() int
	// Lane opens a sequence of transactions.
	Lane(ctx context.Context) (Lane, error)
	// Finish completes the run after all lanes were closed. What a STATE
	// covers was durable with its Commit already; this is for tidying up.
	Finish(ctx context.Context) error
	// Abort releases everything and undoes what is not committed. It is safe
	// after Finish (then it only releases) and after any error.
	Abort() error
}

// Fence is what a destination keeps per state id.
type Fence struct {
	Found    bool // false: the destination has no row for this state id
	Keepless bool // the destination cannot keep fences at all
	// Unasked: the destination was not asked (Keeper); the first transaction
	// compares.
	Unasked bool
	// Late: the row is written with the first rows, not by the Claim.
	Late bool
	// Epoch counts the runs that claimed; Edit counts a user's changes of the
	// bookmark (state set, clear, rollback, full refresh); Seq counts the
	// commits within the epoch, so that after a lost COMMIT reply it can be
	// read back whether the commit happened.
	Epoch, Edit, Seq int64
	Bookmarks        singer.Bookmarks
	// Gone names what held rows before Bookmarks and is not there any more,
	// where the destination notices; "" is nothing.
	Gone string
}

// Lane is one transaction after another, for one or more streams. Only one
// goroutine uses a lane and the loaders it opened.
type Lane interface {
	// Stream makes the destination ready for a stream: table created or
	// evolved (within the transaction where the destination can).
	Stream(ctx context.Context, schema *row.Schema) (Loader, error)
	// Commit makes everything since the last Commit durable, and c with it
	// where the destination keeps state. On error nothing of it is there
	// (a lost reply was resolved by reading the fence back).
	Commit(ctx context.Context, c Commit) error
	// Close ends the lane; what was not committed is undone.
	Close() error
}

// Commit is the bookmark part of a transaction. Whole replaces everything
// known of the state id (a foreign tap's opaque STATE value); Streams replace
// single streams' positions. Both empty: rows only.
type Commit struct {
	Whole   json.RawMessage
	Streams map[string]json.RawMessage
}

// Loader loads one stream on a lane.
type Loader interface {
	// Schema changes the stream's shape; what was written before keeps its own.
	Schema(ctx context.Context, schema *row.Schema) error
	// Write takes rows; it consumes the batch, error or not.
	Write(ctx context.Context, batch *row.Batch) error
	// Activate makes rows of older versions (and of none) dead with the next
	// Commit: marked in _sdc_deleted_at, or deleted where hard_delete is set.
	Activate(ctx context.Context, version int64) error
	// End completes the stream: an unpublished table is published, an
	// overwritten one swapped in, with the next Commit.
	End(ctx context.Context) error
}
