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
	saved   bool     // the savepoint directly is there
	stages  int      // stages made so far
	broken  error    // after an error nothing goes on
}

// begin opens the transaction. Its first statement takes the fence row at our
// epoch, and keeps it until the end: whoever claims next waits for us, and
// whoever claimed already stops us here (invariant 3). The next counts the
// commit to come, and so locks the row that tells whether it took place.
func (l *lane) begin(ctx context.Context) error {
	_, err := l.ask(ctx)
	return err
}

// ask is begin with questions that go along; it returns their answers.
func (l *lane) ask(ctx context.Context, questions ...statement) ([]answer, error) {
	answers, err := l.try(ctx, questions...)
	if err != nil {
		return nil, l.fail(err)
	}
	return answers, nil
}

// try is ask, but an error does not end the lane.
func (l *lane) try(ctx context.Context, questions ...statement) ([]answer, error) {
	if l.broken != nil {
		return nil, l.broken
	}
	list := questions
	fenced := !l.begun && l.sink.stateID != ""
	if !l.begun {
		list = []statement{stmt("begin")}
		if fenced {
			state, id, epoch := l.sink.state(), l.sink.stateID, num(l.sink.epoch)
			list = append(list, stmt(state.Guard(" for share"), id, epoch), stmt(state.Count(), id, num(int64(l.slot)), epoch, num(l.sink.seqs[l.slot]+1)))
		}
		list = append(list, questions...)
		l.begun = true
	}
	if len(list) == 0 {
		return nil, nil
	}
	answers, err := l.batch(ctx, list...)
	if fenced && len(answers) > 1 && len(answers[1].rows) == 0 {
		return nil, targets.ErrFenced
	}
	if err != nil {
		return nil, err
	}
	return answers[len(list)-len(questions):], nil
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
	if !l.begun && !l.waiting() && (!marks || l.sink.stateID == "" && !l.unpublished()) {
		return nil
	}
	if err := l.settle(ctx, c); err != nil {
		return l.fail(err)
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	if err := l.commit(ctx, c); err != nil {
		return l.fail(err)
	}
	l.begun, l.saved = false, false
	if l.sink.stateID != "" {
		l.sink.seqs[l.slot]++
	}
	for _, ld := range l.loaders {
		ld.committed()
	}
	l.loaders = slices.DeleteFunc(l.loaders, func(ld *loader) bool { return ld.ended })
	return nil
}

// waiting says that some table is still to be made.
func (l *lane) waiting() bool {
	return slices.ContainsFunc(l.loaders, func(ld *loader) bool { return ld.pending && (ld.ended || ld.held != nil) })
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

// commit writes the positions and commits, in one round trip. When the reply
// is lost it finds out what became of it.
func (l *lane) commit(ctx context.Context, c targets.Commit) error {
	list, xid := l.marks(c), ""
	if l.sink.stateID == "" { // nothing of ours to read back: ask for the transaction
		rows, err := l.query(ctx, "select txid_current()")
		if err != nil {
			return err
		}
		xid = rows[0][0]
	}
	answers, err := l.batch(ctx, append(list, stmt("commit"))...)
	if err == nil {
		return nil
	}
	if !l.conn.IsClosed() { // an answer, be it a refusal
		if len(answers) < len(list) {
			err = fmt.Errorf("write the position: %w", err)
		}
		return err
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

// marks are the statements that write the positions.
func (l *lane) marks(c targets.Commit) (list []statement) {
	s := l.sink
	if s.stateID == "" {
		return nil
	}
	state, epoch := s.state(), num(s.epoch)
	put := func(part, stream string, position []byte) {
		list = append(list, stmt(state.Put(), s.stateID, part, stream, string(position), epoch))
	}
	if len(c.Whole) > 0 {
		list = append(list, stmt(state.ClearStreams(), s.stateID))
		put(sqltarget.WholePart, "", c.Whole)
	}
	for stream, position := range c.Streams {
		put(sqltarget.StreamPart, stream, position)
	}
	return list
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
	for _, ld := range l.loaders {
		if ld.held != nil {
			ld.held.Release()
			ld.held = nil
		}
	}
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
