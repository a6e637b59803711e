package postgres

import (
	"context"
	"strings"

	"elt/internal/pgdial"
	"elt/internal/row"
)

// reader runs the COPY statements of one plan, in the transaction that the
// worker has open, and hands batches and positions on.
type reader struct {
	*splitter
	w     *worker
	p     *plan
	begun bool // the snapshot is taken, its transaction open
	send  func(piece) error
}

func newReader(ctx context.Context, w *worker, p *plan, pieces chan<- piece) *reader {
	r := &reader{w: w, p: p}
	r.send = func(next piece) error {
		select {
		case pieces <- next:
			return nil
		case <-ctx.Done():
			if next.batch != nil {
				next.batch.Release()
			}
			return ctx.Err()
		}
	}
	r.splitter = &splitter{schema: p.schema, elements: p.elements(), hidden: p.hidden, keyWire: p.keyReading.Wire, every: positionEvery, pool: w.pool}
	r.full = func(b *row.Batch, key []byte) error {
		next := piece{batch: b}
		if key != nil {
			at := p.position(key, r.rows, true)
			next.position = &at
		}
		return r.send(next)
	}
	return r
}

// copy runs one statement; keyAt is the field to watch as replication key, -1
// for none. The first one takes the snapshot that everything is read in.
func (r *reader) copy(ctx context.Context, keyAt int, sql string) error {
	if !r.begun {
		sql, r.begun = strings.Join(append(r.opening(), sql), "; "), true
	}
	r.version = r.p.version
	r.start(keyAt)
	if err := pgdial.CopyOut(ctx, r.w.conn, sql, r.take); err != nil {
		return explain(err, r.p)
	}
	return r.finish()
}

// last is copy for the last statement of all.
func (r *reader) last(ctx context.Context, keyAt int, sql string) error {
	if err := r.copy(ctx, keyAt, sql+"; commit"); err != nil {
		return err
	}
	r.begun = false
	return nil
}

// begin takes the snapshot with the next statement.
func (r *reader) begin(ctx context.Context) error {
	r.begun = true
	return explain(r.w.exec(ctx, strings.Join(r.opening(), "; ")), r.p)
}

// opening are the statements that take the snapshot, or the plan's.
func (r *reader) opening() []string {
	list := []string{"begin isolation level repeatable read read only"}
	if r.p.snapshot != "" {
		list = append(list, "set transaction snapshot "+literal(r.p.snapshot))
	}
	return list
}

// incremental reads what an INCREMENTAL stream has not read yet.
func (r *reader) incremental(ctx context.Context) error {
	p := r.p
	if p.rel.kind != "r" && p.rel.kind != "p" || p.window.set() {
		return r.fromKey(ctx)
	}
	before, blind, err := r.look(ctx)
	if err != nil {
		return err
	}
	if blind {
		return r.fromKey(ctx)
	}
	// The looks are round trips apart on purpose: a transaction that has its
	// time but not its lock yet at the first is seen by the second.
	if err := r.begin(ctx); err != nil {
		return err
	}
	now, _, err := r.look(ctx)
	if err != nil {
		return err
	}
	p.open = p.latecomers(before, now)
	if p.resumed && p.late != nil && now.heap {
		if err := r.copy(ctx, -1, p.copyLate(now)); err != nil {
			return err
		}
	}
	return r.fromKey(ctx)
}

// fromKey reads rows without a key the first time, then the others in the
// order of their keys, from the bookmark on.
func (r *reader) fromKey(ctx context.Context) error {
	p := r.p
	if !p.resumed && !p.key.notNull && !p.window.set() {
		if err := r.copy(ctx, -1, p.copyNulls()); err != nil {
			return err
		}
	}
	if p.limit > 0 && r.rows >= p.limit {
		return nil
	}
	return r.last(ctx, p.keyAt, p.copyFrom(max(p.limit-r.rows, 0)))
}
