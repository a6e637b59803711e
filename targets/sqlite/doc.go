// Package sqlite is target-sqlite: one file, one connection, one transaction
// for rows, schema changes and the bookmark that covers them
// (invariants 2 to 4).
//
// Rows are executed one by one, in their order, by a loop in C that takes a
// whole batch (bind.c), those of a new table without a key eight to a
// statement; a key that comes again replaces its row by ON
// CONFLICT. A table that does not exist yet, or that is to be overwritten, is
// filled under another name and published when the stream is complete.
package sqlite
