package sqlite

import (
	"context"
	"errors"
	"slices"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

// variant is how rows of one sort are executed: all columns, or only those
// the source sent, or key and marker of a deletion.
type variant struct {
	take  []bool // of the encoder's columns
	count int
	main  *statement
	other *statement // nil, or what follows where main changed nothing
}

// writeRows bounds one call into SQLite, so that a cancelled run stops soon.
const writeRows = 4096

// Write executes a batch row by row, in order.
func (ld *loader) Write(ctx context.Context, b *row.Batch) error {
	defer b.Release()
	if err := ld.write(ctx, b); err != nil {
		return ld.lane.fail(err)
	}
	return nil
}

func (ld *loader) write(ctx context.Context, b *row.Batch) error {
	if err := ld.lane.begin(ctx); err != nil {
		return err
	}
	if b.Schema != ld.schema {
		if err := ld.Schema(ctx, b.Schema); err != nil {
			return err
		}
	}
	if err := ld.ready(ctx, b); err != nil {
		return err
	}
	now := micros()
	ld.encoder.begin(now, ld.sink.started, b.Version)
	var run *variant
	first, out := 0, ld.out[:0]
	flush := func(end int) error {
		if run == nil {
			return nil
		}
		err := ld.name(run.main.run(run.other, out, end-first, run.count), b, first)
		out = out[:0]
		return err
	}
	for i := range b.Len() {
		next, err := ld.variant(b, i)
		if err != nil {
			return err
		}
		if next != run || i-first >= writeRows {
			if err := flush(i); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			run, first = next, i
		}
		if run == nil {
			continue
		}
		if out, err = ld.encoder.append(out, b, i, run.take, now); err != nil {
			return err
		}
	}
	err := flush(b.Len())
	ld.out = out
	return err
}

// ready makes sure of the columns that a batch needs beyond its schema.
func (ld *loader) ready(ctx context.Context, b *row.Batch) error {
	ld.blank = ld.blank || b.Version == 0 && b.Len() > 0
	set, more := ld.sink.set, false
	if b.Version != 0 && !ld.version && set.HardDelete && set.ActivateVersion && !ld.versioned() {
		ld.version, more = true, true // without it the purge could not tell rows apart
	}
	if !ld.deletes && slices.Contains(b.Ops, row.Delete) {
		ld.deletes, more = true, true
	}
	if more {
		return ld.shape(ctx, ld.schema, set.OnSchemaChange)
	}
	return nil
}

// variant is how row i is executed; nil: not at all.
func (ld *loader) variant(b *row.Batch, i int) (*variant, error) {
	if !b.Unset && b.Ops == nil {
		return ld.lookup("")
	}
	if b.Op(i) == row.Delete && ld.sink.set.HardDelete && !ld.keyed {
		return nil, nil // a table of plain rows has no key to delete by
	}
	if b.Op(i) == row.Delete && !ld.sink.set.HardDelete && !ld.at.Has(sqltarget.DeletedAt) {
		return nil, nil // a frozen table has no place for the mark
	}
	if b.Op(i) == row.Delete && ld.keyed {
		return ld.lookup("delete")
	}
	if !b.Unset || !ld.keyed {
		return ld.lookup("")
	}
	ld.mask = ld.mask[:0]
	fields, some := b.Fields(i), false
	for _, f := range ld.encoder.fields {
		_, state := fields.Next()
		if f.skip {
			continue
		}
		if state == row.IsUnset && !f.key {
			ld.mask, some = append(ld.mask, '0'), true
		} else {
			ld.mask = append(ld.mask, '1')
		}
	}
	if !some {
		return ld.lookup("")
	}
	if v := ld.variants[string(ld.mask)]; v != nil {
		return v, nil
	}
	return ld.lookup(string(ld.mask))
}

// lookup finds or prepares a variant: "" takes all columns, "delete" those of
// a deletion, a mask those with 1.
func (ld *loader) lookup(name string) (*variant, error) {
	if v := ld.variants[name]; v != nil {
		return v, nil
	}
	if len(ld.variants) > 100 { // every mix of unset fields is a statement of its own
		ld.closeStatements()
	}
	v := &variant{take: make([]bool, len(ld.encoder.columns))}
	var columns []sqltarget.Column
	hard := ld.sink.set.HardDelete
	for i, c := range ld.encoder.columns {
		switch {
		case name == "delete":
			v.take[i] = slices.Contains(ld.at.Key, c.Name) || !hard && sqltarget.Marker(c.Name)
		case i < len(name):
			v.take[i] = name[i] == '1'
		default:
			v.take[i] = true
		}
		if v.take[i] {
			columns = append(columns, c)
		}
	}
	v.count = len(columns)
	t := &ld.at.Table
	insert, other := t.Insert(columns), ""
	switch {
	case name == "delete" && hard:
		insert = t.Delete(columns)
	case name == "delete" && ld.unique:
		insert += t.MarkDeleted(columns)
	case ld.keyed && ld.unique:
		insert += t.OnConflict(sqltarget.SQLite{}, columns)
	case ld.keyed:
		insert, other = t.Update(columns), insert
	}
	var err error
	if v.main, err = prepare(ld.lane.conn, insert); err != nil {
		return nil, err
	}
	if other != "" {
		if v.other, err = prepare(ld.lane.conn, other); err != nil {
			v.main.close()
			return nil, err
		}
	}
	ld.variants[name] = v
	return v, nil
}

func (ld *loader) closeStatements() {
	for name, v := range ld.variants {
		v.main.close()
		if v.other != nil {
			v.other.close()
		}
		delete(ld.variants, name)
	}
}

// name says which row SQLite refused, by stream and key.
func (ld *loader) name(err error, b *row.Batch, first int) error {
	var refused *refusal
	if !errors.As(err, &refused) {
		return err
	}
	if refused.code != constraint && refused.code != mismatch && refused.code != tooBig {
		return err
	}
	return fault.Wrap(fault.BadInput, err, "stream %q, row with key %s: SQLite refused the row", ld.schema.Stream, sqltarget.KeyText(b, first+refused.row))
}
