package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/sqltarget"
	"elt/targets"
)

// sink is one run's database.
type sink struct {
	set     settings
	lanes   int
	started int64 // µs since 2000

	stateID string // "": not claimed
	epoch   int64
	edit    int64
	moved   bool // the bookmark is another than the one the destination had

	report func(targets.Change)

	mu      sync.Mutex
	admin   *pgconn.PgConn
	seqs    []int64           // per lane slot: commits so far in this epoch
	free    []int             // lane slots not in use
	streams map[string]string // table -> the stream that has it
	asides  map[string]bool   // unpublished tables that this run filled
}

func (s *sink) OnChange(report func(targets.Change)) { s.report = report }

func (s *sink) changed(c targets.Change) {
	if s.report != nil {
		s.report(c)
	}
}

func (s *sink) state() sqltarget.State {
	return sqltarget.State{Table: sqltarget.Qualify(s.set.home(), sqltarget.StateTable)}
}

func (s *sink) Lanes() int { return s.lanes }

// Claim locks the fence row, which waits for every transaction that a dead
// run left open: all of them hold it FOR SHARE (invariant 3).
func (s *sink) Claim(ctx context.Context, stateID string, decide func(targets.Fence) (targets.Fence, error)) error {
	if err := s.claim(ctx, stateID, decide); err != nil {
		s.admin.Exec(context.WithoutCancel(ctx), "rollback").Close()
		return fmt.Errorf("claim state %q: %w", stateID, err)
	}
	return nil
}

func (s *sink) claim(ctx context.Context, stateID string, decide func(targets.Fence) (targets.Fence, error)) error {
	state, c := s.state(), session{s.admin}
	if err := s.ensure(ctx, c, s.set.home(), sqltarget.StateTable, state.Create()); err != nil {
		return err
	}
	if err := c.exec(ctx, "begin"); err != nil {
		return err
	}
	fresh, err := c.affected(ctx, state.NewFence(), stateID)
	if err != nil {
		return err
	}
	rows, err := c.query(ctx, state.Fence(" for update"), stateID)
	if err != nil {
		return err
	}
	found := targets.Fence{Found: fresh == 0}
	for i, into := range []*int64{&found.Epoch, &found.Edit, &found.Seq} {
		*into, _ = strconv.ParseInt(rows[0][i], 10, 64)
	}
	if rows[0][3] != "1" {
		return fault.New(fault.StoreSchema, "%s was written by a newer elt (format %s)", state.Table, rows[0][3]).WithHint("use that elt, or a newer one")
	}
	if found.Bookmarks, err = s.bookmarks(ctx, c, stateID); err != nil {
		return err
	}
	want, err := decide(found)
	if err != nil {
		return err
	}
	if string(want.Bookmarks.Raw()) != string(found.Bookmarks.Raw()) {
		if _, err := c.query(ctx, state.Clear(), stateID); err != nil {
			return err
		}
		s.moved = true
		if raw := want.Bookmarks.Raw(); raw != nil {
			if _, err := c.query(ctx, state.Put(), stateID, sqltarget.WholePart, "", string(raw), num(want.Epoch)); err != nil {
				return err
			}
		}
	}
	if _, err := c.query(ctx, state.Claim(), stateID, num(want.Epoch), num(want.Edit), num(want.Seq)); err != nil {
		return err
	}
	for lane := range s.lanes { // the rows must be there to be read back after a lost reply
		if _, err := c.query(ctx, state.Lane(), stateID, num(int64(lane)), num(want.Epoch), "0"); err != nil {
			return err
		}
	}
	if err := c.exec(ctx, "commit"); err != nil {
		return err
	}
	s.stateID, s.epoch, s.edit = stateID, want.Epoch, want.Edit
	return nil
}

// bookmarks puts a state id's positions together.
func (s *sink) bookmarks(ctx context.Context, c session, stateID string) (singer.Bookmarks, error) {
	rows, err := c.query(ctx, s.state().Positions(), stateID)
	if err != nil {
		return singer.Bookmarks{}, err
	}
	var whole singer.Bookmarks
	streams := map[string]json.RawMessage{}
	for _, r := range rows {
		part, stream, position := r[0], r[1], json.RawMessage(r[2])
		if part == sqltarget.WholePart {
			whole = singer.NewBookmarks(position)
		} else {
			streams[stream] = position
		}
	}
	return whole.With(streams)
}

// ensure makes a schema and a table where they are missing. It asks first:
// a user who may not create schemas can still use those there are.
func (s *sink) ensure(ctx context.Context, c session, schema, table, create string) error {
	rows, err := c.query(ctx, "select to_regnamespace($1) is not null, to_regclass($2) is not null", sqltarget.Quote(schema), sqltarget.Qualify(schema, table))
	if err != nil {
		return err
	}
	missing := "begin; select pg_advisory_xact_lock(7020387261);" // two runs may start at once
	if rows[0][0] == "f" {
		missing += "create schema if not exists " + sqltarget.Quote(schema) + ";"
	}
	if create != "" && rows[0][1] == "f" {
		missing += create + ";"
	}
	if rows[0][0] == "t" && (create == "" || rows[0][1] == "t") {
		return nil
	}
	if err := c.exec(ctx, missing+"commit"); err != nil {
		c.exec(context.WithoutCancel(ctx), "rollback")
		if table == "" || rows[0][0] == "f" {
			return fmt.Errorf("create schema %q: %w", schema, plain(err))
		}
		return fmt.Errorf("create table %s: %w", sqltarget.Qualify(schema, table), plain(err))
	}
	return nil
}

// rejects makes sure of the table of rejected records.
func (s *sink) rejects(ctx context.Context, r sqltarget.Rejects) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ensure(ctx, session{s.admin}, s.set.home(), sqltarget.RejectsTable, r.Create())
}

// schema makes sure of a schema, once the first stream goes there.
func (s *sink) schema(ctx context.Context, name string, grantees []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := session{s.admin}
	if err := s.ensure(ctx, c, name, "", ""); err != nil {
		return err
	}
	for _, g := range grantees {
		if err := c.exec(ctx, "grant usage on schema "+sqltarget.Quote(name)+" to "+sqltarget.Quote(g)); err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) Lane(ctx context.Context) (targets.Lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return nil, fmt.Errorf("more than %d lanes", s.lanes)
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	slot := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return &lane{sink: s, session: session{conn}, slot: slot}, nil
}

func (s *sink) Finish(ctx context.Context) error { return nil }

func (s *sink) Abort() error {
	ctx, cancel := shortly()
	defer cancel()
	err := s.admin.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the server is gone; nothing of ours is open there
	}
	return err
}
