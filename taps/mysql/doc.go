// Package mysql is tap-mysql: it reads tables and views of MySQL and MariaDB,
// whole (FULL_TABLE), from a replication key on (INCREMENTAL), or by the binlog
// (LOG_BASED).
//
// The way of a row: connect.go logs in and sets the session; discover.go asks
// information_schema; column.go says what a type means and how it is selected;
// plan.go joins that with the catalog and the bookmark; reader.go runs one
// prepared statement in a consistent snapshot, whose binary protocol hands
// out numbers exactly, reads the rows where they lie in the connection's
// buffer (package wire), and makes batches; value.go encodes fields. place.go
// knows where the binlog stands and which place belongs to a snapshot,
// follow.go makes rows of its changes, shape.go finds the columns in them.
package mysql
