// Package proc starts child processes and answers for them: each in a process
// group of its own, with pipes, its standard error drained line by line, a
// stop ladder (SIGTERM, wait, SIGKILL) and its exit status as data.
//
// Two hosts start processes. Direct is this process itself. Guard is a small
// process beside it, which holds the run's lock file and outlives a runner
// that is killed: whatever the run started, double-forked processes included,
// is then killed and reaped before the lock is dropped (invariant 8).
//
// Contracts: every child is reaped; a process that survives its leader in the
// leader's group is killed when it keeps the leader's pipes open for longer
// than Command.Linger; no secret is put into an argument list or into the
// guard's own environment (invariant 10).
package proc
