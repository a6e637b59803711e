package snowflake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/sqltarget"
	"elt/targets"
)

// statement is one that changes rows.
type statement struct {
	sql  string
	args []any
}

// prepare makes the stream's table fit, copies the files into temporary
// tables, and returns the statements that bring the rows in. What it does by
// itself commits itself, and only adds: nothing is lost or seen by a crash.
func (ld *loader) prepare(ctx context.Context) ([]statement, error) {
	var out []statement
	for _, p := range ld.parts {
		if p.count == 0 {
			continue
		}
		if err := ld.fit(ctx, p.encoder); err != nil {
			return nil, err
		}
		load, err := ld.copy(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, sql := range p.bring(ld.at, load, p.segment, ld.sink.set.HardDelete) {
			out = append(out, statement{sql: sql})
		}
	}
	if len(out) == 0 && (ld.ended || ld.version != 0) { // a stream without rows has its table, too
		e, err := ld.empty()
		if err != nil {
			return nil, err
		}
		if err := ld.fit(ctx, e); err != nil {
			return nil, err
		}
	}
	if ld.version != 0 {
		out = append(out, ld.activation()...)
	}
	return out, nil
}

// empty is an encoder that no row has gone through.
func (ld *loader) empty() (*encoder, error) {
	l, err := ld.sink.plan(ld.schema, ld.at, ld.wants)
	if err != nil {
		return nil, err
	}
	return newEncoder(l)
}

// fit makes or changes the table for rows of an encoder, whose layout then
// says into which columns they go.
func (ld *loader) fit(ctx context.Context, e *encoder) error {
	s, c := ld.sink, ld.lane.session
	if ld.at == nil {
		if err := s.ensureSchema(ctx, c, ld.final.Schema, ld.grants); err != nil {
			return err
		}
	}
	if err := ld.hide(ctx); err != nil {
		return err
	}
	fit, err := s.fit(e.layout, ld.at, e.seen)
	if err != nil {
		return err
	}
	for i, k := range e.schema.KeyIndexes() {
		if e.keyed && fit.Into[k].Name != e.idents[k] {
			return fault.New(fault.BadInput, "key property %q is %s now, which its column cannot become", e.schema.Key[i], fit.Into[k].Type).
				WithHint("Snowflake cannot change the type: rename or drop %s and load again with --full-refresh", ld.final.Ref())
		}
	}
	e.into = fit.Into
	if ld.at != nil {
		return s.evolve(ctx, c, ld.at, ld.schema.Stream, fit.Changes)
	}
	t := &table{Table: sqltarget.Table{Schema: ld.final.Schema, Name: ld.final.Name}}
	if ld.overwrites() {
		t.Name = ld.hidden()
	}
	for _, change := range fit.Changes {
		t.Columns = append(t.Columns, change.Column)
	}
	if err := s.create(ctx, c, t, ld.schema.Stream, ld.grants); err != nil {
		return err
	}
	ld.at = t
	if !ld.overwrites() {
		s.changed(targets.Change{Stream: ld.schema.Stream, Kind: "create", Detail: t.Ref()})
	}
	return nil
}

// copy brings a part's files into a temporary table and makes sure that every
// row arrived.
func (ld *loader) copy(ctx context.Context, p *part) (load string, err error) {
	l := ld.lane
	l.loads++
	in := ld.final.Schema
	if l.sink.set.ConnectSchema != "" {
		in = "" // the session has a schema of its own
	}
	load = sqltarget.Qualify(in, "_ELT_LOAD_"+strconv.Itoa(l.loads)+"_"+l.sink.short)
	if _, err := l.exec(ctx, p.createLoad(load)); err != nil {
		return "", err
	}
	var loaded int64
	for _, sql := range copySQL(load, l.at, p.files, l.sink.set.Compression, l.sink.set.CleanUp) {
		rows, err := l.query(ctx, sql)
		if err != nil {
			return "", err
		}
		for _, r := range rows {
			n, _ := strconv.ParseInt(r["ROWS_LOADED"], 10, 64)
			loaded += n
		}
	}
	if len(p.buffer) > 0 {
		few, _ := insert(load, p.buffer)
		n, err := l.exec(ctx, few.sql, few.args...)
		if err != nil {
			return "", err
		}
		loaded += n
		p.buffer = nil
	}
	if loaded != p.count {
		return "", fmt.Errorf("of %[2]d rows %[1]d were loaded; nothing was committed", loaded, p.count)
	}
	return load, nil
}

// activation is the statement that buries older versions.
func (ld *loader) activation() []statement {
	n := ld.sink.set.naming()
	version, deleted := n.Ident(sqltarget.TableVersion), n.Ident(sqltarget.DeletedAt)
	hard := ld.sink.set.HardDelete
	if !ld.at.Has(version) || !hard && !ld.at.Has(deleted) {
		return nil
	}
	s := statement{sql: activate(ld.at, version, deleted, targets.VersionMillis(ld.version), hard)}
	if !hard {
		s.args = []any{stamp(micros())}
	}
	return []statement{s}
}

// transact commits changes together with the positions (invariant 3). The
// state's row is written last, so that it is held shortly; no row there as we
// know it means that another run has claimed the state id.
func (l *lane) transact(ctx context.Context, changes []statement, c targets.Commit) error {
	s := l.sink
	if len(changes) == 0 {
		return s.note(c)
	}
	if s.stateID == "" && len(changes) == 1 { // a transaction of its own
		_, err := l.exec(ctx, changes[0].sql, changes[0].args...)
		return err
	}
	if s.stateID != "" {
		if err := s.ensureTable(ctx, l.session, stateTable, s.state().create()); err != nil {
			return err
		}
	}
	if _, err := l.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	var w watch
	for _, change := range changes {
		err := w.gap()
		if err == nil {
			_, err = l.exec(ctx, change.sql, change.args...)
		}
		if err != nil {
			l.undo(ctx)
			return err
		}
		w.done()
	}
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := w.gap(); err != nil {
		l.undo(ctx)
		return err
	}
	if s.stateID == "" {
		_, err := l.exec(ctx, "COMMIT")
		return err
	}
	next, marks, err := l.writeState(ctx, c)
	if err == nil {
		err = w.gap()
	}
	if err != nil {
		l.undo(ctx)
		return err
	}
	if _, err := l.exec(ctx, "COMMIT"); err != nil {
		if err := l.lookBack(ctx, next, err); err != nil {
			return err
		}
	}
	s.known, s.ours, s.marks = next, true, marks
	return nil
}

// watch measures how long a transaction stands still. Snowflake aborts one
// that blocks another after five minutes without a statement, and what follows
// would then be committed without what went before.
type watch struct{ last time.Time }

const stillMost = 4 * time.Minute

func (w *watch) done() { w.last = time.Now().Round(0) } // a clock that goes on while the machine sleeps

func (w *watch) gap() error {
	if w.last.IsZero() {
		w.done()
		return nil
	}
	if still := time.Since(w.last); still > stillMost {
		return fmt.Errorf("the run stood still for %s within a transaction, which Snowflake may have aborted; nothing was committed", still.Round(time.Second))
	}
	w.done()
	return nil
}

// settle writes positions alone, after a table was swapped in.
func (l *lane) settle(ctx context.Context, c targets.Commit) error {
	s := l.sink
	if s.stateID == "" {
		return nil
	}
	s.commit.Lock()
	defer s.commit.Unlock()
	next, marks, err := l.writeState(ctx, c)
	if err != nil && !alive(err) && !errors.Is(err, targets.ErrFenced) {
		err = l.lookBack(ctx, next, err)
	}
	if err == nil {
		s.known, s.ours, s.marks = next, true, marks
	}
	return err
}

// note keeps positions that no rows come with.
func (s *sink) note(c targets.Commit) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	marks, err := with(s.marks, c)
	s.marks = marks
	return err
}

// writeState writes the state id's row in the transaction at hand.
func (l *lane) writeState(ctx context.Context, c targets.Commit) (next mark, marks singer.Bookmarks, err error) {
	s := l.sink
	if marks, err = with(s.marks, c); err != nil {
		return next, marks, err
	}
	next = mark{s.run, 1}
	if s.ours {
		next.seq = s.known.seq + 1
	}
	sql, args := s.state().write(s.stateID, s.known, stateRow{marks.Raw(), s.epoch, s.edit, next})
	n, err := l.exec(ctx, sql, args...)
	if err == nil && n != 1 {
		l.undo(ctx)
		err = s.moved(ctx, l.session)
	}
	return next, marks, err
}

// lookBack finds out whether a commit without a reply took place. The old
// session is ended, which rolls back what it left open; then the row is taken,
// which waits for a COMMIT still under way.
func (l *lane) lookBack(ctx context.Context, next mark, lost error) error {
	if alive(lost) {
		l.undo(ctx)
		return lost
	}
	ctx = context.WithoutCancel(ctx)
	_ = l.session.close()
	fresh, err := l.sink.dial(ctx)
	if err == nil {
		l.session, l.at, l.loads = fresh, "", 0
		sql, args := l.sink.state().touch(l.sink.stateID, next)
		var n int64
		if n, err = l.exec(ctx, sql, args...); err == nil && n == 1 {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("the connection broke during COMMIT, and whether it took place could not be found out: %w", errors.Join(lost, err))
	}
	return fmt.Errorf("the connection broke during COMMIT, which did not take place: %w", lost)
}

// stamp is an instant as a value of a statement, in UTC.
func stamp(micros int64) string {
	return string(row.AppendTimestampText(nil, micros, false))
}
