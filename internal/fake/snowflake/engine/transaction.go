package engine

import (
	"context"
	"strconv"
	"time"

	"elt/internal/fake/snowflake/sql"
)

// transaction is what a session changed and has not committed: per table the
// rows it deleted and those it added. Others see neither; a statement sees the
// newest committed rows and its own session's (READ COMMITTED, the only level:
// docs.snowflake.com/en/sql-reference/transactions).
type transaction struct {
	id      int64
	session *Session
	changes map[*table]*change
	locks   []*table
}

type change struct {
	deleted   map[*record]struct{}
	added     []*record
	loaded    map[string]loadedFile
	truncated bool // the load history from before is gone
}

func (s *Session) newTransaction() *transaction {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.engine.sequence++
	return &transaction{id: s.engine.now().UnixNano() + s.engine.sequence, session: s, changes: map[*table]*change{}}
}

func (tx *transaction) change(t *table) *change {
	c := tx.changes[t]
	if c == nil {
		c = &change{deleted: map[*record]struct{}{}, loaded: map[string]loadedFile{}}
		tx.changes[t] = c
	}
	return c
}

// rows is what the session sees of a table now.
func (s *Session) rows(t *table) (committed []*record, deleted map[*record]struct{}, added []*record) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	committed = t.rows
	if s.tx != nil {
		if c := s.tx.changes[t]; c != nil {
			return committed, c.deleted, c.added
		}
	}
	return committed, nil, nil
}

// scan calls f with each row's record; it stops when ctx ends.
func (s *Session) scan(ctx context.Context, t *table, f func(*record) error) error {
	committed, deleted, added := s.rows(t)
	for _, part := range [][]*record{committed, added} {
		for i, r := range part {
			if i&1023 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if len(deleted) > 0 {
				if _, gone := deleted[r]; gone {
					continue
				}
			}
			if err := f(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// lock takes the table for UPDATE, DELETE and MERGE until the transaction
// ends; INSERT and COPY need no lock ("most INSERT and COPY statements write
// only new partitions", docs: Transactions, Resource locking). A waiter gives
// up after LOCK_TIMEOUT seconds, or when its statement is cancelled.
func (tx *transaction) lock(ctx context.Context, t *table) error {
	e := tx.session.engine
	seconds, _ := strconv.Atoi(tx.session.parameter("LOCK_TIMEOUT"))
	deadline := time.NewTimer(time.Duration(seconds) * time.Second)
	defer deadline.Stop()
	for {
		e.mu.Lock()
		if t.dropped {
			e.mu.Unlock()
			return missing("Object", display(t.db, t.schema, t.name))
		}
		if t.writer == tx {
			e.mu.Unlock()
			return nil
		}
		if t.writer == nil {
			t.writer = tx
			tx.locks = append(tx.locks, t)
			e.mu.Unlock()
			return nil
		}
		holder, released, holding := t.writer, e.released, t.writer.session.query
		if waitsFor(holder, tx) {
			e.mu.Unlock()
			return sql.Errorf(625, "57014", "Statement was aborted because of a deadlock on table '%s'.", t.name)
		}
		tx.session.waiting = holder
		idle := time.NewTimer(e.idle - time.Since(holder.session.used))
		e.mu.Unlock()
		var err error
		select {
		case <-released:
		case <-idle.C:
			holder.detached()
		case <-ctx.Done():
			err = ctx.Err()
		case <-deadline.C:
			err = sql.Errorf(625, "57014", "Statement '%s' has locked table '%s' in transaction %d and this lock has not yet been released.",
				holding, t.name, holder.id)
		}
		idle.Stop()
		e.mu.Lock()
		tx.session.waiting = nil
		e.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// detached rolls the transaction back if its session does nothing: one that
// blocks another and is idle for 5 minutes is aborted (docs: Transactions,
// Aborting transactions).
func (tx *transaction) detached() {
	if !tx.session.busy.TryLock() {
		time.Sleep(time.Millisecond) // a statement is under way
		return
	}
	defer tx.session.busy.Unlock()
	if tx.session.tx == tx {
		tx.rollback()
		tx.session.tx, tx.session.explicit = nil, false
	}
}

// waitsFor reports whether holder waits, perhaps through others, for tx.
func waitsFor(holder, tx *transaction) bool {
	for n := 0; holder != nil && n < 100; n++ {
		if holder == tx {
			return true
		}
		holder = holder.session.waiting
	}
	return false
}

// commit makes the changes everybody's, all at once.
func (tx *transaction) commit() {
	e := tx.session.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for t, c := range tx.changes {
		if len(c.deleted) > 0 {
			kept := make([]*record, 0, len(t.rows)+len(c.added))
			for _, r := range t.rows {
				if _, gone := c.deleted[r]; !gone {
					kept = append(kept, r)
				}
			}
			t.rows = kept
		}
		t.rows = append(t.rows, c.added...)
		if c.truncated {
			t.loaded = map[string]loadedFile{}
		}
		for name, f := range c.loaded {
			t.loaded[name] = f
		}
	}
	tx.release()
}

func (tx *transaction) rollback() {
	e := tx.session.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	tx.release()
}

// release gives the locks back; the engine's lock is held.
func (tx *transaction) release() {
	for _, t := range tx.locks {
		t.writer = nil
	}
	if tx.locks != nil {
		close(tx.session.engine.released)
		tx.session.engine.released = make(chan struct{})
	}
	tx.locks, tx.changes = nil, nil
}

// apply is one statement's effect on a table, added to the transaction at its
// end, so that a statement that fails has none.
func (tx *transaction) apply(t *table, deleted []*record, added []*record) {
	e := tx.session.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	c := tx.change(t)
	if len(deleted) > 0 {
		own := map[*record]struct{}{}
		if len(c.added) > 0 {
			for _, r := range c.added {
				own[r] = struct{}{}
			}
		}
		drop := map[*record]struct{}{}
		for _, r := range deleted {
			if _, mine := own[r]; mine {
				drop[r] = struct{}{}
			} else {
				c.deleted[r] = struct{}{}
			}
		}
		if len(drop) > 0 {
			kept := make([]*record, 0, len(c.added))
			for _, r := range c.added {
				if _, gone := drop[r]; !gone {
					kept = append(kept, r)
				}
			}
			c.added = kept
		}
	}
	c.added = append(c.added, added...)
}

// Waits reports whether a statement of the session waits for a lock.
func (s *Session) Waits() bool {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	return s.waiting != nil
}
