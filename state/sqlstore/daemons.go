package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"elt/state"
)

// KeepDaemon implements state.Daemons.
func (s *Store) KeepDaemon(ctx context.Context, d state.Daemon, forget time.Duration) error {
	detail, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `insert into elt_daemons (name, project, environment, detail, started_at, heartbeat_at) values ($1, $2, $3, $4, $5, $5)
on conflict (name) do update set detail = excluded.detail, heartbeat_at = excluded.heartbeat_at`, d.Name, d.Project, d.Environment, string(detail), now)
		if err == nil {
			_, err = tx.exec(ctx, `delete from elt_daemons where project = $1 and heartbeat_at < $2`, d.Project, now.Add(-forget))
		}
		return err
	})
}

// LeaveDaemon implements state.Daemons.
func (s *Store) LeaveDaemon(ctx context.Context, name string) error {
	return s.write(ctx, func(tx conn, _ time.Time) error {
		_, err := tx.exec(ctx, `delete from elt_daemons where name = $1`, name)
		return err
	})
}

// Daemons implements state.Daemons.
func (s *Store) Daemons(ctx context.Context, project, environment string) (list []state.Daemon, err error) {
	err = s.read(ctx, func(tx conn, now time.Time) error {
		list = nil
		return each(ctx, tx, func(r row) error {
			var detail json.RawMessage
			var started, heard time.Time
			d := state.Daemon{}
			err := r.Scan(rawJSON{&detail}, &started, &heard)
			if err == nil {
				err = json.Unmarshal(detail, &d)
			}
			d.Project, d.Environment, d.Started, d.Silent = project, environment, started.UTC(), max(0, now.Sub(heard))
			list = append(list, d)
			return err
		}, `select detail, started_at, heartbeat_at from elt_daemons where project = $1 and environment = $2 order by name`, project, environment)
	})
	return list, err
}

// QueueStates implements state.Daemons.
func (s *Store) QueueStates(ctx context.Context, project, environment string) (list []state.QueueState, err error) {
	err = s.read(ctx, func(tx conn, now time.Time) error {
		at := map[string]int{}
		list = nil
		return each(ctx, tx, func(r row) error {
			var queue, status string
			var due bool
			var n int
			var oldest moment
			if err := r.Scan(&queue, &status, &due, &n, &oldest); err != nil {
				return err
			}
			i, ok := at[queue]
			if !ok {
				i, at[queue] = len(list), len(list)
				list = append(list, state.QueueState{Queue: queue})
			}
			switch q := &list[i]; {
			case status == state.Running:
				q.Running += n
			case due:
				q.Waiting, q.Oldest = n, &oldest.Time
			default:
				q.Later = n
			}
			return nil
		}, `select queue, status, not_before <= $3, count(*), min(not_before) from elt_executions
where project = $1 and environment = $2 and status in ('queued', 'running') group by 1, 2, 3 order by queue`, project, environment, now)
	})
	return list, err
}

// moment reads a time also from an expression, which SQLite gives as text.
type moment struct{ time.Time }

// Scan implements sql.Scanner.
func (i *moment) Scan(v any) error {
	if text, ok := v.(string); ok {
		for _, layout := range []string{"2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999"} {
			if at, err := time.Parse(layout, text); err == nil {
				i.Time = at.UTC()
				return nil
			}
		}
	}
	var t sql.NullTime
	err := t.Scan(v)
	i.Time = t.Time.UTC()
	return err
}
