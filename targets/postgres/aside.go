package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// openAside prepares an unpublished table, or goes on with the one that an
// earlier run left. A stream whose table is not there may need none (hold).
func (ld *loader) openAside(ctx context.Context, schema *row.Schema, replaces bool) (err error) {
	s, l := ld.sink, ld.lane
	ld.aside = true
	name := ld.asideName()
	var left *table
	if s.there(ld.final.Schema, name) {
		if left, err = l.describe(ctx, ld.final.Schema, name); err != nil {
			return err
		}
	}
	if left != nil && !ld.resumable(left, schema.Stream) {
		if err := l.exec(ctx, "drop table "+left.Ref()); err != nil {
			return err
		}
		left = nil
	}
	if left != nil {
		ld.at = left
		ld.counted = left.Has(orderColumn)
		ld.rows = ld.note.Rows
		return ld.shape(ctx, schema, s.set.OnSchemaChange)
	}
	ld.note = aside{Stream: schema.Stream, State: s.stateID, Edit: s.edit}
	idents := ld.idents(schema, nil)
	columns, own := sqltarget.Columns(sqltarget.Postgres{}, ld.wanted(schema), idents), len(schema.Columns)
	ld.at = &table{Table: sqltarget.Table{Schema: ld.final.Schema, Name: name, Columns: columns[:own:own]}}
	if own < len(columns) {
		ld.shared = &shared{columns: columns[own:], stamp: ld.stamp(0)}
	}
	if s.set.Keyed(schema.Key) {
		if ld.at.Key, err = keyIdents(schema, idents); err != nil {
			return err
		}
	}
	ld.pending = true
	if err := ld.shape(ctx, schema, sqltarget.Evolve); err != nil || !replaces {
		return err
	}
	return ld.make(ctx)
}

// make makes the unpublished table, if that is still to be done.
func (ld *loader) make(ctx context.Context) error {
	if !ld.pending {
		return nil
	}
	ld.pending = false
	s := ld.sink
	if err := ld.lane.finishCopy(ctx); err != nil { // another stream's, that this one comes between
		return err
	}
	if err := ld.lane.begin(ctx); err != nil {
		return err
	}
	if err := ld.lane.exec(ctx, ld.at.Create(false)); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	ld.created = true
	s.made(ld.at.Schema, ld.at.Name)
	s.mu.Lock()
	s.asides[ld.at.Ref()] = true
	s.mu.Unlock()
	s.changed(targets.Change{Stream: ld.schema.Stream, Kind: "create", Detail: ld.final.Ref()})
	if b := ld.held; b != nil {
		ld.held = nil
		return ld.write(ctx, b)
	}
	return nil
}

func (ld *loader) asideName() string {
	n := ld.sink.set.naming()
	return n.Ident(ld.final.Name + "__elt_new_" + digest(ld.sink.stateID+"/"+ld.final.Name))
}

func (ld *loader) resumable(left *table, stream string) bool {
	s := ld.sink
	text, ours := strings.CutPrefix(left.comment, asidePrefix)
	if !ours || json.Unmarshal([]byte(text), &ld.note) != nil || ld.note.Stream != stream {
		return false
	}
	s.mu.Lock()
	mine := s.asides[left.Ref()]
	s.mu.Unlock()
	if mine {
		return true
	}
	return s.stateID != "" && s.set.LoadMethod != sqltarget.Overwrite && !s.moved &&
		ld.note.State == s.stateID && ld.note.Edit == s.edit && ld.note.Covered
}
