// Package filesink is what every target that writes files into a directory
// shares: names, hidden parts, commits that a kill at any moment cannot tear.
//
// Rows of a transaction go to hidden files (.elt-part-*), which nobody else
// reads. A commit, under a lock on the directory, first writes down how to
// undo it (the journal), then appends the parts to the visible files or moves
// them into place, fsyncs, and at last replaces the journal by one that says
// the commit happened and which position it reached. Whoever opens the
// directory next undoes what a dead process left half done. So a visible
// file holds whole commits only (for moments, while one is appended, more),
// and an appended file is as long as its position says: under a claim, files
// are loaded exactly once (invariants 3 and 4). Without a claim the journal
// exists during a commit only; a process that dies between the commit and
// the STATE line then doubles that commit in the next run (at least once).
//
// A dead run's own commits are fenced by the epoch in the journal, checked
// under the lock. Users may rotate, edit or delete visible files between
// runs: the journal remembers no lengths except while a commit is under way.
//
// A destination in an object store (bucket.go) has the same journal, but no
// lock: who replaces the journal names the version that it knows. Its hidden
// files lie in a temporary directory.
//
// What differs from file kind to file kind is a Format; jsonl and csv are two.
package filesink
