package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"elt/state"
)

// owned says whether a worker has, or had last, an execution.
func owned(ctx context.Context, tx conn, execution, worker string) error {
	var one int
	err := tx.row(ctx, `select 1 from elt_executions where execution_id = $1 and worker = $2 and status <> 'queued'`, execution, worker).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return state.ErrFenced
	}
	return err
}

// AddLogPart implements state.Logs.
func (s *Store) AddLogPart(ctx context.Context, execution, worker string, p state.LogPart, head, tail int64) error {
	return s.write(ctx, func(tx conn, _ time.Time) error {
		if err := owned(ctx, tx, execution, worker); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `insert into elt_log_parts (execution_id, start_at, size, gzip) values ($1, $2, $3, $4) on conflict do nothing`,
			execution, p.Start, p.Size, p.Gzip)
		if err != nil || p.Start+p.Size <= head+tail {
			return err
		}
		_, err = tx.exec(ctx, `delete from elt_log_parts where execution_id = $1 and start_at >= $2 and start_at + size <= $3`, execution, head, p.Start+p.Size-tail)
		return err
	})
}

// DropLog implements state.Logs.
func (s *Store) DropLog(ctx context.Context, execution, worker string) error {
	return s.write(ctx, func(tx conn, _ time.Time) error {
		if err := owned(ctx, tx, execution, worker); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `delete from elt_log_parts where execution_id = $1`, execution)
		return err
	})
}

// LogPart implements state.Logs.
func (s *Store) LogPart(ctx context.Context, execution string, at int64) (p state.LogPart, err error) {
	for _, which := range []string{"start_at <= $2 order by start_at desc", "start_at > $2 order by start_at"} {
		err = s.conn(s.db).row(ctx, `select start_at, size, gzip from elt_log_parts where execution_id = $1 and `+which+` limit 1`, execution, at).
			Scan(&p.Start, &p.Size, &p.Gzip)
		if err == nil && p.Start+p.Size > at {
			return p, nil
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return p, s.explain(err)
		}
	}
	return state.LogPart{}, state.ErrNotFound
}

// LogSize implements state.Logs.
func (s *Store) LogSize(ctx context.Context, execution string) (size int64, err error) {
	err = s.conn(s.db).row(ctx, `select start_at + size from elt_log_parts where execution_id = $1 order by start_at desc limit 1`, execution).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return size, s.explain(err)
}

// PruneLogs implements state.Logs.
func (s *Store) PruneLogs(ctx context.Context) error {
	return s.write(ctx, func(tx conn, _ time.Time) error {
		_, err := tx.exec(ctx, `delete from elt_log_parts where execution_id not in (select execution_id from elt_executions)`)
		return err
	})
}
