// Package runner runs a plan: block after block, and for each set the lease,
// the files, the claim, the pipe, the bookmarks, the run record.
//
//	plan -> lease -> run folder -> settings -> choice -> catalog ->
//	target (claims) -> tap -> pipe -> bookmarks -> judgement -> record
//
// A Runner opens nothing by itself: project, store and resolver are handed
// in, and processes are started through a proc.Host, in real runs a guard
// that outlives the runner (invariant 8).
//
// Who owns what: the lease is renewed by one goroutine (lease.go), bookmarks
// are stored by one (saver.go), both awaited before the run record is
// written. What a plugin says on standard error becomes log lines (speech.go).
package runner
