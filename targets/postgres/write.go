package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/row"
	"elt/internal/sqltarget"
)

// Write sends a batch on its way. It is released once the server has its rows.
func (ld *loader) Write(ctx context.Context, b *row.Batch) error {
	if err := ld.write(ctx, b); err != nil {
		return ld.lane.fail(err)
	}
	return nil
}

func (ld *loader) write(ctx context.Context, b *row.Batch) error {
	if ld.pending && ld.hold(b) {
		return nil
	}
	err := ld.lane.begin(ctx)
	if err == nil {
		err = ld.make(ctx)
	}
	if err != nil {
		b.Release()
		return err
	}
	if b.Schema != ld.schema {
		if err := ld.Schema(ctx, b.Schema); err != nil {
			b.Release()
			return err
		}
	}
	if err := ld.ready(ctx, b); err != nil {
		b.Release()
		return fmt.Errorf("stream %q: %w", ld.schema.Stream, plain(err))
	}
	if ld.stage != nil && ld.stage.Ops {
		return ld.writeOps(ctx, b)
	}
	return ld.copyBatch(ctx, b)
}

// copyBatch sends a batch to where rows go now.
func (ld *loader) copyBatch(ctx context.Context, b *row.Batch) error {
	if err := ld.lane.startCopy(ctx, ld, ld.copySQL()); err != nil {
		b.Release()
		return fmt.Errorf("stream %q: %w", ld.schema.Stream, plain(err))
	}
	if ld.stage != nil {
		ld.staged += b.Len()
	}
	if !ld.counting() && ld.encoder.raw(b) {
		return ld.lane.send(ctx, b, b.Len(), b.Data)
	}
	out, err := ld.encode(b)
	if err != nil {
		b.Release()
		return err
	}
	return ld.lane.send(ctx, b, b.Len(), out)
}

// ready makes sure that the place the batch's rows go to is there.
func (ld *loader) ready(ctx context.Context, b *row.Batch) error {
	if ld.shared != nil && !ld.shared.fits(b, ld.stamp(b.Version)) {
		if err := ld.reshape(ctx, ld.schema); err != nil {
			return err
		}
	}
	ld.blank = ld.blank || b.Version == 0 && b.Len() > 0
	if b.Version != 0 && ld.keepsVersions() && !ld.versioned() {
		ld.version = true
		if err := ld.reshape(ctx, ld.schema); err != nil {
			return err
		}
	}
	deletes := !ld.deletes && slices.Contains(b.Ops, row.Delete)
	if (b.Unset || b.Ops != nil) && !ld.ops || deletes {
		ld.ops, ld.deletes = true, ld.deletes || deletes
		if err := ld.reshape(ctx, ld.schema); err != nil {
			return err
		}
	}
	switch {
	case !ld.keyed && (ld.aside || !ld.encoder.casts()):
		return nil
	case !ld.keyed: // values must be cast on their way
	case ld.aside && !ld.unique && !ld.ops:
		return ld.number(ctx)
	case ld.aside && !ld.unique: // what merges needs its key now
		if err := ld.settleKey(ctx); err != nil {
			return err
		}
	case !ld.unique:
		ld.ops = true
	}
	ld.direct = ld.direct && !ld.ops && !ld.encoder.casts()
	if ld.stage != nil || ld.direct {
		return nil
	}
	return ld.makeStage(ctx)
}

// number adds orderColumn to an unpublished keyed table once it outlives the
// transaction that made it.
func (ld *loader) number(ctx context.Context) error {
	if ld.created || ld.counted {
		return nil
	}
	if err := ld.lane.finishCopy(ctx); err != nil {
		return err
	}
	ld.counted = true
	return ld.lane.exec(ctx, "alter table "+ld.at.Ref()+" add column "+orderColumn+" bigint")
}

func (ld *loader) counting() bool { return ld.counted && ld.stage == nil }

func (ld *loader) makeStage(ctx context.Context) error {
	if err := ld.lane.finishCopy(ctx); err != nil {
		return err
	}
	ld.lane.stages++
	ld.stage = &sqltarget.Stage{
		Ref:     sqltarget.Qualify("pg_temp", fmt.Sprintf("_elt_stage_%d", ld.lane.stages)),
		Columns: ld.encoder.columns, Ops: ld.ops && ld.keyed,
	}
	ld.encoder.ops = ld.stage.Ops
	// Made anew in each transaction: only then does COPY add at the end
	// always, so that ctid tells the order of its rows.
	ld.first = ld.stage.Create(ld.at.Key, "on commit drop")
	return nil
}

func (ld *loader) dropStage(ctx context.Context) error {
	if ld.stage == nil {
		return nil
	}
	ref, made := ld.stage.Ref, !strings.HasPrefix(ld.first, "create")
	ld.stage, ld.staged, ld.first = nil, 0, ""
	if !made {
		return nil
	}
	return ld.lane.exec(ctx, "drop table "+ref)
}

func (ld *loader) copySQL() string {
	ref, freeze := ld.at.Ref(), ""
	columns := ld.encoder.columns
	names := make([]string, 0, len(columns)+2)
	for _, c := range columns {
		names = append(names, c.Name)
	}
	switch {
	case ld.stage != nil:
		ref = ld.stage.Ref
		if ld.stage.Ops {
			names = append(names, sqltarget.OpColumn, sqltarget.MaskColumn)
		}
	case ld.counted:
		names = append(names, orderColumn)
	case ld.created:
		freeze = ", freeze true"
	}
	return "copy " + ref + " (" + sqltarget.List(names) + ") from stdin (format binary" + freeze + ")"
}

func (ld *loader) stamp(version int64) stamp {
	return stamp{now: micros(), started: ld.sink.started, version: version}
}

// encode turns a whole batch into tuples, in memory that the next one reuses.
func (ld *loader) encode(b *row.Batch) ([]byte, error) {
	if err := ld.encoder.begin(b, ld.stamp(b.Version)); err != nil {
		return nil, err
	}
	out, err := ld.out[:0], error(nil)
	counting := ld.counting()
	for i := range b.Len() {
		if b.Op(i) == row.Delete && ld.sink.set.HardDelete {
			continue // a table of plain rows has no key to delete by
		}
		start := len(out)
		if out, err = ld.encoder.append(out, b, i); err != nil {
			return nil, err
		}
		if counting {
			ld.rows++
			binary.BigEndian.PutUint16(out[start:], binary.BigEndian.Uint16(out[start:])+1)
			out = append(out, 0, 0, 0, 8)
			out = binary.BigEndian.AppendUint64(out, uint64(ld.rows))
		}
	}
	ld.out = out
	return out, nil
}

// writeOps stages rows that are no plain inserts. No key may be twice in such
// a stage, so rows of one batch are folded, and what is there is merged before
// a key of an earlier one comes again.
func (ld *loader) writeOps(ctx context.Context, b *row.Batch) error {
	defer b.Release()
	b, err := ld.fold(b)
	if err != nil {
		return err
	}
	if err := ld.encoder.begin(b, ld.stamp(b.Version)); err != nil {
		return err
	}
	out, rows := ld.out[:0], 0
	flush := func() error {
		if rows == 0 {
			return nil
		}
		if err := ld.lane.startCopy(ctx, ld, ld.copySQL()); err != nil {
			return err
		}
		err := ld.lane.send(ctx, slice(b), rows, out)
		ld.staged += rows
		out, rows = out[:0], 0
		return err
	}
	for i := range b.Len() {
		key, err := ld.encoder.key(ld.seed, b, i)
		if err != nil {
			return err
		}
		if _, again := ld.seen[key]; again {
			if err := flush(); err != nil {
				return err
			}
			if err := ld.lane.finishCopy(ctx); err != nil {
				return err
			}
			if err := ld.merge(ctx); err != nil {
				return fmt.Errorf("stream %q: %w", ld.schema.Stream, plain(err))
			}
		}
		ld.seen[key] = struct{}{}
		if out, err = ld.encoder.append(out, b, i); err != nil {
			return err
		}
		rows++
	}
	err = flush()
	ld.out = out
	return err
}

// slice stands for a batch that is released by somebody else.
func slice(b *row.Batch) *row.Batch {
	return &row.Batch{Schema: b.Schema}
}

// merge brings the staged rows into the table.
func (ld *loader) merge(ctx context.Context) error {
	if ld.stage == nil || ld.staged == 0 {
		return nil
	}
	if ld.staged >= analyzeRows && ld.stage.Ops { // those statements join the stage
		if err := ld.lane.exec(ctx, "analyze "+ld.stage.Ref); err != nil {
			return err
		}
	}
	var err error
	if ld.keyed && !ld.stage.Ops {
		err = ld.upsert(ctx)
	} else {
		err = ld.lane.attempt(ctx, ld.mergeSQL(ld.stage))
	}
	if err != nil {
		return ld.culprit(ctx, err)
	}
	clear(ld.seen)
	ld.staged, ld.first = 0, "truncate "+ld.stage.Ref
	return nil
}

// analyzeRows is where statistics of a stage begin to pay.
const analyzeRows = 1000

// upsert merges by ON CONFLICT. That a key is twice in the stage is rare, so
// it is not looked for: the server refuses, and only then are they dropped.
func (ld *loader) upsert(ctx context.Context) error {
	staged := int64(ld.staged)
	sql := ld.mergeSQL(ld.stage)
	if ld.steady {
		if changed, err := ld.changed(ctx); err != nil {
			return err
		} else if changed != "" {
			sql = changed
		}
	}
	touched, err := ld.lane.tried(ctx, sql)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "21000" {
		if err := ld.dedupe(ctx); err != nil {
			return err
		}
		touched, err = ld.lane.tried(ctx, sql)
	}
	ld.steady = staged >= analyzeRows && touched < staged/2
	return err
}

// changed is the merge for a stage of which most rows are in the table as
// they are. ON CONFLICT would lock each of them, which writes as much as a
// change; finding them first costs a join. But it would take the older of two
// rows of one key for the newer one when the newer is in the table already.
func (ld *loader) changed(ctx context.Context) (string, error) {
	if err := ld.lane.exec(ctx, "set local work_mem = '64MB'"); err != nil { // the stage is as large
		return "", err
	}
	twice, err := ld.lane.query(ctx, ld.stage.Repeated(ld.at.Key))
	if err == nil && twice[0][0] == "t" {
		err = ld.dedupe(ctx)
	}
	return ld.stage.UpsertChanged(sqltarget.Postgres{}, &ld.at.Table), err
}

func (ld *loader) dedupe(ctx context.Context) error {
	return ld.lane.exec(ctx, sqltarget.Dedupe(ld.stage.Ref, ld.at.Key, "ctid", "ctid"))
}

// settleKey drops what came twice from the unpublished table, the last
// staying, and gives it its key.
func (ld *loader) settleKey(ctx context.Context) error {
	if err := ld.lane.finishCopy(ctx); err != nil {
		return err
	}
	name := ld.keyName()
	add := "alter table " + ld.at.Ref() + " add constraint " + sqltarget.Quote(name) + " primary key (" + sqltarget.List(ld.at.Key) + ")"
	err := ld.lane.attempt(ctx, add)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		order := "ctid"
		if ld.counted {
			order = orderColumn + " nulls first, ctid"
		}
		if err = ld.lane.exec(ctx, sqltarget.Dedupe(ld.at.Ref(), ld.at.Key, "ctid", order)); err == nil {
			err = ld.lane.exec(ctx, add)
		}
	}
	if err != nil {
		return err
	}
	if ld.counted {
		ld.counted = false
		if err := ld.lane.exec(ctx, "alter table "+ld.at.Ref()+" drop column "+orderColumn); err != nil {
			return err
		}
		ld.at.Columns = slices.DeleteFunc(ld.at.Columns, func(c sqltarget.Column) bool { return c.Name == orderColumn })
	}
	ld.unique, ld.at.primary, ld.at.primaryKey = true, name, ld.at.Key
	ld.at.unique = append(ld.at.unique, ld.at.Key)
	return nil
}
