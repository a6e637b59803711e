package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"elt/state"
)

// TakeCallbacks implements state.Callbacks. The row that is added or moved on
// is what keeps a call from being made by two.
func (s *Store) TakeCallbacks(ctx context.Context, project, environment string, limit int, lease time.Duration) (list []state.Callback, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		list = nil
		due, err := executionsOf(ctx, tx, `where project = $1 and environment = $2 and callback <> '' and ended_at is not null
  and not exists (select 1 from elt_callbacks c where c.execution_id = elt_executions.execution_id
    and (c.done_at is not null or c.next_at > $3))
order by ended_at, execution_id limit $4`+s.dialect.SkipLocked, project, environment, now, orAll(limit))
		if err != nil {
			return err
		}
		for _, e := range due {
			c := state.Callback{Execution: e}
			err := tx.row(ctx, `
insert into elt_callbacks (execution_id, attempts, next_at) values ($1, 1, $2)
on conflict (execution_id) do update set attempts = elt_callbacks.attempts + 1, next_at = excluded.next_at
  where elt_callbacks.done_at is null and elt_callbacks.next_at <= $3
returning attempts`, e.ID, now.Add(lease), now).Scan(&c.Attempt)
			if errors.Is(err, sql.ErrNoRows) { // another one was faster
				continue
			}
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		return nil
	})
	return list, err
}

// EndCallback implements state.Callbacks.
func (s *Store) EndCallback(ctx context.Context, execution, result string, again time.Duration) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		var done, next any = now, nil
		if again > 0 {
			done, next = nil, now.Add(again)
		}
		_, err := tx.exec(ctx, `update elt_callbacks set done_at = $2, next_at = $3, result = $4 where execution_id = $1`, execution, done, next, result)
		return err
	})
}
