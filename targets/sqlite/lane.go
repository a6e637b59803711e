package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"elt/internal/sqltarget"
	"elt/targets"
)

// lane is one transaction after another.
type lane struct {
	sink *sink
	*session
	begun   bool
	rejects bool // their table is there
	loaders []*loader
	broken  error // after an error nothing goes on
}

// begin takes the write lock and looks whether the fence is still at our
// epoch: with the lock held, nobody can claim before we end (invariant 3).
func (l *lane) begin(ctx context.Context) error {
	if l.broken != nil || l.begun {
		return l.broken
	}
	if err := l.exec(ctx, "begin immediate"); err != nil {
		return l.fail(err)
	}
	l.begun = true
	if l.sink.stateID == "" {
		return nil
	}
	rows, err := l.query(ctx, state().Guard(""), l.sink.stateID, l.sink.epoch)
	if err == nil && len(rows) == 0 {
		err = targets.ErrFenced
	}
	if err != nil {
		return l.fail(err)
	}
	return nil
}

// fail undoes the transaction and remembers the first error: batches that
// were consumed with it are lost.
func (l *lane) fail(err error) error {
	if l.broken == nil {
		l.broken = explain(l.path, err)
		l.undo()
	}
	return l.broken
}

func (l *lane) undo() {
	for _, ld := range l.loaders {
		ld.closeStatements()
	}
	if l.begun {
		l.exec(context.Background(), "rollback")
		l.begun = false
	}
}

// Commit publishes what is complete, writes the positions and commits it all
// at once (invariants 1 and 3).
func (l *lane) Commit(ctx context.Context, c targets.Commit) error {
	if l.broken != nil {
		return l.broken
	}
	if !l.begun && (len(c.Whole) == 0 && len(c.Streams) == 0 || l.sink.stateID == "" && !l.unpublished()) {
		return nil
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	for _, ld := range l.loaders {
		if err := ld.beforeCommit(ctx, len(c.Whole) > 0 || len(c.Streams[ld.schema.Stream]) > 0); err != nil {
			return l.fail(fmt.Errorf("stream %q: %w", ld.schema.Stream, err))
		}
	}
	if err := l.mark(ctx, c); err != nil {
		return l.fail(fmt.Errorf("write the position: %w", err))
	}
	if err := l.exec(ctx, "commit"); err != nil {
		return l.fail(err)
	}
	l.begun = false
	l.loaders = slices.DeleteFunc(l.loaders, func(ld *loader) bool {
		if ld.ended { // an open statement would keep the file, and its -wal beside it, open
			ld.closeStatements()
		}
		return ld.ended
	})
	return nil
}

// unpublished says that some table of the lane is not published: a position
// that covers its rows may have to do that.
func (l *lane) unpublished() bool {
	return slices.ContainsFunc(l.loaders, func(ld *loader) bool { return ld.aside })
}

// mark writes the positions and counts the commit.
func (l *lane) mark(ctx context.Context, c targets.Commit) error {
	s, q := l.sink, state()
	if s.stateID == "" {
		return nil
	}
	if len(c.Whole) > 0 {
		if err := l.exec(ctx, q.ClearStreams(), s.stateID); err != nil {
			return err
		}
		if err := l.exec(ctx, q.Put(), s.stateID, sqltarget.WholePart, "", string(c.Whole), s.epoch); err != nil {
			return err
		}
	}
	for stream, position := range c.Streams {
		if err := l.exec(ctx, q.Put(), s.stateID, sqltarget.StreamPart, stream, string(position), s.epoch); err != nil {
			return err
		}
	}
	s.seq++
	return l.exec(ctx, q.Claim(), s.stateID, s.epoch, s.edit, s.seq)
}

// Reject keeps a record that could not be loaded.
func (l *lane) Reject(ctx context.Context, r targets.Reject) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	rejects := sqltarget.Rejects{Table: sqltarget.Quote(sqltarget.RejectsTable)}
	var err error
	if !l.rejects {
		err = l.exec(ctx, rejects.Create())
		l.rejects = true
	}
	if err == nil {
		err = l.exec(ctx, rejects.Put(), l.sink.stateID, r.Stream, r.Reason, string(r.Record))
	}
	if err != nil {
		return l.fail(fmt.Errorf("keep a rejected record of stream %q: %w", r.Stream, err))
	}
	return nil
}

func (l *lane) Close() error {
	l.undo()
	l.sink.lane = nil
	if l.broken == nil {
		l.broken = errors.New("the lane is closed")
	}
	return nil
}
