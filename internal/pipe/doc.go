// Package pipe joins processes by bytes: a tap, any mappers, a target, each
// one's standard output into the next one's standard input, and judges how
// they ended. It knows no project, no store and no plugin definition.
//
// Bytes are forwarded as they came: RECORD lines are counted by their
// top-level "type" and "stream" and never decoded; only SCHEMA and STATE are.
// There is no line limit, and one buffer per hop: a slow target blocks the
// write, that blocks the read, and the kernel's pipe makes the tap wait.
//
// A run of a chain upholds invariant 5 (who ended first and why, early exits,
// acknowledgements that nobody sent) and the stop order of invariant 8.
package pipe
