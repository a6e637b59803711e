package sqlstore

import (
	"context"
	"time"

	"elt/state"
)

// AddDeed implements state.Audit.
func (s *Store) AddDeed(ctx context.Context, d state.Deed) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `
insert into elt_audit (at, who, token_id, address, action, object, trace_id, status, detail) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			now, d.Who, d.Token, d.From, d.What, d.Object, d.Trace, d.Result, jsonText(d.Detail))
		return err
	})
}

// Deeds implements state.Audit.
func (s *Store) Deeds(ctx context.Context, before int64, limit int) (list []state.Deed, err error) {
	if before <= 0 {
		before = 1 << 62
	}
	err = s.query(ctx, func(r row) error {
		var d state.Deed
		err := r.Scan(&d.ID, &d.At, &d.Who, &d.Token, &d.From, &d.What, &d.Object, &d.Trace, &d.Result, rawJSON{&d.Detail})
		d.At = d.At.UTC()
		list = append(list, d)
		return err
	}, `select id, at, who, token_id, address, action, object, trace_id, status, detail from elt_audit where id < $1 order by id desc limit $2`,
		before, orAll(limit))
	return list, err
}

// PruneDeeds implements state.Audit.
func (s *Store) PruneDeeds(ctx context.Context, age time.Duration) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `delete from elt_audit where at < $1`, cutoff(now, age))
		if err == nil {
			_, err = tx.exec(ctx, `delete from elt_callbacks where execution_id not in (select execution_id from elt_executions)`)
		}
		return err
	})
}
