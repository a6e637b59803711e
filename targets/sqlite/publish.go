package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"elt/internal/sqltarget"
	"elt/targets"
)

// beforeCommit publishes what may be published.
func (ld *loader) beforeCommit(ctx context.Context, covered bool) error {
	s := ld.sink
	switch {
	case !ld.aside:
		return nil
	case ld.ended:
		return ld.publish(ctx)
	case covered && !ld.covered && s.stateID == "" && s.set.LoadMethod != sqltarget.Overwrite:
		// Nobody keeps a claim, so no later run could know what this table
		// holds, yet the position is about to be promised.
		return ld.publish(ctx)
	}
	if ld.early {
		if err := ld.hide(ctx); err != nil {
			return err
		}
	}
	if !covered || ld.covered || s.stateID == "" {
		return nil
	}
	note, err := json.Marshal(aside{ld.schema.Stream, s.edit})
	if err != nil {
		return err
	}
	ld.covered = true
	return ld.lane.exec(ctx, state().Put(), s.stateID, sqltarget.AsidePart, ld.at.Name, string(note), s.epoch)
}

// publish puts the unpublished table in its place within this transaction, so
// that readers see either nothing (or the old rows) or all of it.
func (ld *loader) publish(ctx context.Context) error {
	if err := ld.takePlace(ctx); err != nil {
		return fmt.Errorf("publish %s: %w", ld.final.Ref(), err)
	}
	return nil
}

// hide gives a table that is not complete the name that nobody reads.
func (ld *loader) hide(ctx context.Context) error {
	ld.closeStatements()
	if err := ld.lane.exec(ctx, "alter table "+ld.at.Ref()+" rename to "+sqltarget.Quote(ld.hidden)); err != nil {
		return fmt.Errorf("hide %s: %w", ld.final.Ref(), err)
	}
	ld.at.Name, ld.early = ld.hidden, false
	return nil
}

func (ld *loader) takePlace(ctx context.Context) error {
	l := ld.lane
	if ld.early {
		ld.aside, ld.early = false, false
		return nil
	}
	ld.closeStatements()
	if err := ld.forget(ctx, ld.at.Name); err != nil {
		return err
	}
	old, _, err := describe(ctx, l.session, ld.final.Name)
	if err != nil {
		return err
	}
	if old != nil && ld.sink.set.LoadMethod != sqltarget.Overwrite { // somebody made it meanwhile
		return ld.pour(ctx, old)
	}
	if old != nil {
		if err := l.exec(ctx, "drop table "+old.Ref()); err != nil {
			return err
		}
	}
	if err := l.exec(ctx, "alter table "+ld.at.Ref()+" rename to "+sqltarget.Quote(ld.final.Name)); err != nil {
		return err
	}
	ld.at.Name, ld.aside = ld.final.Name, false
	if old == nil {
		return nil
	}
	for _, sql := range old.attached { // indexes and triggers that still fit
		if err := l.exec(ctx, sql); err != nil {
			ld.sink.changed(targets.Change{Stream: ld.schema.Stream, Kind: "drop", Detail: "not made again: " + sql})
		}
	}
	return nil
}

// pour moves the unpublished table's rows into one that is there.
func (ld *loader) pour(ctx context.Context, into *table) error {
	source := ld.at
	ld.at, ld.aside = into, false
	if err := ld.shape(ctx, ld.schema, ld.sink.set.OnSchemaChange); err != nil {
		return err
	}
	stage := &sqltarget.Stage{Ref: source.Ref(), Columns: ld.encoder.columns}
	sqls := []string{stage.Append(&ld.at.Table)}
	switch {
	case ld.keyed && ld.unique:
		sqls = []string{stage.Upsert(sqltarget.SQLite{}, &ld.at.Table)}
	case ld.keyed:
		sqls = append([]string{stage.Remove(&ld.at.Table)}, sqls...)
	}
	for _, sql := range append(sqls, "drop table "+source.Ref()) {
		if err := ld.lane.exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
