// Package row is the one data format inside elt: rows as PostgreSQL's binary
// COPY lays them out. A Batch is a schema, a slab of COPY tuples (int16 field
// count, then per field an int32 length and that many bytes; -1 is NULL, -2
// is unset: a value the source did not send), the rows' offsets and, where a
// row is no insert, its operation. So inserts without unset fields go to a
// server as they are, and nothing on the way is an `any`, a map or a float64
// that should have been a decimal.
//
// Encodings follow the PostgreSQL documentation ("COPY", binary format) and
// the server's *_send functions. Two wires are our own: TimestampExt keeps
// nanoseconds, offsets and years that a microsecond count cannot hold.
package row
