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
	admin   *pgconn.PgConn    // nil: a lane has it
	seqs    []int64           // per lane slot: commits so far in this epoch
	free    []int             // lane slots not in use
	streams map[string]string // table -> the stream that has it
	asides  map[string]bool   // unpublished tables that this run filled
	places  map[string]*place // schemas that are there
	granted map[string]bool   // those whose grantees have been told

	rejecting bool // there is a table of rejected records
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
	ask := []statement{
		stmt("begin"), stmt(state.NewFence(), stateID), stmt(state.Fence(" for update"), stateID),
		stmt(state.Positions(), stateID), stmt(listing, s.set.home()),
	}
	have, err := c.batch(ctx, ask...)
	if absent(err) { // the first claim of all
		if err = c.exec(ctx, "rollback"); err == nil {
			err = s.ensure(ctx, c, s.set.home(), sqltarget.StateTable, state.Create())
		}
		if err == nil {
			have, err = c.batch(ctx, ask...)
		}
	}
	if err != nil {
		return err
	}
	found := targets.Fence{Found: have[1].touched == 0}
	row := have[2].rows[0]
	for i, into := range []*int64{&found.Epoch, &found.Edit, &found.Seq} {
		*into, _ = strconv.ParseInt(row[i], 10, 64)
	}
	if row[3] != "1" {
		return fault.New(fault.StoreSchema, "%s was written by a newer elt (format %s)", state.Table, row[3]).WithHint("use that elt, or a newer one")
	}
	if found.Bookmarks, err = bookmarks(have[3].rows); err != nil {
		return err
	}
	s.places[s.set.home()] = newPlace(have[4].rows)
	want, err := decide(found)
	if err != nil {
		return err
	}
	var settle []statement
	if string(want.Bookmarks.Raw()) != string(found.Bookmarks.Raw()) {
		settle = append(settle, stmt(state.Clear(), stateID))
		s.moved = true
		if raw := want.Bookmarks.Raw(); raw != nil {
			settle = append(settle, stmt(state.Put(), stateID, sqltarget.WholePart, "", string(raw), num(want.Epoch)))
		}
	}
	settle = append(settle, stmt(state.Claim(), stateID, num(want.Epoch), num(want.Edit), num(want.Seq)))
	for lane := range s.lanes { // the rows must be there to be read back after a lost reply
		settle = append(settle, stmt(state.Lane(), stateID, num(int64(lane)), num(want.Epoch), "0"))
	}
	if _, err := c.batch(ctx, append(settle, stmt("commit"))...); err != nil {
		return err
	}
	s.stateID, s.epoch, s.edit = stateID, want.Epoch, want.Edit
	return nil
}

// absent: a schema or a table is not there.
func absent(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000")
}

// bookmarks puts a state id's positions together.
func bookmarks(rows [][]string) (singer.Bookmarks, error) {
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
	if s.rejecting {
		return nil
	}
	c, err := s.spare(ctx)
	if err == nil {
		err = s.ensure(ctx, c, s.set.home(), sqltarget.RejectsTable, r.Create())
	}
	s.rejecting = err == nil
	return err
}

// spare is a connection outside of all lanes' transactions.
func (s *sink) spare(ctx context.Context) (session, error) {
	if s.admin == nil {
		var err error
		if s.admin, err = s.dial(ctx); err != nil {
			return session{}, err
		}
	}
	return session{s.admin}, nil
}

// Lane opens a lane; the first has the connection that claimed.
func (s *sink) Lane(ctx context.Context) (targets.Lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return nil, fmt.Errorf("more than %d lanes", s.lanes)
	}
	c, err := s.spare(ctx)
	if err != nil {
		return nil, err
	}
	s.admin = nil
	slot := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return &lane{sink: s, session: c, slot: slot}, nil
}

func (s *sink) Finish(ctx context.Context) error { return nil }

func (s *sink) Abort() error {
	ctx, cancel := shortly()
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admin == nil {
		return nil
	}
	err := s.admin.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the server is gone; nothing of ours is open there
	}
	return err
}
