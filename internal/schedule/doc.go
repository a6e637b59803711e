// Package schedule decides what schedules do: which of their times are due,
// which were missed, what a run that is still going means for the next, when
// a failed one is repeated and what follows one. It starts nothing: it puts
// executions into the queue of the state store, from which workers take them.
//
// # Slots
//
// A slot is one time of a schedule, an instant in UTC. Every slot gets one
// record in the store, whose key lets several schedulers decide about it at
// the same time: the first record counts. So no scheduler leads, a slot fires
// once, and none passes without a record. The newest record of a schedule is
// also how far it has come; after a downtime all later slots are looked at.
//
// A slot is missed if nobody was there: this process was not running then, or
// not awake (a suspended machine, a stopped process). A slot that is late
// because the store was away is not missed: it fires late.
//
// # Time
//
// gocron is the alarm clock. When a schedule fires next is package cron's to
// say, and what is due is decided anew by the wall clock at every wake, at
// least every half minute, so that a clock that jumps does no harm: forward,
// the slots in between were missed; back, they have their records already.
package schedule
