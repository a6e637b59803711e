// Package state is the contract of the state store: bookmarks with their
// history, runs with their logs, leases, backfills, the queue of executions, the API's tokens and audit,
// pins and settings kept in the database. Two stores fulfil it, state/sqlite and state/postgres; the suite
// state/statetest runs on both. Nothing here knows SQL.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

var (
	// ErrNotFound: no such bookmark, run or revision.
	ErrNotFound = errors.New("not found")
	// ErrEdited: a user has changed the bookmark since; nothing was written.
	ErrEdited = errors.New("the bookmark was changed meanwhile")
	// ErrFenced: the lease was lost to another run; nothing was written (invariant 6).
	ErrFenced = errors.New("the lease on this state id was lost to another run")
)

// Store is an open state store. All methods are safe for concurrent use.
type Store interface {
	Bookmarks
	Leases
	Runs
	Settings
	Backfills
	Queue
	Tokens
	Audit
	Callbacks
	Incidents
	Streams
	Daemons
	Logs
	// URI names the store without secrets.
	URI() string
	Close() error
}

// Bookmark is what is known of one state id. Completed and Partial are
// Singer state values as Meltano keeps them; a run reads Partial deep-merged
// over Completed (singer.Merge).
type Bookmark struct {
	StateID            string          `json:"state_id"`
	Completed, Partial json.RawMessage `json:"-"`
	Epoch              int64           `json:"epoch"` // runs that claimed it
	Edit               int64           `json:"edit"`  // changes by a user
	Updated            time.Time       `json:"updated_at"`
}

// Bookmarks is kept state, one entry per state id, every change in an
// append-only history of which the last N stay (invariant 7).
type Bookmarks interface {
	// Bookmark is the present entry; ErrNotFound when there is none.
	Bookmark(ctx context.Context, stateID string) (Bookmark, error)
	// BookmarkIDs are the state ids that match a glob (* ?; "" is all), sorted.
	BookmarkIDs(ctx context.Context, pattern string) ([]string, error)
	// Ack stores an acknowledged state value under the run's lease, in one
	// durable transaction that checks the lease's epoch (invariant 1).
	// merge: deep-merge into Partial; else replace Completed, empty Partial.
	Ack(ctx context.Context, l Lease, value json.RawMessage, merge bool) error
	// EditBookmark replaces both parts by a user's decision: Edit grows by
	// one. A nil value with op "clear" leaves an entry without state, so that
	// the destination learns of the decision.
	EditBookmark(ctx context.Context, stateID, op string, completed, partial json.RawMessage) error
	// EditBookmarkAt is EditBookmark where the count of edits is still as
	// given (0: also where there is no entry); else ErrEdited.
	EditBookmarkAt(ctx context.Context, stateID, op string, completed, partial json.RawMessage, edit int64) error
	// DeleteBookmark forgets the entry (its history stays).
	DeleteBookmark(ctx context.Context, stateID string) error
	// History lists changes, newest first.
	History(ctx context.Context, stateID string, limit int) ([]Revision, error)
	// Revision is one change; ErrNotFound when it was pruned or never was.
	Revision(ctx context.Context, stateID string, id int64) (Revision, error)
}

// Revision is one entry of a bookmark's history.
type Revision struct {
	ID        int64           `json:"revision"`
	StateID   string          `json:"state_id"`
	Op        string          `json:"op"` // "run", "set", "merge", "clear", "rollback", "copy", "move", "full-refresh", "adopt"
	RunID     string          `json:"run_id,omitempty"`
	Completed json.RawMessage `json:"completed,omitempty"`
	Partial   json.RawMessage `json:"partial,omitempty"`
	At        time.Time       `json:"at"`
}

// Holder says who holds a lease.
type Holder struct {
	RunID   string    `json:"run_id"`
	Host    string    `json:"host"`
	Machine string    `json:"machine"` // stable id of machine and boot
	PID     int       `json:"pid"`
	Lock    string    `json:"lock"` // path of the guard's lock file
	Since   time.Time `json:"since"`
}

// Lease is the right to run one state id.
type Lease struct {
	StateID string
	RunID   string
	Epoch   int64
	TTL     time.Duration
}

// HeldError: another run has the lease.
type HeldError struct {
	StateID string
	Holder  Holder
	// Silent is how long the holder has not renewed, by database time.
	Silent time.Duration
	TTL    time.Duration
}

func (e *HeldError) Error() string {
	return "state id " + e.StateID + " is held by run " + e.Holder.RunID + " on " + e.Holder.Host +
		" since " + e.Holder.Since.UTC().Format(time.RFC3339)
}

// AnyRun is the run id that means every run, to Leases.Acquire.
const AnyRun = "*"

// Leases let one run at a time work on a state id (invariant 6). Time is the
// database's.
type Leases interface {
	// Acquire takes the lease and starts a new epoch; *HeldError when another
	// run has it, however long that one has been silent: whether it is dead is
	// for the caller to find out, who then names it as takeFrom. The lease is
	// taken from that run and from no other (two that saw it dead do not take
	// it from each other); AnyRun takes it from whoever has it.
	Acquire(ctx context.Context, stateID string, h Holder, ttl time.Duration, takeFrom string) (Lease, error)
	// Renew prolongs; ErrFenced when it was taken over.
	Renew(ctx context.Context, l Lease) error
	// Adopt raises the epoch, and the bookmark's count of edits, to what the
	// destination gave (it never lowers them): after a store was lost, a
	// user's next edit must count for more than those the destination knows.
	Adopt(ctx context.Context, l Lease, epoch, edit int64) (Lease, error)
	// Release gives the lease back; no error when it was lost.
	Release(ctx context.Context, l Lease) error
}

// Run status values.
const (
	Queued    = "queued"
	Running   = "running"
	Succeeded = "succeeded"
	Failed    = "failed"
	Cancelled = "cancelled"
	Lost      = "lost" // its runner vanished
)

// Run is the record of one run of one set (or command block).
type Run struct {
	ID          string          `json:"run_id"`
	Execution   string          `json:"execution,omitempty"` // that made it, if one did
	StateID     string          `json:"state_id,omitempty"`
	Name        string          `json:"name"` // "tap-x target-y", "tool:go"
	Environment string          `json:"environment,omitempty"`
	Trigger     string          `json:"trigger"` // "cli", "schedule", "api"
	Status      string          `json:"status"`
	Unconfirmed bool            `json:"unconfirmed,omitempty"` // invariant 5
	ExitCode    int             `json:"exit_code"`
	Cause       string          `json:"cause,omitempty"`
	Started     time.Time       `json:"started_at"`
	Heartbeat   time.Time       `json:"heartbeat_at"`
	Ended       *time.Time      `json:"ended_at,omitempty"`
	LogPath     string          `json:"log_path,omitempty"`
	Streams     []StreamStats   `json:"streams,omitempty"`
	Detail      json.RawMessage `json:"detail,omitempty"` // plugins and why they ran, bottleneck, schema changes, versions, what it was given
}

// StreamStats is what one stream moved in one run.
type StreamStats struct {
	Stream   string          `json:"stream"`
	Rows     int64           `json:"rows"`
	Bytes    int64           `json:"bytes"`
	Seconds  float64         `json:"seconds"`
	Rate     float64         `json:"rate,omitempty"` // rows per second lately; 0 once the run has ended
	Bookmark json.RawMessage `json:"bookmark,omitempty"`
	Error    string          `json:"error,omitempty"`
}

// Runs is the history of runs.
type Runs interface {
	StartRun(ctx context.Context, r Run) error
	// Beat renews the heartbeat of a running run and stores how far it is: its
	// streams, and its detail (nil: as it was).
	Beat(ctx context.Context, runID string, streams []StreamStats, detail json.RawMessage) error
	FinishRun(ctx context.Context, r Run) error
	Run(ctx context.Context, runID string) (Run, error)
	// Runs lists newest first; stateID "" is all.
	Runs(ctx context.Context, stateID string, limit int) ([]Run, error)
	// RunsOf lists what executions made, oldest first.
	RunsOf(ctx context.Context, executions ...string) ([]Run, error)
	// BriefRunsOf is RunsOf without Detail, for lists.
	BriefRunsOf(ctx context.Context, executions ...string) ([]Run, error)
	// LoneRuns lists runs that no execution made, newest first and without
	// Detail; of w it takes Environment, Name, Statuses, Since, At, Before and
	// Limit.
	LoneRuns(ctx context.Context, w Which) ([]Run, error)
	// PruneRuns deletes ended runs beyond keep per state id or older than age, but
	// each state id's newest, and returns the log paths that go with them.
	PruneRuns(ctx context.Context, keep int, age time.Duration) ([]string, error)
}

// Settings are values kept in the database: plugin settings (`config set
// --store db`) and pins (which connector a state id's first run chose).
type Settings interface {
	Setting(ctx context.Context, scope, name string) (string, bool, error)
	SettingsIn(ctx context.Context, scope string) (map[string]string, error)
	PutSetting(ctx context.Context, scope, name, value string) error
	DeleteSetting(ctx context.Context, scope, name string) error
}
