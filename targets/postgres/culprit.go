package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/sqltarget"
)

// culprit names the staged row for which the server refused a merge, by
// stream, key and column. The merge was undone to a savepoint before, so the
// stage is still there: its rows are merged in ever smaller portions, those
// that can be stay in, until one is left that cannot. Altogether that is the
// work of one more merge, of a transaction that is given up anyway.
func (ld *loader) culprit(ctx context.Context, refused error) error {
	var pg *pgconn.PgError
	if !errors.As(refused, &pg) || !ofRows(pg.Code) || ld.lane.conn.TxStatus() != 'T' {
		return refused
	}
	if ld.keyed && !ld.stage.Ops {
		if err := ld.dedupe(ctx); err != nil {
			return refused
		}
	}
	first, last := 0, ld.staged // rows before first are in, one before last is refused
	for first < last {
		half := (first + last) / 2
		part := *ld.stage
		part.Ref = fmt.Sprintf("(select * from %s order by ctid offset %d limit %d)", ld.stage.Ref, first, half+1-first)
		err := ld.lane.attempt(ctx, ld.mergeSQL(&part))
		var again *pgconn.PgError
		switch {
		case err == nil:
			first = half + 1
		case errors.As(err, &again) && ofRows(again.Code):
			pg, last = again, half
		default:
			return refused
		}
	}
	if first == ld.staged { // portion by portion all of them go in
		return refused
	}
	return rowError(pg, ld.schema.Stream, ld.stagedKey(ctx, first), pg.ColumnName)
}

// ofRows says that an error's code tells of a row: its data, a constraint, a
// trigger's or a view's refusal.
func ofRows(code string) bool {
	switch code[:min(2, len(code))] {
	case "22", "23", "44", "P0":
		return true
	}
	return false
}

// stagedKey is the key of a staged row for a message, "" when there is none.
func (ld *loader) stagedKey(ctx context.Context, at int) string {
	if len(ld.at.Key) == 0 {
		return ""
	}
	rows, err := ld.lane.query(ctx, fmt.Sprintf("select %s from %s order by ctid offset %d limit 1", sqltarget.List(ld.at.Key), ld.stage.Ref, at))
	if err != nil || len(rows) == 0 {
		return ""
	}
	parts := make([]string, len(ld.at.Key))
	for i, k := range ld.at.Key {
		parts[i] = k + "=" + rows[0][i]
	}
	return strings.Join(parts, ", ")
}

// mergeSQL is what brings a stage's rows into the table.
func (ld *loader) mergeSQL(stage *sqltarget.Stage) string {
	d := sqltarget.Postgres{}
	switch {
	case !ld.keyed:
		return stage.Append(&ld.at.Table)
	case stage.Ops:
		return strings.Join(stage.Apply(d, &ld.at.Table, ld.sink.set.HardDelete), "; ")
	}
	return stage.Upsert(d, &ld.at.Table)
}
