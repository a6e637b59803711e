// Package mysql is tap-mysql: it reads tables and views of MySQL and MariaDB,
// whole (FULL_TABLE) or from a replication key on (INCREMENTAL).
//
// The way of a row: connect.go logs in and sets the session; discover.go asks
// information_schema; column.go says what a type means and how it is selected;
// plan.go joins that with the catalog and the bookmark; reader.go runs one
// prepared statement in a consistent snapshot, whose binary protocol hands
// out numbers exactly, reads the rows where they lie in the connection's
// buffer (package wire), and makes batches; value.go encodes fields.
package mysql
