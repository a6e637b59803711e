// Package load is what every target shares. It takes rows from either side (a
// Singer stream on stdin, or a tap in the same process), decides when a
// transaction of the Sink ends, and says which positions are durable.
//
// # When a commit happens
//
// Rows are handed to loaders at once, so the Sink's transaction or staging
// place is the buffer and memory stays small. A commit is due when a stream
// has gathered batch_size_rows, or all streams batch_size_bytes, or the oldest
// uncommitted row is batch_max_age_seconds old. Whether it may happen then
// depends on how the stream is loaded (targets.Method):
//
//   - Upsert: at once. Rows after the last position come again after a crash
//     and replace themselves (invariant 4).
//   - Append, positions exact (built-in taps in the same process): with the
//     next position, rows and position in one transaction. Nothing doubles.
//   - Append, positions not known to be exact (any foreign tap): a STATE does
//     not say which rows it covers. One that repeats the boundary row doubles
//     it once per restart, one of a FULL_TABLE stream says nothing at all and
//     doubles everything. A transaction with rows and STATE does not help,
//     since the STATE itself is vague. So keyless: hold keeps the rows staged
//     and their STATE withheld until the end, in every destination; with
//     keyless: progress they are committed with the next STATE (at least once).
//   - Overwrite: rows at any time, into a place nobody sees; the position only
//     with the End that publishes them. The tap is given no bookmark: what it
//     skipped would be missing from the table.
//
// # Which STATE is printed
//
// The newest of whose preceding records, of every stream, all are committed
// (invariant 2): whole value, one line, no repeats, never {} or null. A
// Singer STATE covers all streams at once, and all streams of a Singer input
// share one lane. So that a busy stream need not wait for a slow one and
// still acknowledges early, the first rows of each stream are held back until
// the stream is due (see watermark.go).
//
// # A tap of ours in another process
//
// It says which stream a STATE moved and how exactly, and where each stream
// ends (singer.PeerHandler). Its streams are loaded as those of a tap in the
// same process, each on a lane of its own (peer.go), so that both ways of
// running a pair leave the same rows and bookmarks; e2e/parity proves it for
// every pair.
//
// # How a run ends
//
// A complete input (ELT_END, or end of file under a runner that never sends
// it) activates versions, ends streams, commits. A broken input discards what
// no commit covers, pending purges and swaps included. SIGTERM commits up to
// the newest position where the rules above allow it, and never publishes.
package load
