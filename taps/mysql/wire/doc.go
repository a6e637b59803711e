// Package wire is MySQL's protocol behind the login: prepared statements whose
// rows are read where they lie in the connection's buffer, and the binlog.
// The go-sql-driver logs in and runs small statements; where many rows come,
// its values would be an allocation each.
//
// A Conn has one owner. What it returns is valid until the next call.
package wire
