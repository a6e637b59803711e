package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// aside is what _elt_state keeps of an unpublished table. Once a position was
// committed with its rows, no later run gets them again: it must go on with
// the table, as long as the bookmark is the one that we moved.
type aside struct {
	Stream string `json:"stream"`
	Edit   int64  `json:"edit"`
}

// openAside makes the unpublished table, or goes on with the one that an
// earlier run left. Where the final name is free a new one has that already,
// since nobody sees it before the commit: a stream that is complete by then
// needs no renaming, for which SQLite reads the whole schema.
func (ld *loader) openAside(ctx context.Context, schema *row.Schema, free bool) error {
	s, l := ld.sink, ld.lane
	ld.aside = true
	sum := sha256.Sum256([]byte(s.stateID))
	name := ld.final.Name + "__elt_new_" + hex.EncodeToString(sum[:4])
	left, _, err := describe(ctx, l.session, name)
	if err != nil {
		return err
	}
	if left != nil {
		ok, err := ld.resumable(ctx, left, schema.Stream)
		if err != nil {
			return err
		}
		if ok {
			ld.at = left
			return ld.shape(ctx, schema, ld.sink.set.OnSchemaChange)
		}
		if err := l.exec(ctx, "drop table "+left.Ref()); err != nil {
			return err
		}
		if err := ld.forget(ctx, name); err != nil {
			return err
		}
	}
	ld.hidden = name
	if ld.early = free; free {
		name = ld.final.Name
	}
	all, idents := ld.wanted(schema), ld.idents(schema, nil)
	ld.at = &table{Table: sqltarget.Table{Name: name, Columns: sqltarget.Columns(sqltarget.SQLite{}, all, idents)}}
	if s.set.Keyed(schema.Key) {
		if ld.at.Key, err = keyIdents(schema, idents); err != nil {
			return err
		}
		ld.at.primaryKey = ld.at.Key
	}
	if err := l.exec(ctx, ld.at.Create(true)); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	s.asides[ld.hidden] = true
	s.changed(targets.Change{Stream: schema.Stream, Kind: "create", Detail: ld.final.Ref()})
	return ld.shape(ctx, schema, sqltarget.Evolve)
}

func (ld *loader) resumable(ctx context.Context, left *table, stream string) (bool, error) {
	s := ld.sink
	if s.asides[left.Name] {
		return true, nil
	}
	if s.stateID == "" || s.moved || s.set.LoadMethod == sqltarget.Overwrite {
		return false, nil
	}
	rows, err := ld.lane.query(ctx, state().Get(), s.stateID, sqltarget.AsidePart, left.Name)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	var note aside
	ld.covered = json.Unmarshal([]byte(text(rows[0][0])), &note) == nil && note == aside{stream, s.edit}
	return ld.covered, nil
}

// forget removes what _elt_state says of an unpublished table.
func (ld *loader) forget(ctx context.Context, name string) error {
	if ld.sink.stateID == "" {
		return nil
	}
	return ld.lane.exec(ctx, state().Drop(), ld.sink.stateID, sqltarget.AsidePart, name)
}
