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

// openAside makes the unpublished table, or goes on with the one that an
// earlier run left.
func (ld *loader) openAside(ctx context.Context, schema *row.Schema) error {
	s, l := ld.sink, ld.lane
	ld.aside = true
	name := ld.asideName()
	ref := sqltarget.Qualify(ld.final.Schema, name)
	left, err := describe(ctx, l.session, ld.final.Schema, name)
	if err != nil {
		return err
	}
	if left != nil && !ld.resumable(left, schema.Stream) {
		if err := l.exec(ctx, "drop table "+ref); err != nil {
			return err
		}
		left = nil
	}
	if left != nil {
		ld.at = left
		ld.counted = left.Has(orderColumn)
		ld.rows = ld.note.Rows
		return ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
	}
	ld.note = aside{Stream: schema.Stream, State: s.stateID, Edit: s.edit}
	idents := ld.idents(schema, nil)
	all := ld.wanted(schema)
	columns, own := sqltarget.Columns(sqltarget.Postgres{}, all, idents), len(schema.Columns)
	ld.at = &table{Table: sqltarget.Table{Schema: ld.final.Schema, Name: name, Columns: columns[:own:own]}}
	if own < len(columns) {
		ld.shared = &shared{columns: columns[own:], stamp: ld.stamp(0)}
	}
	if s.set.Keyed(schema.Key) {
		if ld.at.Key, err = keyIdents(schema, idents); err != nil {
			return err
		}
	}
	if err := l.exec(ctx, ld.at.Create(false)); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	ld.created = true
	s.mu.Lock()
	s.asides[ref] = true
	s.mu.Unlock()
	s.changed(targets.Change{Stream: schema.Stream, Kind: "create", Detail: ld.final.Ref()})
	return ld.shape(ctx, schema, sqltarget.Evolve)
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
