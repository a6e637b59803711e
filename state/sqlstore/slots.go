package sqlstore

import (
	"context"
	"time"

	"elt/state"
)

// Fire implements state.Queue.
func (s *Store) Fire(ctx context.Context, slot state.Slot, e *state.Execution, cancel bool) (fired bool, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		if e != nil {
			slot.Execution = e.ID
		}
		fired, err = changed(tx.exec(ctx, `insert into elt_slots (project, environment, schedule, slot, outcome, execution_id, why, at)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
			slot.Project, slot.Environment, slot.Schedule, slot.Slot.UTC(), slot.Outcome, slot.Execution, slot.Why, now))
		if err != nil || !fired {
			return err
		}
		if cancel {
			_, err := tx.exec(ctx, `update elt_executions set cancel = true, cause = 'the next one of its schedule is due'
where project = $1 and environment = $2 and schedule = $3 and status = 'running'`, slot.Project, slot.Environment, slot.Schedule)
			if err != nil {
				return err
			}
			_, err = tx.exec(ctx, `update elt_executions set status = 'cancelled', ended_at = $4, cause = 'the next one of its schedule is due'
where project = $1 and environment = $2 and schedule = $3 and status = 'queued'`, slot.Project, slot.Environment, slot.Schedule, now)
			if err != nil {
				return err
			}
		}
		if e != nil {
			if _, err = putExecution(ctx, tx, *e, now); err == nil {
				err = s.notify(ctx, tx)
			}
		}
		return err
	})
	return fired && err == nil, err
}

const columnsOfSlot = `project, environment, schedule, slot, outcome, execution_id, why, at`

// Slots implements state.Queue.
func (s *Store) Slots(ctx context.Context, project, environment, schedule string, limit int) ([]state.Slot, error) {
	if schedule == "" {
		return s.slots(ctx, `true order by slot desc, schedule limit $3`, project, environment, orAll(limit))
	}
	return s.slots(ctx, `schedule = $3 order by slot desc limit $4`, project, environment, schedule, orAll(limit))
}

// SlotsSince implements state.Queue.
func (s *Store) SlotsSince(ctx context.Context, project, environment string, since time.Time) ([]state.Slot, error) {
	return s.slots(ctx, `at >= $3 order by at, schedule, slot`, project, environment, since.UTC())
}

func (s *Store) slots(ctx context.Context, which string, args ...any) (list []state.Slot, err error) {
	err = s.query(ctx, func(r row) error {
		var v state.Slot
		err := r.Scan(&v.Project, &v.Environment, &v.Schedule, &v.Slot, &v.Outcome, &v.Execution, &v.Why, &v.At)
		v.Slot, v.At = v.Slot.UTC(), v.At.UTC()
		list = append(list, v)
		return err
	}, `select `+columnsOfSlot+` from elt_slots where project = $1 and environment = $2 and `+which, args...)
	return list, err
}

// LastSlots implements state.Queue.
func (s *Store) LastSlots(ctx context.Context, project, environment string) (map[string]time.Time, error) {
	last := map[string]time.Time{}
	err := s.query(ctx, func(r row) error {
		var name string
		var at time.Time
		err := r.Scan(&name, &at)
		if at.After(last[name]) {
			last[name] = at.UTC()
		}
		return err
	}, `select schedule, slot from elt_slots o where project = $1 and environment = $2 and slot = (select max(n.slot) from elt_slots n
  where n.project = o.project and n.environment = o.environment and n.schedule = o.schedule)`, project, environment)
	return last, err
}

// PauseSchedule implements state.Queue; who paused first stays.
func (s *Store) PauseSchedule(ctx context.Context, project, environment, schedule, who string) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `insert into elt_paused (project, environment, schedule, who, since) values ($1, $2, $3, $4, $5)
on conflict do nothing`, project, environment, schedule, who, now)
		return err
	})
}

// ResumeSchedule implements state.Queue.
func (s *Store) ResumeSchedule(ctx context.Context, project, environment, schedule string) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `delete from elt_paused where project = $1 and environment = $2 and schedule = $3`, project, environment, schedule)
		return err
	})
}

// Paused implements state.Queue.
func (s *Store) Paused(ctx context.Context, project, environment string) (map[string]state.Pause, error) {
	paused := map[string]state.Pause{}
	err := s.query(ctx, func(r row) error {
		var name string
		var p state.Pause
		err := r.Scan(&name, &p.Who, &p.Since)
		p.Since = p.Since.UTC()
		paused[name] = p
		return err
	}, `select schedule, who, since from elt_paused where project = $1 and environment = $2`, project, environment)
	return paused, err
}
