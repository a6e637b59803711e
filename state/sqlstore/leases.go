package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"elt/state"
)

// Acquire implements state.Leases. The row is made first, so that taking it
// is one locked read and one write however many try at once (invariant 6).
func (s *Store) Acquire(ctx context.Context, stateID string, h state.Holder, ttl time.Duration, takeFrom string) (state.Lease, error) {
	lease := state.Lease{StateID: stateID, RunID: h.RunID, TTL: ttl}
	err := s.write(ctx, func(tx conn, now time.Time) error {
		if _, err := tx.exec(ctx, `
insert into elt_leases (state_id, epoch, since, renewed_at, ttl_ms) values ($1, 0, $2, $2, 0)
on conflict (state_id) do nothing`, stateID, now); err != nil {
			return err
		}
		var holder state.Holder
		var run sql.NullString
		var renewed time.Time
		var ttlMS int64
		err := tx.row(ctx, `
select epoch, run_id, host, machine, pid, lock_file, since, renewed_at, ttl_ms from elt_leases
where state_id = $1`+s.dialect.ForUpdate, stateID).
			Scan(&lease.Epoch, &run, &holder.Host, &holder.Machine, &holder.PID, &holder.Lock, &holder.Since, &renewed, &ttlMS)
		if err != nil {
			return err
		}
		// A run that asks again (its first answer got lost) is no other run.
		if run.Valid && run.String != h.RunID {
			holder.RunID, holder.Since = run.String, holder.Since.UTC()
			silent, promised := max(0, now.Sub(renewed)), time.Duration(ttlMS)*time.Millisecond
			if takeFrom != state.AnyRun && takeFrom != run.String {
				return &state.HeldError{StateID: stateID, Holder: holder, Silent: silent, TTL: promised}
			}
			if err := lose(ctx, tx, holder.RunID, now); err != nil {
				return err
			}
		}
		lease.Epoch++
		_, err = tx.exec(ctx, `
update elt_leases set epoch = $2, run_id = $3, host = $4, machine = $5, pid = $6, lock_file = $7,
  since = $8, renewed_at = $8, ttl_ms = $9 where state_id = $1`,
			stateID, lease.Epoch, h.RunID, h.Host, h.Machine, h.PID, h.Lock, now, ttl.Milliseconds())
		return err
	})
	if err != nil {
		return state.Lease{}, err
	}
	return lease, nil
}

// Renew implements state.Leases.
func (s *Store) Renew(ctx context.Context, l state.Lease) error {
	return s.write(ctx, func(tx conn, now time.Time) error { return renew(ctx, tx, l, now) })
}

// renew takes the lease row at the lease's epoch; no such row means that
// another run has taken over.
func renew(ctx context.Context, tx conn, l state.Lease, now time.Time) error {
	ok, err := changed(tx.exec(ctx, `
update elt_leases set renewed_at = $4 where state_id = $1 and run_id = $2 and epoch = $3`, l.StateID, l.RunID, l.Epoch, now))
	if err == nil && !ok {
		return state.ErrFenced
	}
	return err
}

// Adopt implements state.Leases.
func (s *Store) Adopt(ctx context.Context, l state.Lease, epoch, edit int64) (state.Lease, error) {
	adopted := l
	adopted.Epoch = max(l.Epoch, epoch)
	err := s.write(ctx, func(tx conn, now time.Time) error {
		ok, err := changed(tx.exec(ctx, `
update elt_leases set epoch = $4, renewed_at = $5 where state_id = $1 and run_id = $2 and epoch = $3`,
			l.StateID, l.RunID, l.Epoch, adopted.Epoch, now))
		if err == nil && !ok {
			return state.ErrFenced
		}
		if err != nil || edit == 0 {
			return err
		}
		_, err = tx.exec(ctx, `
insert into elt_bookmarks (state_id, edit, updated_at) values ($1, $2, $3)
on conflict (state_id) do update set edit =
  case when elt_bookmarks.edit < excluded.edit then excluded.edit else elt_bookmarks.edit end`, l.StateID, edit, now)
		return err
	})
	if err != nil {
		return state.Lease{}, err
	}
	return adopted, nil
}

// Release implements state.Leases.
func (s *Store) Release(ctx context.Context, l state.Lease) error {
	return s.write(ctx, func(tx conn, _ time.Time) error {
		_, err := tx.exec(ctx, `
update elt_leases set run_id = null where state_id = $1 and run_id = $2 and epoch = $3`, l.StateID, l.RunID, l.Epoch)
		return err
	})
}
