package worker

import (
	"context"
	"fmt"
	"time"

	"elt/internal/fault"
	"elt/state"
)

// Executor is where executions run. The suite in internal/worker/executortest
// is what one must keep.
type Executor interface {
	// Start begins the run of an execution that the store says is this
	// worker's, and writes what it says into the log. An executor whose runs
	// outlive their workers finds the run that an earlier worker began (same
	// execution, same Started) instead of beginning a second one. An error
	// that is Unready says that the place is away for now; any other is the
	// execution's failure.
	Start(ctx context.Context, e state.Execution, log *Log) (Run, error)
	// Outlives says that a run goes on without its worker: then a worker that
	// stops leaves its runs alone, and those of one that vanished are taken
	// over by the next, not lost.
	Outlives() bool
}

// Run is one run under way. Methods are safe for concurrent use.
type Run interface {
	// Ended is closed when the run and all its processes have ended.
	Ended() <-chan struct{}
	// Outcome waits for the end, and for the last of the log.
	Outcome() Outcome
	// Stop asks the run to end, and ends it with all it started when the grace
	// is over; it returns when nothing of it is left.
	Stop(grace time.Duration)
	// Abandon is for a worker whose run has become another's, or that leaves
	// runs behind: a run that cannot outlive its worker is killed, any other is
	// only watched no more.
	Abandon()
}

// Outcome is how a run ended.
type Outcome struct {
	Code int      // exit code; 128+n when signal n killed it
	How  string   // "exit code 1", "killed by signal 9 (killed)", "OOMKilled"
	Tail []string // the last lines that it said
	// Cause is why it failed where the executor knows better than the last
	// lines: its machine vanished, its image cannot be had.
	Cause string
	// Vanished: nobody knows how it ended; it counts as lost.
	Vanished bool
	// TimedOut: the executor itself ended it after its timeout.
	TimedOut bool
}

// OK says that it ended by itself with exit code 0.
func (o Outcome) OK() bool { return o.Code == 0 && o.How == "" && !o.Vanished && !o.TimedOut }

// Unready is an executor's place being away: what was to start is tried again.
type Unready struct{ Err error }

func (u *Unready) Error() string { return fmt.Sprintf("the executor is not ready: %v", u.Err) }
func (u *Unready) Unwrap() error { return u.Err }

func failed(err error) ended {
	return ended{status: state.Failed, code: int(fault.CodeOf(err)), cause: err.Error()}
}
