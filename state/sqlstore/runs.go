package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"elt/state"
)

const columnsOfRun = columnsWithoutDetail + `detail`

const columnsWithoutDetail = `run_id, state_id, name, environment, trigger_by, status, unconfirmed, exit_code, cause,
  started_at, heartbeat_at, ended_at, log_path, streams, `

// briefColumns leave out the detail, which may be long.
const briefColumns = columnsWithoutDetail + `null`

// StartRun implements state.Runs.
func (s *Store) StartRun(ctx context.Context, r state.Run) error {
	return s.write(ctx, func(tx conn, now time.Time) error {
		r.Heartbeat = now
		if err := putRun(ctx, tx, r); err != nil || r.Execution == "" {
			return err
		}
		_, err := tx.exec(ctx, `insert into elt_execution_runs (execution_id, run_id) values ($1, $2)`, r.Execution, r.ID)
		return err
	})
}

// RunsOf implements state.Runs.
func (s *Store) RunsOf(ctx context.Context, executions ...string) ([]state.Run, error) {
	return s.runsOf(ctx, columnsOfRun, executions)
}

// BriefRunsOf implements state.Runs.
func (s *Store) BriefRunsOf(ctx context.Context, executions ...string) ([]state.Run, error) {
	return s.runsOf(ctx, briefColumns, executions)
}

func (s *Store) runsOf(ctx context.Context, columns string, executions []string) (out []state.Run, err error) {
	for some := range slices.Chunk(executions, 500) { // databases limit the parameters of a statement
		var args []any
		var marks []string
		for _, id := range some {
			args = append(args, id)
			marks = append(marks, fmt.Sprintf("$%d", len(args)))
		}
		err := s.query(ctx, func(r row) error {
			var execution string
			v, err := scanRun(also{r, &execution})
			v.Execution = execution
			out = append(out, v)
			return err
		}, `select e.execution_id, `+columns+` from elt_execution_runs e join elt_runs using (run_id)
where e.execution_id in (`+strings.Join(marks, ", ")+`) order by started_at, run_id`, args...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// also is a row with one column more, the first.
type also struct {
	row
	first any
}

func (a also) Scan(to ...any) error { return a.row.Scan(append([]any{a.first}, to...)...) }

// LoneRuns implements state.Runs.
func (s *Store) LoneRuns(ctx context.Context, w state.Which) (out []state.Run, err error) {
	f := which(w, "run_id", "started_at", map[string]string{"environment": w.Environment, "name": w.Name})
	f.add(`not exists (select 1 from elt_execution_runs e where e.run_id = elt_runs.run_id)`)
	err = s.query(ctx, func(r row) error {
		v, err := scanRun(r)
		out = append(out, v)
		return err
	}, `select `+briefColumns+` from elt_runs `+f.text("started_at desc, run_id desc", w.Limit), f.args...)
	return out, err
}

func putRun(ctx context.Context, tx conn, r state.Run) error {
	streams, err := streamsText(r.Streams)
	if err != nil {
		return err
	}
	var ended any
	if r.Ended != nil {
		ended = r.Ended.UTC()
	}
	_, err = tx.exec(ctx, `insert into elt_runs (`+columnsOfRun+`)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		r.ID, r.StateID, r.Name, r.Environment, r.Trigger, r.Status, r.Unconfirmed, r.ExitCode, r.Cause,
		r.Started.UTC(), r.Heartbeat.UTC(), ended, r.LogPath, streams, jsonText(r.Detail))
	return err
}

func streamsText(streams []state.StreamStats) (any, error) {
	if streams == nil {
		return nil, nil
	}
	text, err := json.Marshal(streams)
	return string(text), err
}

// Beat implements state.Runs.
func (s *Store) Beat(ctx context.Context, runID string, streams []state.StreamStats, detail json.RawMessage) error {
	text, err := streamsText(streams)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx conn, now time.Time) error {
		ok, err := changed(tx.exec(ctx, `
update elt_runs set heartbeat_at = $2, streams = $3, detail = coalesce($4, detail) where run_id = $1 and status = 'running'`,
			runID, now, text, jsonText(detail)))
		if err == nil && !ok {
			return missing(ctx, tx, runID)
		}
		return err
	})
}

// FinishRun implements state.Runs. A run whose start could not be stored
// (the store was away) is stored whole.
func (s *Store) FinishRun(ctx context.Context, r state.Run) error {
	streams, err := streamsText(r.Streams)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx conn, now time.Time) error {
		if r.Ended == nil {
			r.Ended = &now
		}
		ok, err := changed(tx.exec(ctx, `
update elt_runs set status = $2, unconfirmed = $3, exit_code = $4, cause = $5, heartbeat_at = $6, ended_at = $7,
  log_path = $8, streams = $9, detail = $10
where run_id = $1 and status in ('running', 'queued')`,
			r.ID, r.Status, r.Unconfirmed, r.ExitCode, r.Cause, now, r.Ended.UTC(), r.LogPath, streams, jsonText(r.Detail)))
		if err != nil || ok {
			return err
		}
		if err := missing(ctx, tx, r.ID); !errors.Is(err, state.ErrNotFound) {
			return err
		}
		r.Heartbeat = now
		return putRun(ctx, tx, r)
	})
}

// missing says why no running run was met: there is none of that id, or it
// was declared lost when another run took its lease.
func missing(ctx context.Context, tx conn, runID string) error {
	var one int
	err := tx.row(ctx, `select 1 from elt_runs where run_id = $1`, runID).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return state.ErrNotFound
	case err != nil:
		return err
	}
	return state.ErrFenced
}

// lose marks a run whose lease was taken over.
func lose(ctx context.Context, tx conn, runID string, now time.Time) error {
	_, err := tx.exec(ctx, `
update elt_runs set status = 'lost', ended_at = $2, cause = 'its runner vanished; another run took over'
where run_id = $1 and status = 'running'`, runID, now)
	return err
}

// Run implements state.Runs.
func (s *Store) Run(ctx context.Context, runID string) (state.Run, error) {
	r, err := scanRun(s.conn(s.db).row(ctx, `select `+columnsOfRun+` from elt_runs where run_id = $1`, runID))
	if errors.Is(err, sql.ErrNoRows) {
		return r, state.ErrNotFound
	}
	return r, s.explain(err)
}

// Runs implements state.Runs.
func (s *Store) Runs(ctx context.Context, stateID string, limit int) ([]state.Run, error) {
	query, args := `select `+columnsOfRun+` from elt_runs `, []any{int64(limit)}
	if limit <= 0 {
		args[0] = int64(1) << 31
	}
	if stateID != "" {
		query = `select ` + columnsOfRun + ` from elt_runs where state_id = $1 order by started_at desc, run_id desc limit $2`
		args = []any{stateID, args[0]}
	} else {
		query += `order by started_at desc, run_id desc limit $1`
	}
	var out []state.Run
	err := s.query(ctx, func(r row) error {
		v, err := scanRun(r)
		out = append(out, v)
		return err
	}, query, args...)
	return out, err
}

func scanRun(r row) (state.Run, error) {
	var v state.Run
	var ended sql.NullTime
	var streams json.RawMessage
	err := r.Scan(&v.ID, &v.StateID, &v.Name, &v.Environment, &v.Trigger, &v.Status, &v.Unconfirmed, &v.ExitCode, &v.Cause,
		&v.Started, &v.Heartbeat, &ended, &v.LogPath, rawJSON{&streams}, rawJSON{&v.Detail})
	if err == nil && streams != nil {
		err = json.Unmarshal(streams, &v.Streams)
	}
	v.Started, v.Heartbeat = v.Started.UTC(), v.Heartbeat.UTC()
	if ended.Valid {
		at := ended.Time.UTC()
		v.Ended = &at
	}
	return v, err
}

// PruneRuns implements state.Runs.
func (s *Store) PruneRuns(ctx context.Context, keep int, age time.Duration) ([]string, error) {
	var logs []string
	err := s.write(ctx, func(tx conn, now time.Time) error {
		logs = nil
		rows, err := tx.rows(ctx, `
delete from elt_runs where run_id in (
  select run_id from (
    select run_id, ended_at, row_number() over (partition by state_id order by started_at desc, run_id desc) as newest
    from elt_runs where ended_at is not null) ended
  where newest > $1 or ended_at < $2 and newest > 1)
returning log_path`, orAll(keep), cutoff(now, age))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var path string
			if err := rows.Scan(&path); err != nil {
				return err
			}
			if path != "" {
				logs = append(logs, path)
			}
		}
		return rows.Err()
	})
	return logs, err
}

func orAll(keep int) int64 {
	if keep <= 0 {
		return 1 << 31
	}
	return int64(keep)
}

func cutoff(now time.Time, age time.Duration) time.Time {
	if age <= 0 {
		return time.Unix(0, 0).UTC()
	}
	return now.Add(-age)
}
