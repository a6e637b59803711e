package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"elt/state"
)

// Execution implements state.Queue.
func (s *Store) Execution(ctx context.Context, id string) (state.Execution, error) {
	e, err := scanExecution(s.conn(s.db).row(ctx, `select `+columnsOfExecution+` from elt_executions where execution_id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return e, state.ErrNotFound
	}
	return e, s.explain(err)
}

// Executions implements state.Queue.
func (s *Store) Executions(ctx context.Context, w state.Which) ([]state.Execution, error) {
	f := which(w, "execution_id", "created_at", map[string]string{
		"project": w.Project, "environment": w.Environment, "name": w.Name, "schedule": w.Schedule,
		"status": w.Status, "worker": w.Worker})
	if w.Open {
		f.add("ended_at is null")
	}
	if !w.EndedSince.IsZero() {
		f.add("ended_at >= %s", w.EndedSince.UTC())
	}
	list, err := executionsOf(ctx, s.conn(s.db), f.text("created_at desc, execution_id desc", w.Limit), f.args...)
	return list, s.explain(err)
}

// LastExecutions implements state.Queue.
func (s *Store) LastExecutions(ctx context.Context, project, environment string, n int) ([]state.Execution, error) {
	list, err := executionsOf(ctx, s.conn(s.db), `where execution_id in (
  select execution_id from (
    select execution_id, row_number() over (partition by name order by created_at desc, execution_id desc) as newest
    from elt_executions where project = $1 and environment = $2) numbered
  where newest <= $3)
order by created_at desc, execution_id desc`, project, environment, int64(n))
	return list, s.explain(err)
}

// CountExecutions implements state.Queue.
func (s *Store) CountExecutions(ctx context.Context, project, environment string) (map[string]int, error) {
	counts := map[string]int{}
	err := s.query(ctx, func(r row) error {
		var status string
		var n int
		err := r.Scan(&status, &n)
		counts[status] = n
		return err
	}, `select status, count(*) from elt_executions where project = $1 and environment = $2 group by status`, project, environment)
	return counts, err
}

func executionsOf(ctx context.Context, tx conn, which string, args ...any) (list []state.Execution, err error) {
	err = each(ctx, tx, func(r row) error {
		e, err := scanExecution(r)
		list = append(list, e)
		return err
	}, `select `+columnsOfExecution+` from elt_executions `+which, args...)
	return list, err
}

// PruneExecutions implements state.Queue.
func (s *Store) PruneExecutions(ctx context.Context, keep int, age time.Duration) (gone []string, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		gone = nil
		err := each(ctx, tx, func(r row) error {
			var id string
			err := r.Scan(&id)
			gone = append(gone, id)
			return err
		}, `
delete from elt_executions where execution_id in (
  select execution_id from (
    select execution_id, ended_at,
      row_number() over (partition by project, environment, name order by created_at desc, execution_id desc) as newest
    from elt_executions where ended_at is not null) ended
  where newest > $1 or ended_at < $2 and newest > 1)
returning execution_id`, orAll(keep), cutoff(now, age))
		if err == nil && gone != nil {
			_, err = tx.exec(ctx, `delete from elt_execution_runs where execution_id not in (select execution_id from elt_executions)`)
		}
		if err == nil {
			_, err = tx.exec(ctx, `
delete from elt_slots where at < $1 and slot < (select max(o.slot) from elt_slots o
  where o.project = elt_slots.project and o.environment = elt_slots.environment and o.schedule = elt_slots.schedule)`, cutoff(now, age))
		}
		return err
	})
	return gone, err
}
