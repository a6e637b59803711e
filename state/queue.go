package state

import (
	"context"
	"encoding/json"
	"time"
)

// Execution is a request to run blocks, and what became of it. What the
// blocks did is in Runs.RunsOf.
type Execution struct {
	ID          string          `json:"id"`
	Project     string          `json:"project"` // project id
	Environment string          `json:"environment,omitempty"`
	Name        string          `json:"name"` // the schedule, the job, or the blocks
	Blocks      []string        `json:"blocks"`
	Options     json.RawMessage `json:"options,omitempty"` // of the run: window, full refresh, select, env
	Trigger     string          `json:"trigger"`           // "schedule", "api", "retry", "chain"
	// Schedule and Slot: what time it stands for (its retries keep it).
	Schedule string     `json:"schedule,omitempty"`
	Slot     *time.Time `json:"slot,omitempty"`
	// Key is the asker's own name of the request; there is one execution per key.
	Key string `json:"key,omitempty"`
	// Lock is what no two executions hold at the same time; "": nothing.
	Lock string `json:"lock,omitempty"`
	// Queue says which workers may take it; of one queue, higher priorities go first.
	Queue    string `json:"queue,omitempty"`
	Priority int    `json:"priority,omitempty"`
	// NotBefore is when it is due.
	NotBefore time.Time `json:"not_before"`
	// Attempt counts from 1; RetryOf is the execution that this one repeats.
	Attempt int    `json:"attempt"`
	RetryOf string `json:"retry_of,omitempty"`
	// Digest is that of the project it was asked for with.
	Digest   string `json:"digest,omitempty"`
	Callback string `json:"callback,omitempty"` // called with the outcome

	Status string `json:"status"` // Queued, Running, Succeeded, Failed, Cancelled, Lost
	// Cancel: a user wants it to end; whoever runs it ends it.
	Cancel    bool       `json:"cancel,omitempty"`
	Worker    string     `json:"worker,omitempty"`
	Created   time.Time  `json:"created_at"`
	Started   *time.Time `json:"started_at,omitempty"`
	Heartbeat *time.Time `json:"heartbeat_at,omitempty"`
	Ended     *time.Time `json:"ended_at,omitempty"`
	ExitCode  int        `json:"exit_code"`
	Cause     string     `json:"cause,omitempty"`
	Tail      []string   `json:"tail,omitempty"` // the last lines of its log, when it failed
}

// Over says whether it has ended.
func (e Execution) Over() bool { return e.Status != Queued && e.Status != Running }

// Slot is one time at which a schedule was to fire, and what was done about it.
type Slot struct {
	Project     string    `json:"project"`
	Environment string    `json:"environment,omitempty"`
	Schedule    string    `json:"schedule"`
	Slot        time.Time `json:"slot"`
	Outcome     string    `json:"outcome"`
	Execution   string    `json:"execution,omitempty"`
	Why         string    `json:"why,omitempty"`
	At          time.Time `json:"at"`
}

// Outcomes of a slot.
const (
	SlotFired   = "fired"   // its execution was enqueued
	SlotMissed  = "missed"  // nobody was there in time, and catchup does not make up for it
	SlotSkipped = "skipped" // the one before was still going on, or the schedule is paused
	SlotSeen    = "seen"    // no slot: since then the schedule is known
)

// Which says which executions are listed; zero fields say nothing.
type Which struct {
	Project, Environment, Name, Schedule, Status string
	Worker                                       string
	EndedSince                                   time.Time // only what has ended since
	Open                                         bool      // only what has not ended
	Names, Statuses                              []string  // any of them
	Since                                        time.Time // created then or later
	// Before lists only what is older than this execution; with At, what is
	// older than that instant or, of the same instant, has a lower id.
	Before string
	At     time.Time
	Limit  int // 0: all
}

// Queue is the executions and the slots of schedules. Time is the database's.
type Queue interface {
	// Enqueue adds an execution, queued; where one of its key is there already
	// it gives that one, and false.
	Enqueue(ctx context.Context, e Execution) (Execution, bool, error)
	// Fire records what was done about a slot, in one transaction with the
	// execution it enqueues (nil: none) and, with cancel, with the wish that the
	// schedule's other executions end. Of several that fire a slot one wins; the
	// others get false and change nothing.
	Fire(ctx context.Context, s Slot, e *Execution, cancel bool) (bool, error)
	// Slots lists the newest first; schedule "" is all.
	Slots(ctx context.Context, project, environment, schedule string, limit int) ([]Slot, error)
	// SlotsSince lists what was recorded since then, oldest first.
	SlotsSince(ctx context.Context, project, environment string, since time.Time) ([]Slot, error)
	// LastSlots is each schedule's newest slot, whatever its outcome.
	LastSlots(ctx context.Context, project, environment string) (map[string]time.Time, error)

	// Take gives a worker the next execution that is due in one of its queues,
	// whose lock is free and whose queue has room, now running; ErrNotFound
	// when there is none.
	Take(ctx context.Context, f From) (Execution, error)
	// TakeOver gives a worker one that another ran Elsewhere and about which
	// it has been silent for longer than a time; still running, its Started as
	// it was. ErrNotFound when there is none.
	TakeOver(ctx context.Context, worker, project, environment string, silent time.Duration) (Execution, error)
	// Begin is Take for one that was told by name; ErrEnded when it is over,
	// ErrFenced when another worker has it or its lock is not free.
	Begin(ctx context.Context, id, worker string) (Execution, error)
	// Keep says that the worker is alive; it gives the execution as it is now,
	// ErrFenced when it is not this worker's any more.
	Keep(ctx context.Context, id, worker string) (Execution, error)
	// End says how it ended (Status, ExitCode, Cause, Tail of e); next, if
	// given, is enqueued in the same transaction. ErrFenced as in Keep; saying
	// the same end again is no error and changes nothing.
	End(ctx context.Context, e Execution, next ...Execution) error
	// HandBack puts an execution back into the queue, as if it never began.
	HandBack(ctx context.Context, id, worker string) error
	// Lose ends, as Lost, the executions whose workers were silent for longer
	// than a time and did not run them Elsewhere, and gives them; what next says of each is enqueued in the
	// same transaction (nil: nothing).
	Lose(ctx context.Context, project, environment string, silent time.Duration, next func(Execution) []Execution) ([]Execution, error)
	// CancelExecution ends a queued execution, and asks the worker of a running one to;
	// ErrEnded when it is over, ErrNotFound.
	CancelExecution(ctx context.Context, id, cause string) (Execution, error)

	Execution(ctx context.Context, id string) (Execution, error)
	// Executions lists the newest first.
	Executions(ctx context.Context, w Which) ([]Execution, error)
	// LastExecutions lists the newest n of each name, newest first.
	LastExecutions(ctx context.Context, project, environment string, n int) ([]Execution, error)
	// CountExecutions counts them by status.
	CountExecutions(ctx context.Context, project, environment string) (map[string]int, error)
	// PruneExecutions deletes ended ones beyond keep per name or older than
	// age, and slots older than age, but each schedule's newest. It gives the ids
	// of what it deleted: their logs are the caller's to remove.
	PruneExecutions(ctx context.Context, keep int, age time.Duration) ([]string, error)

	// PauseSchedule and ResumeSchedule are a user's decision, kept here so
	// that every scheduler sees it; Paused gives who paused since when.
	PauseSchedule(ctx context.Context, project, environment, schedule, who string) error
	ResumeSchedule(ctx context.Context, project, environment, schedule string) error
	Paused(ctx context.Context, project, environment string) (map[string]Pause, error)

	// Listen calls wake when an execution may have become due, and returns when
	// the context has ended. It is a courtesy (the store may be a file, or
	// behind a pooler): who listens still looks by itself from time to time.
	Listen(ctx context.Context, wake func())
}

// From says who takes an execution, and from where.
type From struct {
	Worker, Project, Environment string
	Queues                       []string // none: every queue
	// Limits are how many executions of a queue run at the same time, all
	// workers together; a queue that is not named has no limit.
	Limits map[string]int
}

// Elsewhere begins the name of a worker whose runs go on without it.
const Elsewhere = "@"

// Pause says who stopped a schedule.
type Pause struct {
	Who   string    `json:"who"`
	Since time.Time `json:"since"`
}
