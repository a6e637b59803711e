package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"elt/state"
)

const columnsOfBackfill = `b.backfill_id, b.state_id, b.name, b.environment, b.status, b.cause, b.from_time, b.to_time,
  b.options, b.plan, b.created_at, b.updated_at, b.ended_at, l.renewed_at, l.ttl_ms`

// fromBackfills joins each with its lease: the holder's run id is the
// backfill's with something after a dot.
const fromBackfills = ` from elt_backfills b left join elt_leases l on l.state_id = b.state_id
  and substr(l.run_id, 1, length(b.backfill_id) + 1) = b.backfill_id || '.' `

// CreateBackfill implements state.Backfills.
func (s *Store) CreateBackfill(ctx context.Context, b state.Backfill) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `
insert into elt_backfills (backfill_id, state_id, name, environment, status, from_time, to_time, options, plan, created_at, updated_at)
values ($1, $2, $3, $4, 'running', $5, $6, $7, $8, $9, $9)`,
			b.ID, b.StateID, b.Name, b.Environment, b.From.UTC(), b.To.UTC(), jsonText(b.Options), jsonText(b.Plan), now)
		if err != nil {
			return err
		}
		for _, c := range b.Chunks {
			_, err := tx.exec(ctx, `
insert into elt_backfill_chunks (backfill_id, n, state_id, from_time, to_time, status) values ($1, $2, $3, $4, $5, 'pending')`,
				b.ID, c.N, c.StateID, c.From.UTC(), c.To.UTC())
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Backfill implements state.Backfills.
func (s *Store) Backfill(ctx context.Context, id string) (state.Backfill, error) {
	list, err := s.backfills(ctx, `where b.backfill_id = $1`, `where backfill_id = $1`, id)
	if err == nil && len(list) == 0 {
		return state.Backfill{}, state.ErrNotFound
	}
	if err != nil {
		return state.Backfill{}, err
	}
	return list[0], nil
}

// Backfills implements state.Backfills.
func (s *Store) Backfills(ctx context.Context, limit int) ([]state.Backfill, error) {
	return s.backfills(ctx, `order by b.created_at desc, b.backfill_id desc limit $1`, `where backfill_id in (
  select backfill_id from elt_backfills order by created_at desc, backfill_id desc limit $1)`, orAll(limit))
}

// backfills reads in one transaction, so that chunks are those of what is listed.
func (s *Store) backfills(ctx context.Context, which, chunksOf string, arg any) (list []state.Backfill, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		list = nil
		at := map[string]int{}
		err := each(ctx, tx, func(r row) error {
			b, err := scanBackfill(r, now)
			at[b.ID] = len(list)
			list = append(list, b)
			return err
		}, `select `+columnsOfBackfill+fromBackfills+which, arg)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(r row) error {
			id, c, err := scanChunk(r)
			if n, ok := at[id]; ok {
				list[n].Chunks = append(list[n].Chunks, c)
			}
			return err
		}, `select backfill_id, n, state_id, from_time, to_time, status, run_id, attempts, cause, started_at, ended_at, streams
from elt_backfill_chunks `+chunksOf+` order by backfill_id, n`, arg)
	})
	return list, err
}

// each hands every row of a query to scan.
func each(ctx context.Context, tx conn, scan func(row) error, query string, args ...any) error {
	rows, err := tx.rows(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scanBackfill(r row, now time.Time) (state.Backfill, error) {
	var b state.Backfill
	var ended, renewed sql.NullTime
	var ttlMS sql.NullInt64
	err := r.Scan(&b.ID, &b.StateID, &b.Name, &b.Environment, &b.Status, &b.Cause, &b.From, &b.To,
		rawJSON{&b.Options}, rawJSON{&b.Plan}, &b.Created, &b.Updated, &ended, &renewed, &ttlMS)
	b.From, b.To, b.Created, b.Updated, b.Ended = b.From.UTC(), b.To.UTC(), b.Created.UTC(), b.Updated.UTC(), utc(ended)
	b.Alive = renewed.Valid && now.Sub(renewed.Time) < time.Duration(ttlMS.Int64)*time.Millisecond
	return b, err
}

func scanChunk(r row) (id string, c state.Chunk, err error) {
	var started, ended sql.NullTime
	var streams json.RawMessage
	err = r.Scan(&id, &c.N, &c.StateID, &c.From, &c.To, &c.Status, &c.RunID, &c.Attempts, &c.Cause, &started, &ended, rawJSON{&streams})
	c.From, c.To, c.Started, c.Ended = c.From.UTC(), c.To.UTC(), utc(started), utc(ended)
	if err == nil && streams != nil {
		err = json.Unmarshal(streams, &c.Streams)
	}
	return id, c, err
}

func utc(t sql.NullTime) *time.Time {
	if !t.Valid {
		return nil
	}
	at := t.Time.UTC()
	return &at
}

// underway takes the lease, and the row of a backfill that is not over: until
// the transaction ends nobody can cancel it.
func (s *Store) underway(ctx context.Context, tx conn, l state.Lease, id string, now time.Time) error {
	if err := renew(ctx, tx, l, now); err != nil {
		return err
	}
	var status string
	err := tx.row(ctx, `select status from elt_backfills where backfill_id = $1`+s.dialect.ForUpdate, id).Scan(&status)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return state.ErrNotFound
	case err == nil && (status == state.Cancelled || status == state.Succeeded):
		return state.ErrEnded
	}
	return err
}

// StartChunk implements state.Backfills.
func (s *Store) StartChunk(ctx context.Context, l state.Lease, id string, n int, runID string) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		if err := s.underway(ctx, tx, l, id, now); err != nil {
			return err
		}
		ok, err := changed(tx.exec(ctx, `
update elt_backfill_chunks set status = 'running', run_id = $3, attempts = attempts + 1, cause = '', started_at = $4,
  ended_at = null, streams = null
where backfill_id = $1 and n = $2 and status <> 'succeeded'`, id, n, runID, now))
		if err == nil && !ok {
			return state.ErrEnded
		}
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, `update elt_backfills set updated_at = $2 where backfill_id = $1`, id, now)
		return err
	})
}

// FinishChunk implements state.Backfills.
func (s *Store) FinishChunk(ctx context.Context, l state.Lease, id string, c state.Chunk) error {
	streams, err := streamsText(c.Streams)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx conn, now time.Time) error {
		// The chunk is loaded also when the backfill was cancelled meanwhile.
		if err := s.underway(ctx, tx, l, id, now); err != nil && !errors.Is(err, state.ErrEnded) {
			return err
		}
		_, err := tx.exec(ctx, `
update elt_backfill_chunks set status = $4, cause = $5, ended_at = $6, streams = $7
where backfill_id = $1 and n = $2 and run_id = $3 and status = 'running'`, id, c.N, c.RunID, c.Status, c.Cause, now, streams)
		if err == nil {
			_, err = tx.exec(ctx, `update elt_backfills set updated_at = $2 where backfill_id = $1`, id, now)
		}
		return err
	})
}

// ResumeBackfill implements state.Backfills.
func (s *Store) ResumeBackfill(ctx context.Context, l state.Lease, id string) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		if err := s.underway(ctx, tx, l, id, now); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `
update elt_backfills set status = 'running', cause = '', ended_at = null, updated_at = $2 where backfill_id = $1`, id, now)
		if err == nil {
			_, err = tx.exec(ctx, `update elt_backfill_chunks set status = 'pending' where backfill_id = $1 and status <> 'succeeded'`, id)
		}
		return err
	})
}

// EndBackfill implements state.Backfills.
func (s *Store) EndBackfill(ctx context.Context, l state.Lease, id, status, cause string) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		if err := s.underway(ctx, tx, l, id, now); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `
update elt_backfills set status = $2, cause = $3, updated_at = $4, ended_at = $4 where backfill_id = $1`, id, status, cause, now)
		return err
	})
}

// CancelBackfill implements state.Backfills.
func (s *Store) CancelBackfill(ctx context.Context, id string) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		ok, err := changed(tx.exec(ctx, `
update elt_backfills set status = 'cancelled', cause = '', updated_at = $2, ended_at = $2
where backfill_id = $1 and status not in ('cancelled', 'succeeded')`, id, now))
		if err != nil || ok {
			return err
		}
		var one int
		err = tx.row(ctx, `select 1 from elt_backfills where backfill_id = $1`, id).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return state.ErrNotFound
		}
		if err == nil {
			err = state.ErrEnded
		}
		return err
	})
}
