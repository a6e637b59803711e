package state

import (
	"context"
	"time"
)

// Daemon is one process of elt daemon.
type Daemon struct {
	Name        string    `json:"name"` // unique on the store; the Worker of what it runs
	Project     string    `json:"-"`
	Environment string    `json:"-"`
	Host        string    `json:"host"`
	PID         int       `json:"pid"`
	Version     string    `json:"version"`
	Roles       []string  `json:"roles"`
	Queues      []string  `json:"queues,omitempty"` // that its worker takes from; none: all
	Slots       int       `json:"slots,omitempty"`  // runs at the same time
	Executor    string    `json:"executor,omitempty"`
	Started     time.Time `json:"-"`
	// Silent is how long it has not been heard of.
	Silent time.Duration `json:"-"`
}

// QueueState is how long a queue is.
type QueueState struct {
	Queue   string
	Waiting int        // due, and not taken yet
	Later   int        // not due yet
	Running int        // of all workers together
	Oldest  *time.Time // since when the first of Waiting is due
}

// Daemons says who works on the queue. Time is the database's.
type Daemons interface {
	// KeepDaemon says that a daemon is there, and forgets those of the project
	// that have been silent for longer than forget.
	KeepDaemon(ctx context.Context, d Daemon, forget time.Duration) error
	// LeaveDaemon forgets one that stops.
	LeaveDaemon(ctx context.Context, name string) error
	// Daemons lists them by name, those that vanished too.
	Daemons(ctx context.Context, project, environment string) ([]Daemon, error)
	// QueueStates are the queues in which something waits or runs, by name.
	QueueStates(ctx context.Context, project, environment string) ([]QueueState, error)
}
