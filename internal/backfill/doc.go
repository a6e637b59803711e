// Package backfill loads a window of time, cut in chunks, beside the regular
// runs of a state id.
//
//	plan -> lease of the regular state id -> backfill record -> chunks
//
// Each chunk is an ordinary run (package runner) with a windowed claim and a
// state id of its own, REGULAR:backfill:ID:N, so the regular bookmark is never
// touched and nothing outside of the window is swapped, purged or deleted
// (invariant 9). The regular state id's lease is held by the process that works
// on the backfill (invariants 6 and 9); every note of progress is fenced by it,
// so that of two that resume one waits or gives up.
//
// A chunk is done when the store says so, which it does only after its run
// succeeded. One that was cut before is run again: from its beginning where all
// rows merge by key, else from its own position in the destination, which is in
// one transaction with its rows (invariants 3 and 4).
package backfill
