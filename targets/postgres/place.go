package postgres

import (
	"context"

	"elt/internal/sqltarget"
)

// place is a schema: what it had when it was first asked for, and what this
// run has made there since. What others make later shows when it is in the way.
type place struct {
	names map[string]bool
	all   bool // names are all there were
}

// manyNames is how many relations of a schema are remembered.
const manyNames = 5000

// listing asks for a schema's relations: (schema) -> name.
const listing = "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 limit 5001"

func newPlace(rows [][]string) *place {
	p := &place{names: make(map[string]bool, len(rows)), all: len(rows) <= manyNames}
	for _, r := range rows {
		p.names[r[0]] = true
	}
	return p
}

// schema makes sure of a schema, once the first stream goes there. c is used
// unless it is in a transaction.
func (s *sink) schema(ctx context.Context, c session, name string, grantees []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.granted[name] {
		return nil
	}
	if c.conn.TxStatus() != 'I' {
		var err error
		if c, err = s.spare(ctx); err != nil {
			return err
		}
	}
	if s.places[name] == nil {
		if err := s.ensure(ctx, c, name, "", ""); err != nil {
			return err
		}
		rows, err := c.query(ctx, listing, name)
		if err != nil {
			return err
		}
		s.places[name] = newPlace(rows)
	}
	for _, g := range grantees {
		if err := c.exec(ctx, "grant usage on schema "+sqltarget.Quote(name)+" to "+sqltarget.Quote(g)); err != nil {
			return err
		}
	}
	s.granted[name] = true
	return nil
}

// there says whether a schema may have a relation of that name.
func (s *sink) there(schema, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[schema]
	return p == nil || !p.all || p.names[name]
}

// made takes note of a relation that this run has made.
func (s *sink) made(schema, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[schema]; p != nil {
		p.names[name] = true
	}
}
