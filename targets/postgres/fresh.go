package postgres

import (
	"context"
	"errors"
	"slices"

	"elt/internal/row"
	"elt/internal/sqltarget"
	"elt/targets"
)

// A new table's rows go where nobody sees them until the stream has ended
// (aside.go). Most streams are small: no rows came, or one batch of a few,
// when they end. So the first batch waits, and where nothing follows it the
// table is made in its place, with its key, in the transaction that ends the
// stream: half the statements, and the server does a third of the work.

// heldBytes is how large a batch may be that waits. One waits per lane.
const heldBytes = 64 << 10

// hold keeps the first batch of a table that is not made yet; false: it must
// be written.
func (ld *loader) hold(b *row.Batch) bool {
	free := !slices.ContainsFunc(ld.lane.loaders, func(other *loader) bool { return other.held != nil })
	if !free || b.Schema != ld.schema || b.Ops != nil || b.Unset || len(b.Data) > heldBytes {
		return false
	}
	ld.blank = ld.blank || b.Version == 0 && b.Len() > 0
	ld.held = b
	return true
}

// only says that all rows there are have the version, so that none is older.
func (ld *loader) only(version int64) bool {
	return ld.pending && (ld.held == nil || targets.VersionMillis(ld.held.Version) == targets.VersionMillis(version))
}

// settlePending makes the table of a stream whose rows are all here, or the
// unpublished one for those that are. One without rows can wait.
func (ld *loader) settlePending(ctx context.Context, complete bool) error {
	if !ld.pending || !complete && ld.held == nil {
		return nil
	}
	if complete {
		if done, err := ld.settleFresh(ctx); done || err != nil {
			return err
		}
	}
	if err := ld.make(ctx); err != nil {
		return err
	}
	return ld.lane.finishCopy(ctx)
}

// settleFresh makes the table of a stream that has ended, and loads what waits.
// False: the table cannot be made there, since somebody has made it meanwhile.
func (ld *loader) settleFresh(ctx context.Context) (bool, error) {
	l, s := ld.lane, ld.sink
	fresh, shared := *ld.at, ld.shared
	ld.version = ld.version || ld.held != nil && ld.held.Version != 0 && ld.keepsVersions()
	ld.shared = nil // rows bring their own metadata
	idents := ld.idents(ld.schema, nil)
	fresh.Name = ld.final.Name
	fresh.Columns = sqltarget.Columns(sqltarget.Postgres{}, ld.wanted(ld.schema), idents)
	fresh.comment = ownPrefix + ld.schema.Stream
	create := fresh.Create(false)
	if ld.keyed {
		fresh.primary, fresh.primaryKey, fresh.unique = s.set.naming().Ident(fresh.Name+"_pkey"), fresh.Key, [][]string{fresh.Key}
		create = fresh.CreateKeyed(fresh.primary)
	}
	list := []statement{stmt("savepoint elt"), stmt(create), stmt("comment on table " + fresh.Ref() + " is " + literal(fresh.comment))}
	for _, g := range ld.grants {
		list = append(list, stmt("grant select on "+fresh.Ref()+" to "+sqltarget.Quote(g)))
	}
	if _, err := l.try(ctx, append(list, stmt("release savepoint elt"))...); err != nil {
		if l.conn.TxStatus() != 'E' || errors.Is(err, targets.ErrFenced) || l.exec(ctx, "rollback to savepoint elt; release savepoint elt") != nil {
			return false, err
		}
		ld.shared = shared
		return false, nil
	}
	ld.pending, ld.aside, ld.mine = false, false, true
	ld.at, ld.created = &fresh, !ld.keyed
	s.made(fresh.Schema, fresh.Name)
	s.changed(targets.Change{Stream: ld.schema.Stream, Kind: "create", Detail: fresh.Ref()})
	ld.direct = ld.keyed
	if err := ld.shape(ctx, ld.schema, sqltarget.Evolve); err != nil || ld.held == nil {
		return true, err
	}
	b := ld.held
	ld.held = nil
	if err := ld.write(ctx, b); err != nil {
		return true, err
	}
	return true, l.finishCopy(ctx)
}
