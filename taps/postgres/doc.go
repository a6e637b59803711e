// Package postgres is tap-postgres: it reads tables and views of a PostgreSQL
// database with binary COPY, whole (FULL_TABLE) or from a replication key on
// (INCREMENTAL), or follows the database's log (LOG_BASED, logical*.go).
//
// The way of a row: discovery asks the catalog tables for every relation and
// type (discover.go), each column gets a Reading (reading.go), which says what
// stands in the SELECT list and what the field's bytes are; a plan (plan.go)
// joins that with the user's catalog and the bookmark; a worker (worker.go)
// runs its COPY statements (query.go) in one snapshot, and the splitter
// (splitter.go) cuts the stream of tuples into batches, while the other half
// of the worker hands finished batches on. Fields travel in the server's own
// encoding; only those that no row.Wire describes are converted, by the
// server where it prints them exactly, else by us.
package postgres
