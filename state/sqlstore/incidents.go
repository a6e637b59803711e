package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"elt/state"
)

const columnsOfIncident = `i.incident_id, i.project, i.environment, i.key, i.kind, i.pipeline, i.summary, i.detail, i.run, i.opened_at, i.resolved_at`

// OpenIncident implements state.Incidents.
func (s *Store) OpenIncident(ctx context.Context, i state.Incident, channels []string, delay time.Duration) (opened bool, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		opened, err = changed(tx.exec(ctx, `
insert into elt_incidents (incident_id, project, environment, key, kind, pipeline, summary, detail, run, opened_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (project, environment, key) where resolved_at is null do nothing`,
			i.ID, i.Project, i.Environment, i.Key, i.Kind, i.Pipeline, i.Summary, i.Detail, i.Run, now))
		if err != nil || !opened {
			return err
		}
		return owe(ctx, tx, i, channels, state.NoticeOpened, now.Add(delay))
	})
	return opened && err == nil, err
}

func owe(ctx context.Context, tx conn, i state.Incident, channels []string, what string, due time.Time) error {
	for _, channel := range channels {
		_, err := tx.exec(ctx, `
insert into elt_notices (incident_id, channel, what, project, environment, due_at) values ($1, $2, $3, $4, $5, $6)
on conflict do nothing`, i.ID, channel, what, i.Project, i.Environment, due)
		if err != nil {
			return err
		}
	}
	return nil
}

// ResolveIncident implements state.Incidents.
func (s *Store) ResolveIncident(ctx context.Context, id string, channels []string, delay time.Duration) (resolved bool, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		resolved, err = changed(tx.exec(ctx, `update elt_incidents set resolved_at = $2 where incident_id = $1 and resolved_at is null`, id, now))
		if err != nil || !resolved {
			return err
		}
		i, err := scanIncident(tx.row(ctx, `select `+columnsOfIncident+` from elt_incidents i where i.incident_id = $1`, id))
		if err != nil {
			return err
		}
		return owe(ctx, tx, i, channels, state.NoticeResolved, now.Add(delay))
	})
	return resolved && err == nil, err
}

func scanIncident(r row, more ...any) (state.Incident, error) {
	var i state.Incident
	var resolved sql.NullTime
	err := r.Scan(append([]any{&i.ID, &i.Project, &i.Environment, &i.Key, &i.Kind, &i.Pipeline, &i.Summary, &i.Detail, &i.Run,
		&i.Opened, &resolved}, more...)...)
	i.Opened, i.Resolved = i.Opened.UTC(), utc(resolved)
	return i, err
}

// Incidents implements state.Incidents.
func (s *Store) Incidents(ctx context.Context, project, environment string, open bool, limit int) (list []state.Incident, err error) {
	which := ""
	if open {
		which = " and i.resolved_at is null"
	}
	err = s.query(ctx, func(r row) error {
		i, err := scanIncident(r)
		list = append(list, i)
		return err
	}, `select `+columnsOfIncident+` from elt_incidents i where i.project = $1 and i.environment = $2`+which+`
order by i.opened_at desc, i.incident_id desc limit $3`, project, environment, orAll(limit))
	return list, err
}

const selectNotices = `select ` + columnsOfIncident + `, n.channel, n.what, n.attempts, n.due_at, n.done_at, n.error
from elt_notices n join elt_incidents i on i.incident_id = n.incident_id `

func noticesOf(ctx context.Context, tx conn, which string, args ...any) (list []state.Notice, err error) {
	err = each(ctx, tx, func(r row) error {
		var n state.Notice
		var done sql.NullTime
		n.Incident, err = scanIncident(r, &n.Channel, &n.What, &n.Attempts, &n.Due, &done, &n.Error)
		n.Due, n.Done = n.Due.UTC(), utc(done)
		list = append(list, n)
		return err
	}, selectNotices+which, args...)
	return list, err
}

// ClaimNotices implements state.Incidents.
func (s *Store) ClaimNotices(ctx context.Context, project, environment, channel string, quiet, while time.Duration) (list []state.Notice, err error) {
	err = s.write(ctx, func(tx conn, now time.Time) error {
		var told sql.NullInt64
		list = nil
		err := tx.row(ctx, `select count(*) from elt_notices where project = $1 and environment = $2 and channel = $3 and done_at > $4 and error = ''`,
			project, environment, channel, now.Add(-quiet)).Scan(&told)
		if err != nil || told.Int64 > 0 {
			return err
		}
		owed, err := noticesOf(ctx, tx, `where n.project = $1 and n.environment = $2 and n.channel = $3 and n.done_at is null
  and (n.due_at <= $4 or n.attempts = 0 and exists (select 1 from elt_notices d where d.project = n.project and d.environment = n.environment
    and d.channel = n.channel and d.done_at is null and d.due_at <= $4))
order by i.opened_at, i.incident_id, n.what`, project, environment, channel, now)
		if err != nil {
			return err
		}
		for _, n := range owed {
			// Another daemon may have taken it since it was read.
			mine, err := changed(tx.exec(ctx, `update elt_notices set due_at = $4, attempts = attempts + 1
where incident_id = $1 and channel = $2 and what = $3 and done_at is null and (due_at <= $5 or attempts = 0)`, n.ID, n.Channel, n.What, now.Add(while), now))
			if err != nil {
				return err
			}
			if mine {
				n.Attempts++
				list = append(list, n)
			}
		}
		return nil
	})
	return list, err
}

// NoticesDone implements state.Incidents.
func (s *Store) NoticesDone(ctx context.Context, channel string, told []state.Notice, cause string, again time.Duration) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		done, due := any(now), now
		if cause != "" && again > 0 {
			done, due = nil, now.Add(again)
		}
		for _, n := range told {
			_, err := tx.exec(ctx, `update elt_notices set done_at = $4, due_at = $5, error = $6
where incident_id = $1 and channel = $2 and what = $3`, n.ID, channel, n.What, done, due, cause)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// NoticesOf implements state.Incidents.
func (s *Store) NoticesOf(ctx context.Context, incident string) ([]state.Notice, error) {
	list, err := noticesOf(ctx, s.conn(s.db), `where n.incident_id = $1 order by n.channel, n.what`, incident)
	return list, s.explain(err)
}

// PruneIncidents implements state.Incidents.
func (s *Store) PruneIncidents(ctx context.Context, age time.Duration) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		_, err := tx.exec(ctx, `delete from elt_incidents where resolved_at < $1`, cutoff(now, age))
		if err == nil {
			_, err = tx.exec(ctx, `delete from elt_notices where incident_id not in (select incident_id from elt_incidents)`)
		}
		return err
	})
}
