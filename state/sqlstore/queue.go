package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"elt/state"
)

const columnsOfExecution = `execution_id, project, environment, name, blocks, options, trigger_by, schedule, slot, asked_as, lock_name,
  queue, priority, not_before, attempt, retry_of, digest, callback, status, cancel, worker,
  created_at, started_at, heartbeat_at, ended_at, exit_code, cause, tail`

// Enqueue implements state.Queue.
func (s *Store) Enqueue(ctx context.Context, e state.Execution) (got state.Execution, added bool, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		if added, err = putExecution(ctx, tx, e, now); err != nil {
			return err
		}
		if added {
			if err := s.notify(ctx, tx); err != nil {
				return err
			}
			got, err = scanExecution(tx.row(ctx, `select `+columnsOfExecution+` from elt_executions where execution_id = $1`, e.ID))
			return err
		}
		got, err = scanExecution(tx.row(ctx, `select `+columnsOfExecution+` from elt_executions
where project = $1 and environment = $2 and asked_as = $3`, e.Project, e.Environment, e.Key))
		return err
	})
	return got, added, err
}

// putExecution adds a queued execution, unless there is one of its key.
func putExecution(ctx context.Context, tx conn, e state.Execution, now time.Time) (bool, error) {
	blocks, err := json.Marshal(e.Blocks)
	if err != nil {
		return false, err
	}
	var slot, key any
	if e.Slot != nil {
		slot = e.Slot.UTC()
	}
	if e.Key != "" {
		key = e.Key
	}
	if e.NotBefore.IsZero() {
		e.NotBefore = now
	}
	return changed(tx.exec(ctx, `
insert into elt_executions (execution_id, project, environment, name, blocks, options, trigger_by, schedule, slot, asked_as, lock_name,
  queue, priority, not_before, attempt, retry_of, digest, callback, status, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'queued', $19)
on conflict (project, environment, asked_as) where asked_as is not null do nothing`,
		e.ID, e.Project, e.Environment, e.Name, string(blocks), jsonText(e.Options), e.Trigger, e.Schedule, slot, key, e.Lock,
		e.Queue, e.Priority, e.NotBefore.UTC(), max(e.Attempt, 1), e.RetryOf, e.Digest, e.Callback, now))
}

func scanExecution(r row) (state.Execution, error) {
	var e state.Execution
	var blocks, tail json.RawMessage
	var key sql.NullString
	var slot, started, beat, ended sql.NullTime
	err := r.Scan(&e.ID, &e.Project, &e.Environment, &e.Name, rawJSON{&blocks}, rawJSON{&e.Options}, &e.Trigger, &e.Schedule, &slot, &key,
		&e.Lock, &e.Queue, &e.Priority, &e.NotBefore, &e.Attempt, &e.RetryOf, &e.Digest, &e.Callback, &e.Status, &e.Cancel, &e.Worker,
		&e.Created, &started, &beat, &ended, &e.ExitCode, &e.Cause, rawJSON{&tail})
	if err != nil {
		return e, err
	}
	e.Key, e.Slot, e.NotBefore, e.Created = key.String, utc(slot), e.NotBefore.UTC(), e.Created.UTC()
	e.Started, e.Heartbeat, e.Ended = utc(started), utc(beat), utc(ended)
	if err := json.Unmarshal(blocks, &e.Blocks); err != nil {
		return e, fmt.Errorf("the blocks of execution %s: %w", e.ID, err)
	}
	if tail != nil {
		err = json.Unmarshal(tail, &e.Tail)
	}
	return e, err
}

// Take implements state.Queue. Takers wait for each other: what is free, and
// how much of a queue runs, cannot change between the question and the answer.
func (s *Store) Take(ctx context.Context, f state.From) (taken state.Execution, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		if err := s.alone(ctx, tx); err != nil {
			return err
		}
		full, err := fullQueues(ctx, tx, f)
		if err != nil {
			return err
		}
		args := []any{f.Project, f.Environment, now}
		among := func(operator string, queues []string) string {
			if len(queues) == 0 {
				return ""
			}
			var marks []string
			for _, q := range queues {
				args = append(args, q)
				marks = append(marks, fmt.Sprintf("$%d", len(args)))
			}
			return " and queue " + operator + " (" + strings.Join(marks, ", ") + ")"
		}
		due, err := executionsOf(ctx, tx, `where project = $1 and environment = $2 and status = 'queued' and not_before <= $3
  and not exists (select 1 from elt_held h where h.project = elt_executions.project and h.environment = elt_executions.environment
    and h.lock_name = elt_executions.lock_name)`+among("in", f.Queues)+among("not in", full)+`
order by priority desc, not_before, created_at, execution_id limit 1`+s.dialect.SkipLocked, args...)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return state.ErrNotFound
		}
		taken = due[0]
		ok, err := begin(ctx, tx, &taken, f.Worker, now)
		if err == nil && !ok { // somebody began another of its lock by name
			err = state.ErrNotFound
		}
		return err
	})
	return taken, err
}

func (s *Store) alone(ctx context.Context, tx conn) error {
	if s.dialect.Alone == "" {
		return nil
	}
	_, err := tx.exec(ctx, s.dialect.Alone)
	return err
}

// fullQueues are those in which as much runs as may.
func fullQueues(ctx context.Context, tx conn, f state.From) (full []string, err error) {
	if len(f.Limits) == 0 {
		return nil, nil
	}
	running := map[string]int{}
	err = each(ctx, tx, func(r row) error {
		var queue string
		var n int
		err := r.Scan(&queue, &n)
		running[queue] = n
		return err
	}, `select queue, count(*) from elt_executions where project = $1 and environment = $2 and status = 'running' group by queue`, f.Project, f.Environment)
	for queue, limit := range f.Limits {
		if running[queue] >= limit {
			full = append(full, queue)
		}
	}
	return full, err
}

// TakeOver implements state.Queue.
func (s *Store) TakeOver(ctx context.Context, worker, project, environment string, silent time.Duration) (taken state.Execution, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		left, err := executionsOf(ctx, tx, `where project = $1 and environment = $2 and status = 'running' and heartbeat_at < $3
  and worker like '`+state.Elsewhere+`%'
order by created_at, execution_id limit 1`+s.dialect.SkipLocked, project, environment, now.Add(-silent))
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return state.ErrNotFound
		}
		taken = left[0]
		taken.Worker, taken.Heartbeat = worker, &now
		_, err = tx.exec(ctx, `update elt_executions set worker = $2, heartbeat_at = $3 where execution_id = $1`, taken.ID, worker, now)
		return err
	})
	return taken, err
}

// begin makes a queued execution, whose row is locked, the worker's; false
// when another has its lock.
func begin(ctx context.Context, tx conn, e *state.Execution, worker string, now time.Time) (bool, error) {
	if e.Lock != "" {
		ok, err := changed(tx.exec(ctx, `insert into elt_held (project, environment, lock_name, execution_id)
values ($1, $2, $3, $4) on conflict do nothing`, e.Project, e.Environment, e.Lock, e.ID))
		if err != nil || !ok {
			return false, err
		}
	}
	e.Status, e.Worker, e.Started, e.Heartbeat = state.Running, worker, &now, &now
	_, err := tx.exec(ctx, `update elt_executions set status = 'running', worker = $2, started_at = $3, heartbeat_at = $3
where execution_id = $1`, e.ID, worker, now)
	return true, err
}

// Begin implements state.Queue.
func (s *Store) Begin(ctx context.Context, id, worker string) (begun state.Execution, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		e, err := s.locked(ctx, tx, id)
		if err != nil {
			return err
		}
		switch {
		case e.Over():
			return state.ErrEnded
		case e.Status == state.Running:
			return state.ErrFenced
		}
		ok, err := begin(ctx, tx, &e, worker, now)
		if err == nil && !ok {
			return state.ErrFenced
		}
		begun = e
		return err
	})
	return begun, err
}

// locked is an execution whose row is this transaction's.
func (s *Store) locked(ctx context.Context, tx conn, id string) (state.Execution, error) {
	e, err := scanExecution(tx.row(ctx, `select `+columnsOfExecution+` from elt_executions where execution_id = $1`+s.dialect.ForUpdate, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = state.ErrNotFound
	}
	return e, err
}

// running is an execution that this worker runs.
func (s *Store) running(ctx context.Context, tx conn, id, worker string) (state.Execution, error) {
	e, err := s.locked(ctx, tx, id)
	if err == nil && (e.Status != state.Running || e.Worker != worker) {
		err = state.ErrFenced
	}
	return e, err
}

// Keep implements state.Queue.
func (s *Store) Keep(ctx context.Context, id, worker string) (kept state.Execution, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		if kept, err = s.running(ctx, tx, id, worker); err != nil {
			return err
		}
		kept.Heartbeat = &now
		_, err = tx.exec(ctx, `update elt_executions set heartbeat_at = $2 where execution_id = $1`, id, now)
		return err
	})
	return kept, err
}

// End implements state.Queue.
func (s *Store) End(ctx context.Context, e state.Execution, next ...state.Execution) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		was, err := s.running(ctx, tx, e.ID, e.Worker)
		if errors.Is(err, state.ErrFenced) && was.Worker == e.Worker && was.Status == e.Status && was.ExitCode == e.ExitCode {
			return nil // said before; the answer got lost
		}
		if err != nil {
			return err
		}
		if err := end(ctx, tx, e, now); err != nil {
			return err
		}
		for _, n := range next {
			if _, err := putExecution(ctx, tx, n, now); err != nil {
				return err
			}
		}
		if e.Lock == "" && len(next) == 0 {
			return nil
		}
		return s.notify(ctx, tx)
	})
}

func end(ctx context.Context, tx conn, e state.Execution, now time.Time) error {
	var tail any
	if e.Tail != nil {
		text, err := json.Marshal(e.Tail)
		if err != nil {
			return err
		}
		tail = string(text)
	}
	_, err := tx.exec(ctx, `update elt_executions set status = $2, exit_code = $3, cause = $4, tail = $5, ended_at = $6
where execution_id = $1`, e.ID, e.Status, e.ExitCode, e.Cause, tail, now)
	if err == nil {
		_, err = tx.exec(ctx, `delete from elt_held where execution_id = $1`, e.ID)
	}
	return err
}

// HandBack implements state.Queue.
func (s *Store) HandBack(ctx context.Context, id, worker string) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		if _, err := s.running(ctx, tx, id, worker); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `update elt_executions set status = 'queued', worker = '', started_at = null, heartbeat_at = null
where execution_id = $1`, id)
		if err == nil {
			_, err = tx.exec(ctx, `delete from elt_held where execution_id = $1`, id)
		}
		if err == nil {
			err = s.notify(ctx, tx)
		}
		return err
	})
}

// Listen implements state.Queue.
func (s *Store) Listen(ctx context.Context, wake func()) {
	if s.dialect.Listen == nil {
		<-ctx.Done()
		return
	}
	s.dialect.Listen(ctx, wake)
}

// notify tells who listens that something may have become due.
func (s *Store) notify(ctx context.Context, tx conn) error {
	if s.dialect.Notify == "" {
		return nil
	}
	_, err := tx.exec(ctx, s.dialect.Notify)
	return err
}

// Lose implements state.Queue.
func (s *Store) Lose(ctx context.Context, project, environment string, silent time.Duration, next func(state.Execution) []state.Execution) (lost []state.Execution, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		lost, err = executionsOf(ctx, tx, `where project = $1 and environment = $2 and status = 'running' and heartbeat_at < $3
  and worker not like '`+state.Elsewhere+`%'
order by created_at, execution_id`+s.dialect.SkipLocked, project, environment, now.Add(-silent))
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			if err := s.notify(ctx, tx); err != nil {
				return err
			}
		}
		for i := range lost {
			e := &lost[i]
			e.Status, e.Ended = state.Lost, &now
			e.Cause = fmt.Sprintf("its worker %s vanished", e.Worker)
			if err := end(ctx, tx, *e, now); err != nil {
				return err
			}
			if next == nil {
				continue
			}
			for _, n := range next(*e) {
				if _, err := putExecution(ctx, tx, n, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return lost, err
}

// CancelExecution implements state.Queue.
func (s *Store) CancelExecution(ctx context.Context, id, cause string) (e state.Execution, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		if e, err = s.locked(ctx, tx, id); err != nil {
			return err
		}
		if e.Over() {
			return state.ErrEnded
		}
		e.Cancel, e.Cause = true, cause
		if _, err := tx.exec(ctx, `update elt_executions set cancel = true, cause = $2 where execution_id = $1`, id, cause); err != nil {
			return err
		}
		if e.Status == state.Queued {
			e.Status, e.Ended = state.Cancelled, &now
			return end(ctx, tx, e, now)
		}
		return nil
	})
	return e, err
}
