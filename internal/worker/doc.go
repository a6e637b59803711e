// Package worker takes executions from the queue of the state store and runs
// each in a process of its own, `elt run`, as a user would: what one run does
// to memory, environment and files does not reach the next, and a run is
// stopped as from a terminal.
//
// # Who ends what
//
// All runs of a worker are children of one guard process (internal/proc): if
// the worker is killed, the guard ends them and whatever they started
// (invariant 8). While a worker runs an execution it says so every few
// seconds; one that is silent for longer is declared lost by any other
// process on the store, which enqueues what its schedule says follows a lost
// run. A worker that finds itself declared lost kills the run. Should both
// live for a moment, the lease of the state id and its epoch keep the one of
// them from writing anything (invariant 6).
//
// While the store is away runs go on, and their ends are told when it is back.
package worker
