// Package replication speaks PostgreSQL's streaming replication protocol as a
// consumer of a logical slot: it makes slots, starts them, keeps the server
// waiting no longer than it likes, and decodes what pgoutput (protocol
// version 1) or wal2json (format version 2) send into Changes, whose values
// are the server's own text. It knows nothing of rows, streams or bookmarks.
//
// Sources: PostgreSQL documentation, "Streaming Replication Protocol",
// "Logical Streaming Replication Protocol" and "Logical Replication Message
// Formats"; README of wal2json.
//
// Three goroutines share a started Conn: one reads the socket into an inbox,
// one sends the status that the server wants every few seconds, whatever the
// consumer is busy with, and the consumer takes messages out of the inbox.
package replication
