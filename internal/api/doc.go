// Package api is the daemon's HTTP API: OpenAPI 3.1 under /api/v1, made from
// the Go types of this package by huma and committed as docs/openapi.json.
//
// # Who may do what
//
// Every route declares a Scope, and nothing is served that does not: what has
// none is denied. A token is a random value of which the store keeps the
// SHA-256; a browser exchanges it for a session in a cookie that scripts cannot
// read. Without a token only requests from this machine itself are served, and
// only where the daemon was told so. Whoever writes leaves an entry in the audit.
//
// # Payloads
//
// Names are snake_case, times RFC 3339 in UTC, lists have "items" and, where
// there is more, "next_cursor". Every error is problem+json (RFC 9457) with a
// code, a hint and the trace id, which is in the log too. No answer holds a
// secret: settings are masked, and texts that programs wrote go through the
// redactor (invariant 10).
//
// A run is an execution of the queue (state.Execution), or a run that somebody
// typed on a machine of the store (state.Run that no execution made).
package api
