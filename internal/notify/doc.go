// Package notify finds out from the state store what is wrong with a
// project's pipelines, keeps it as incidents, and tells channels: when one is
// opened and when it is over, each once, several in one message.
//
// # How nothing is told twice
//
// What is wrong is judged by a pure function of what the store has and of the
// time (Judge). An incident is opened in one transaction with the notices that
// are owed of it, under a key of which only one can be open; a daemon that
// starts again, or a second one, sees the same and opens nothing. A notice is
// claimed before it is told and marked after: if the daemon dies in between,
// it is told again, with the same message id.
//
// Telling never touches a run: it has goroutines of its own, and a channel
// that is away is tried again later.
package notify
