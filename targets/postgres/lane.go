package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"elt/internal/sqltarget"
	"elt/targets"
)

// lane is one connection and one transaction after another on it.
type lane struct {
	sink *sink
	session
	slot    int // its row in _elt_state
	begun   bool
	loaders []*loader
	copying *copying // the open COPY, nil for none
	stages  int      // stages made so far
	broken  error    // after an error nothing goes on
}

// begin opens the transaction. Its first statement takes the fence row at our
// epoch, and keeps it until the end: whoever claims next waits for us, and
// whoever claimed already stops us here (invariant 3).
func (l *lane) begin(ctx context.Context) error {
	if l.broken != nil {
		return l.broken
	}
	if l.begun {
		return nil
	}
	if err := l.exec(ctx, "begin"); err != nil {
		return l.fail(err)
	}
	l.begun = true
	if l.sink.stateID == "" {
		return nil
	}
	rows, err := l.query(ctx, l.sink.state().Guard(" for share"), l.sink.stateID, num(l.sink.epoch))
	if err == nil && len(rows) == 0 {
		err = targets.ErrFenced
	}
	if err != nil {
		return l.fail(err)
	}
	return nil
}

// fail remembers the first error: the transaction is lost, and rows of
// batches that were consumed with it.
func (l *lane) fail(err error) error {
	if l.broken == nil {
		l.broken = err
	}
	return err
}

// Commit merges what is staged, publishes what is complete, writes the
// positions and commits it all at once (invariants 1 and 3).
func (l *lane) Commit(ctx context.Context, c targets.Commit) error {
	if l.broken != nil {
		return l.broken
	}
	marks := len(c.Whole) > 0 || len(c.Streams) > 0
	if !l.begun && (!marks || l.sink.stateID == "" && !l.unpublished()) {
		return nil
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	if err := l.settle(ctx, c); err != nil {
		return l.fail(err)
	}
	if err := l.mark(ctx, c); err != nil {
		return l.fail(fmt.Errorf("write the position: %w", err))
	}
	if err := l.commit(ctx); err != nil {
		return l.fail(err)
	}
	l.begun = false
	if l.sink.stateID != "" {
		l.sink.seqs[l.slot]++
	}
	for _, ld := range l.loaders {
		ld.committed()
	}
	l.loaders = slices.DeleteFunc(l.loaders, func(ld *loader) bool { return ld.ended })
	return nil
}

// unpublished says that some table of the lane is not published: a position
// that covers its rows may have to do that.
func (l *lane) unpublished() bool {
	return slices.ContainsFunc(l.loaders, func(ld *loader) bool { return ld.aside })
}

func (l *lane) settle(ctx context.Context, c targets.Commit) error {
	if err := l.finishCopy(ctx); err != nil {
		return err
	}
	for _, ld := range l.loaders {
		if err := ld.beforeCommit(ctx, len(c.Whole) > 0 || len(c.Streams[ld.schema.Stream]) > 0); err != nil {
			return err
		}
	}
	return nil
}

// mark writes the positions and counts the commit.
func (l *lane) mark(ctx context.Context, c targets.Commit) error {
	s := l.sink
	if s.stateID == "" {
		return nil
	}
	state, epoch := s.state(), num(s.epoch)
	put := func(part, stream string, position []byte) error {
		_, err := l.query(ctx, state.Put(), s.stateID, part, stream, string(position), epoch)
		return err
	}
	if len(c.Whole) > 0 {
		if _, err := l.query(ctx, state.ClearStreams(), s.stateID); err != nil {
			return err
		}
		if err := put(sqltarget.WholePart, "", c.Whole); err != nil {
			return err
		}
	}
	for stream, position := range c.Streams {
		if err := put(sqltarget.StreamPart, stream, position); err != nil {
			return err
		}
	}
	_, err := l.query(ctx, state.Lane(), s.stateID, num(int64(l.slot)), epoch, num(s.seqs[l.slot]+1))
	return err
}

// commit commits, and finds out what became of it when the reply is lost.
func (l *lane) commit(ctx context.Context) error {
	xid := ""
	if l.sink.stateID == "" { // nothing of ours to read back: ask for the transaction
		rows, err := l.query(ctx, "select txid_current()")
		if err != nil {
			return err
		}
		xid = rows[0][0]
	}
	rows, err := l.query(ctx, "commit")
	_ = rows
	if err == nil || !l.conn.IsClosed() {
		return err // an answer, be it a refusal
	}
	committed, ask := l.lookBack(ctx, xid)
	switch {
	case ask != nil:
		return fmt.Errorf("the connection broke during COMMIT, and whether it took place could not be found out: %w", errors.Join(err, ask))
	case !committed:
		return fmt.Errorf("the connection broke during COMMIT, which did not take place: %w", err)
	}
	return nil
}

// lookBack reconnects and reads whether the transaction whose COMMIT got no
// reply took place. The lane's row is locked first, so that a COMMIT still
// under way is waited for.
func (l *lane) lookBack(ctx context.Context, xid string) (bool, error) {
	conn, err := l.sink.dial(ctx)
	if err != nil {
		return false, err
	}
	l.session = session{conn}
	s := l.sink
	if s.stateID != "" {
		rows, err := l.query(ctx, s.state().LaneSeq(" for update"), s.stateID, num(int64(l.slot)), num(s.epoch))
		if err != nil {
			return false, err
		}
		return len(rows) == 1 && rows[0][0] == num(s.seqs[l.slot]+1), nil
	}
	for {
		rows, err := l.query(ctx, "select txid_status($1::bigint)", xid)
		if err != nil {
			return false, err
		}
		if rows[0][0] != "in progress" {
			return rows[0][0] == "committed", nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Reject keeps a record that could not be loaded.
func (l *lane) Reject(ctx context.Context, r targets.Reject) error {
	if err := l.finishCopy(ctx); err != nil {
		return l.fail(err)
	}
	rejects := sqltarget.Rejects{Table: sqltarget.Qualify(l.sink.set.home(), sqltarget.RejectsTable)}
	if err := l.sink.rejects(ctx, rejects); err != nil {
		return l.fail(err)
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	if _, err := l.query(ctx, rejects.Put(), l.sink.stateID, r.Stream, r.Reason, string(r.Record)); err != nil {
		return l.fail(fmt.Errorf("keep a rejected record of stream %q: %w", r.Stream, err))
	}
	return nil
}

func (l *lane) Close() error {
	if l.copying != nil { // or the server would take our farewell for a part of it
		l.conn.Frontend().Send(&pgproto3.CopyFail{Message: "the run was broken off"})
		l.conn.Frontend().Flush()
		l.copying.release()
		l.copying = nil
	}
	ctx, cancel := shortly()
	defer cancel()
	err := l.conn.Close(ctx) // an open transaction is undone
	l.sink.mu.Lock()
	l.sink.free = append(l.sink.free, l.slot)
	l.sink.mu.Unlock()
	if l.broken == nil {
		l.broken = errors.New("the lane is closed")
		return err
	}
	return nil
}
