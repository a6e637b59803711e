package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"
)

// ErrEnded: the backfill or the execution was cancelled or has ended; nothing was written.
var ErrEnded = errors.New("it has ended")

// Status values of backfills and chunks besides those of runs. Running may
// also mean that the runner was killed: nothing then says so but the lease.
const (
	Pending     = "pending"     // a chunk that is still to be run
	Interrupted = "interrupted" // told to stop; resume goes on
)

// Backfill is a window of time, cut in chunks, that is loaded beside the
// regular runs of a state id and under their lease (invariant 9).
type Backfill struct {
	ID          string `json:"backfill_id"`
	StateID     string `json:"state_id"` // of the regular runs
	Name        string `json:"name"`     // "tap-x target-y"
	Environment string `json:"environment,omitempty"`
	// Status is Running until all is loaded (Succeeded), a chunk failed
	// (Failed), it was Interrupted, or given up for good (Cancelled).
	Status string `json:"status"`
	Cause  string `json:"cause,omitempty"`
	// The window is half open: From <= t < To.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Options are what the command asked for, for `elt backfill resume`; Plan
	// is what was shown before the first chunk.
	Options json.RawMessage `json:"options,omitempty"`
	Plan    json.RawMessage `json:"plan,omitempty"`
	Created time.Time       `json:"created_at"`
	Updated time.Time       `json:"updated_at"`
	Ended   *time.Time      `json:"ended_at,omitempty"`
	Chunks  []Chunk         `json:"chunks,omitempty"`
	// Alive: the regular state id's lease is this backfill's, and fresh.
	Alive bool `json:"alive"`
}

// Chunk is one window of a backfill.
type Chunk struct {
	N        int           `json:"chunk"` // from 1
	StateID  string        `json:"state_id"`
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Status   string        `json:"status"`
	RunID    string        `json:"run_id,omitempty"` // the latest
	Attempts int           `json:"attempts"`         // runs that were started
	Cause    string        `json:"cause,omitempty"`
	Started  *time.Time    `json:"started_at,omitempty"`
	Ended    *time.Time    `json:"ended_at,omitempty"`
	Streams  []StreamStats `json:"streams,omitempty"`
}

// chunkID is a chunk's state id: REGULAR:backfill:DAY-RANDOM:N.
var chunkID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`:backfill:[0-9]{8}-[0-9a-f]{6}:[0-9]+$`) })

// ChunkStateID is the state id of a chunk's runs.
func ChunkStateID(regular, backfill string, n int) string {
	return fmt.Sprintf("%s:backfill:%s:%d", regular, backfill, n)
}

// IsChunk says whether a state id is that of a chunk.
func IsChunk(stateID string) bool { return chunkID().MatchString(stateID) }

// Rows is what the chunk's last run loaded.
func (c Chunk) Rows() (n int64) {
	for _, s := range c.Streams {
		n += s.Rows
	}
	return n
}

// Done counts the chunks that have succeeded.
func (b Backfill) Done() (n int) {
	for _, c := range b.Chunks {
		if c.Status == Succeeded {
			n++
		}
	}
	return n
}

// Backfills keeps plans and progress of backfills. Whoever works on one holds
// the lease of its regular state id, with the run id ID.SOMETHING that no other
// has; writes are fenced by it (invariant 6), so that no two work on one backfill.
type Backfills interface {
	// CreateBackfill stores a backfill and its chunks, all or nothing.
	CreateBackfill(ctx context.Context, b Backfill) error
	// Backfill is one with its chunks, in order; ErrNotFound when there is none.
	Backfill(ctx context.Context, id string) (Backfill, error)
	// Backfills lists newest first, with chunks; limit 0 is all.
	Backfills(ctx context.Context, limit int) ([]Backfill, error)
	// StartChunk says that a chunk is run. ErrEnded when it has succeeded
	// already or the backfill was cancelled, ErrFenced when the lease was lost.
	StartChunk(ctx context.Context, l Lease, id string, n int, runID string) error
	// FinishChunk stores how the run of a chunk ended.
	FinishChunk(ctx context.Context, l Lease, id string, c Chunk) error
	// ResumeBackfill makes a backfill run again, and its chunks that were broken
	// off or failed pending; ErrEnded when it was cancelled or has succeeded.
	ResumeBackfill(ctx context.Context, l Lease, id string) error
	// EndBackfill stores how the work on a backfill ended: Succeeded, Failed or
	// Interrupted. One that was cancelled meanwhile stays so.
	EndBackfill(ctx context.Context, l Lease, id, status, cause string) error
	// CancelBackfill gives a backfill up for good, whoever works on it; ErrEnded
	// when it has succeeded or is cancelled already.
	CancelBackfill(ctx context.Context, id string) error
}
