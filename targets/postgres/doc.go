// Package postgres is target-postgres: rows go in by binary COPY, and rows,
// schema changes and the bookmark that covers them in one transaction
// (invariants 2 to 4).
//
// A Lane is one connection. Keyed rows are staged in a temporary table and
// merged; plain rows are copied straight in; a table that does not exist yet,
// or that is to be overwritten, is filled under another name and published
// when the stream is complete, so that nobody reads half a table.
package postgres
