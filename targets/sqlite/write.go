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
	many  *statement // nil, or main for manyRows rows at once
	main  *statement
	other *statement // nil, or what follows where main changed nothing
}

// manyRows of one statement cost a sixth less than as many statements, more
// rows gain nothing; manyFields is below the parameters SQLite takes.
const (
	manyRows   = 8
	manyFields = 32000
)

// run executes count rows of data.
func (v *variant) run(data []byte, count int) error {
	done := 0
	if v.many != nil {
		var err error
		data, err = v.many.run(nil, data, count/manyRows, v.count*manyRows)
		var refused *refusal
		switch {
		case err == nil:
			done = count / manyRows * manyRows
		case !errors.As(err, &refused) || !refused.ofRow():
			return err
		default: // one by one it will be seen which of them
			done = refused.row * manyRows
		}
	}
	_, err := v.main.run(v.other, data, count-done, v.count)
	var refused *refusal
	if errors.As(err, &refused) {
		refused.row += done
	}
	return err
}

func (v *variant) close() {
	for _, s := range []*statement{v.many, v.main, v.other} {
		if s != nil {
			s.close()
		}
	}
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
		err := ld.name(run.run(out, end-first), b, first)
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
	if b.Version != 0 && !ld.version && ld.keepsVersions() && !ld.versioned() {
		ld.version, more = true, true
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
	insert, many, other := t.Insert(columns, 1), "", ""
	switch {
	case name == "delete" && hard:
		insert = t.Delete(columns)
	case name == "delete" && ld.unique:
		insert += t.MarkDeleted(columns)
	case ld.keyed && ld.unique:
		insert += t.OnConflict(sqltarget.SQLite{}, columns)
	case ld.keyed:
		insert, other = t.Update(columns), insert
	case ld.aside && v.count*manyRows <= manyFields: // nobody's trigger can end the transaction there
		many = t.Insert(columns, manyRows)
	}
	var err error
	for _, s := range []struct {
		sql string
		to  **statement
	}{{insert, &v.main}, {many, &v.many}, {other, &v.other}} {
		if s.sql == "" {
			continue
		}
		if *s.to, err = prepare(ld.lane.conn, s.sql); err != nil {
			v.close()
			return nil, err
		}
	}
	ld.variants[name] = v
	return v, nil
}

func (ld *loader) closeStatements() {
	for name, v := range ld.variants {
		v.close()
		delete(ld.variants, name)
	}
}

// name says which row SQLite refused, by stream and key.
func (ld *loader) name(err error, b *row.Batch, first int) error {
	var refused *refusal
	if !errors.As(err, &refused) {
		return err
	}
	if !refused.ofRow() {
		return err
	}
	return fault.Wrap(fault.BadInput, err, "stream %q, row with key %s: SQLite refused the row", ld.schema.Stream, sqltarget.KeyText(b, first+refused.row))
}
