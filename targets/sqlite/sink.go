package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/sqltarget"
	"elt/targets"
)

// sink is one run's database file.
type sink struct {
	set     settings
	db      *session
	started int64 // µs since 2000
	report  func(targets.Change)
	lane    *lane // the open one, nil for none

	stateID string // "": not claimed
	epoch   int64
	edit    int64
	seq     int64
	moved   bool // the bookmark is another than the one the file had

	asides map[string]bool // unpublished tables that this run filled
}

func state() sqltarget.State { return sqltarget.State{Table: sqltarget.Quote(sqltarget.StateTable)} }

func (s *sink) OnChange(report func(targets.Change)) { s.report = report }

func (s *sink) changed(c targets.Change) {
	if s.report != nil {
		s.report(c)
	}
}

// Lanes is 1: SQLite has one writer.
func (s *sink) Lanes() int { return 1 }

// Claim takes the write lock of the file, which waits for any transaction
// that a dead run left open, and with it the fence row (invariant 3).
func (s *sink) Claim(ctx context.Context, stateID string, decide func(targets.Fence) (targets.Fence, error)) error {
	err := s.db.exec(ctx, "begin immediate")
	if err == nil {
		if err = s.claim(ctx, stateID, decide); err != nil {
			s.db.exec(context.WithoutCancel(ctx), "rollback")
		}
	}
	if err != nil {
		return fmt.Errorf("claim state %q: %w", stateID, explain(s.set.Database, err))
	}
	return nil
}

func (s *sink) claim(ctx context.Context, stateID string, decide func(targets.Fence) (targets.Fence, error)) error {
	q := state()
	if err := s.db.exec(ctx, q.Create()); err != nil {
		return err
	}
	rows, err := s.db.query(ctx, q.Fence(""), stateID)
	if err != nil {
		return err
	}
	found := targets.Fence{Found: len(rows) > 0}
	if found.Found {
		found.Epoch, found.Edit, found.Seq = rows[0][0].(int64), rows[0][1].(int64), rows[0][2].(int64)
		if format := rows[0][3].(int64); format != 1 {
			return fault.New(fault.StoreSchema, "%s was written by a newer elt (format %d)", q.Table, format).WithHint("use that elt, or a newer one")
		}
	} else if err := s.db.exec(ctx, q.NewFence(), stateID); err != nil {
		return err
	}
	if found.Bookmarks, err = s.bookmarks(ctx, stateID); err != nil {
		return err
	}
	want, err := decide(found)
	if err != nil {
		return err
	}
	if string(want.Bookmarks.Raw()) != string(found.Bookmarks.Raw()) {
		s.moved = true
		if err := s.db.exec(ctx, q.Clear(), stateID); err != nil {
			return err
		}
		if raw := want.Bookmarks.Raw(); raw != nil {
			if err := s.db.exec(ctx, q.Put(), stateID, sqltarget.WholePart, "", string(raw), want.Epoch); err != nil {
				return err
			}
		}
	}
	if err := s.db.exec(ctx, q.Claim(), stateID, want.Epoch, want.Edit, want.Seq); err != nil {
		return err
	}
	if err := s.db.exec(ctx, "commit"); err != nil {
		return err
	}
	s.stateID, s.epoch, s.edit, s.seq = stateID, want.Epoch, want.Edit, want.Seq
	return nil
}

func (s *sink) bookmarks(ctx context.Context, stateID string) (singer.Bookmarks, error) {
	rows, err := s.db.query(ctx, state().Positions(), stateID)
	if err != nil {
		return singer.Bookmarks{}, err
	}
	var whole singer.Bookmarks
	streams := map[string]json.RawMessage{}
	for _, r := range rows {
		position := json.RawMessage(text(r[2]))
		if text(r[0]) == sqltarget.WholePart {
			whole = singer.NewBookmarks(position)
		} else {
			streams[text(r[1])] = position
		}
	}
	return whole.With(streams)
}

func (s *sink) Lane(context.Context) (targets.Lane, error) {
	if s.lane != nil {
		return nil, errors.New("a lane is open already, and SQLite has one writer")
	}
	s.lane = &lane{sink: s, session: s.db}
	return s.lane, nil
}

func (s *sink) Finish(context.Context) error { return nil }

func (s *sink) Abort() error {
	if s.db == nil {
		return nil
	}
	if s.lane != nil { // its statements would keep the file open
		s.lane.Close()
	}
	err := s.db.conn.Close()
	s.db = nil
	if err != nil {
		return fmt.Errorf("close %s: %w", s.set.Database, err)
	}
	return nil
}
