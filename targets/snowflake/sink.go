package snowflake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"elt/internal/singer"
	"elt/internal/sqltarget"
	"elt/targets"
)

// sink is one run's database.
type sink struct {
	set     *settings
	folder  *folder
	started int64           // µs since 2000
	signal  context.Context // ends when the run is told to stop
	lanes   int
	report  func(targets.Change)

	files atomic.Int64 // made so far
	short string       // in names of what this run makes
	run   string       // names this run in the state table
	kept  string       // what the last run left, "" when not known

	mu      sync.Mutex // guards what follows
	idle    []*session
	schemas map[string]*namespace
	owner   map[string]string // table -> the stream that has it

	// The state id. commit is held from the state's write to the COMMIT's end,
	// so that lanes count their commits one after another.
	commit      sync.Mutex
	stateID     string // "": not claimed
	epoch, edit int64
	known       mark // of the state id's row, as the last commit left it
	ours        bool // that row is this run's
	marks       singer.Bookmarks
}

func (s *sink) OnChange(report func(targets.Change)) { s.report = report }

func (s *sink) changed(c targets.Change) {
	if s.report != nil {
		s.report(c)
	}
}

func (s *sink) Lanes() int { return s.lanes }

// Recall implements targets.Keeper.
func (s *sink) Recall(run, kept string) { s.run, s.kept = run, kept }

// Kept implements targets.Keeper.
func (s *sink) Kept() string {
	if s.stateID == "" {
		return ""
	}
	return s.known.String()
}

// Claim asks the destination only where it must, since reading a table takes
// a running warehouse: not when the last run said how it left the row, and
// not when there is no state table. Then the first load's transaction makes
// the comparison (docs/decisions/2026-11-21-snowflake-claims-late.md).
func (s *sink) Claim(ctx context.Context, stateID string, decide func(targets.Fence) (targets.Fence, error)) error {
	c, err := s.take(ctx)
	if err != nil {
		return err
	}
	err = s.claim(ctx, c, stateID, decide)
	if err != nil {
		return errorsJoin(fmt.Errorf("claim state %q: %w", stateID, err), c.close())
	}
	s.give(c)
	return nil
}

func (s *sink) claim(ctx context.Context, c *session, stateID string, decide func(targets.Fence) (targets.Fence, error)) error {
	if s.run == "" {
		s.run = nonce()
	}
	found := targets.Fence{Late: true}
	if was, ok := parseMark(s.kept); ok {
		found.Unasked, found.Found, s.known = true, true, was
	} else {
		there, err := s.namespace(ctx, c, s.set.home())
		if err != nil {
			return err
		}
		if there.tables[stateTable] != nil {
			return s.claimNow(ctx, c, stateID, decide)
		}
	}
	want, err := decide(found)
	if err != nil {
		return err
	}
	s.claimed(stateID, want)
	return nil
}

func (s *sink) claimed(stateID string, f targets.Fence) {
	s.stateID, s.epoch, s.edit, s.marks = stateID, f.Epoch, f.Edit, f.Bookmarks
}

// claimNow reads and writes the row at once. The first statement of the
// transaction takes the table, which waits for every transaction that a dead
// run left open.
func (s *sink) claimNow(ctx context.Context, c *session, stateID string, decide func(targets.Fence) (targets.Fence, error)) (err error) {
	if _, err := c.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.undo(ctx)
		}
	}()
	if _, err := c.exec(ctx, "UPDATE "+s.state().table+` SET "UPDATED_AT" = CURRENT_TIMESTAMP() WHERE "STATE_ID" = ?`, stateID); err != nil {
		return err
	}
	found, was, err := s.found(ctx, c, stateID)
	if err != nil {
		return err
	}
	want, err := decide(found)
	if err != nil {
		return err
	}
	next := mark{s.run, want.Seq}
	sql, args := s.state().write(stateID, was, stateRow{want.Bookmarks.Raw(), want.Epoch, want.Edit, next})
	n, err := c.exec(ctx, sql, args...)
	if err != nil {
		return err
	}
	if n != 1 {
		return targets.ErrFenced
	}
	if _, err := c.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	s.claimed(stateID, want)
	s.known, s.ours = next, true
	return nil
}

// take is a session that nobody uses.
func (s *sink) take(ctx context.Context) (*session, error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	return s.dial(ctx)
}

func (s *sink) give(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
}

// stopping is a context that ends some time after the run was told to stop:
// what is being committed then has that long to finish.
func (s *sink) stopping() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(s.signal, func() { time.AfterFunc(s.set.grace, cancel) })
	return ctx
}

func (s *sink) Lane(ctx context.Context) (targets.Lane, error) {
	c, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	return newLane(s, c), nil
}

func (s *sink) Finish(context.Context) error { return nil }

func (s *sink) Abort() error {
	var errs []error
	for _, c := range s.idle {
		errs = append(errs, c.close())
	}
	s.idle = nil
	return errorsJoin(append(errs, s.folder.remove())...)
}

// undo rolls an open transaction back, even when the run was cancelled.
func (c *session) undo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = c.exec(ctx, "ROLLBACK") // a session that ends rolls back all the same
}

// upperNonce is nonce for names of objects.
func upperNonce() string { return strings.ToUpper(nonce()) }

// nonce is a name that nothing else has.
func nonce() string {
	var raw [6]byte
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

// with are the bookmarks after a commit.
func with(b singer.Bookmarks, c targets.Commit) (singer.Bookmarks, error) {
	if len(c.Whole) > 0 {
		b = singer.NewBookmarks(c.Whole)
	}
	if len(c.Streams) == 0 {
		return b, nil
	}
	return b.With(c.Streams)
}

// rejects is the SQL of the table of rejected records.
func (s *sink) rejects() string { return sqltarget.Qualify(s.set.home(), rejectsTable) }
