// Package httpapi is what taps over HTTP share: a client that retries, waits
// and logs in, response bodies that were read whole before a row of them is
// sent, JSON paths, and rows made from raw JSON records. Numbers in records
// never become floats, and no secret gets into an error or a log line.
package httpapi
