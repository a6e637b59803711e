// Package sqlite is tap-sqlite: it reads tables and views of SQLite files,
// whole (FULL_TABLE) or from a replication key on (INCREMENTAL).
//
// The way of a row: session.go opens the files read-only and begins the one
// transaction in which everything is read; discover.go asks the schema for
// relations; column.go says what a declared type means; plan.go and query.go
// make a statement of it; step.c copies rows into a buffer, many for one call;
// reader.go makes batches of them. In SQLite every value has a type of its
// own, so a value may not fit what its column declares: the column is then
// widened (value.go), and nothing is lost or rounded.
package sqlite
