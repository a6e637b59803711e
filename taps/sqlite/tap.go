package sqlite

import (
	"context"
	"errors"
	"fmt"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// tap is tap-sqlite.
type tap struct{}

// New makes the tap.
func New() taps.Tap { return tap{} }

// Discover lists the tables and views of all files.
func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	set, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, set)
	if err != nil {
		return nil, err
	}
	defer s.close()
	relations, err := s.discover(ctx, set)
	if err != nil {
		return nil, err
	}
	return catalog(relations)
}

// Sync reads the selected streams one after the other, in one transaction.
func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	set, err := decode(cfg)
	if err != nil {
		return err
	}
	s, err := open(ctx, set)
	if err != nil {
		return err
	}
	defer s.close()
	plans, failed, err := s.plans(ctx, set, catalog, bookmarks)
	if err != nil {
		return err
	}
	if len(failed) > 0 && set.OnError == "stop" {
		return errors.Join(failed...)
	}
	pool := row.NewPool(batchBytes + batchBytes/8)
	err = taps.Each(ctx, 1, set.OnError == "stop", plans, func(p *plan) string { return p.id },
		func(ctx context.Context, p *plan) error { return s.sync(ctx, p, out, pool) })
	return errors.Join(append(failed, err)...)
}

// plans makes the plans of all streams to be read. A mistake in the user's
// settings is an error; a table that is gone fails its stream only.
func (s *session) plans(ctx context.Context, set settings, catalog *singer.Catalog, bookmarks singer.Bookmarks) (plans []*plan, failed []error, err error) {
	if catalog != nil {
		set.Tables = nil
	}
	relations, err := s.discover(ctx, set)
	if err != nil {
		return nil, nil, err
	}
	versions := map[string]int64{}
	add := func(rel *relation, sel selection) error {
		if _, ok := versions[rel.schema]; !ok {
			rows, err := s.query(ctx, "pragma "+quote(rel.schema)+".schema_version")
			if err != nil {
				return err
			}
			versions[rel.schema], _ = rows[0][0].(int64)
		}
		p, err := newPlan(rel, sel, set, versions[rel.schema], bookmarks.Stream(sel.id))
		if err == nil {
			err = s.numberless(ctx, p)
		}
		if err != nil {
			return fmt.Errorf("stream %q: %w", sel.id, err)
		}
		plans = append(plans, p)
		return nil
	}
	streams := named(relations)
	if catalog == nil {
		for _, st := range streams {
			if err := add(st.rel, selection{id: st.id, name: st.id, keys: st.rel.key}); err != nil {
				return nil, nil, err
			}
		}
		return plans, nil, nil
	}
	for _, cs := range catalog.Selected() {
		rel := find(streams, cs)
		if rel == nil {
			failed = append(failed, fault.New(fault.Failed, "stream %q: there is no such table or view in %s", cs.ID(), s.path).WithKind(fault.KindPath).
				WithHint("run discovery again, or deselect the stream"))
			continue
		}
		sel := selection{id: cs.ID(), name: cs.Name(), keys: cs.Keys()}
		sel.method, sel.key = cs.Replication()
		if len(cs.Properties()) > 0 {
			sel.columns = append([]string{}, cs.SelectedProperties()...)
		}
		if err := add(rel, sel); err != nil {
			return nil, nil, err
		}
	}
	return plans, failed, nil
}

// numberless refuses to window a key that holds numbers: nobody says whether
// they count seconds, milliseconds or days.
func (s *session) numberless(ctx context.Context, p *plan) error {
	if !p.window.set {
		return nil
	}
	found, err := s.query(ctx, fmt.Sprintf("select 1 from %s where %s < '' limit 1", p.rel.table(), quote(p.key)))
	if err != nil || len(found) == 0 {
		return err
	}
	return fault.New(fault.BadConfig, "start_date and end_date cannot window it: its replication key %q holds numbers", p.key).
		WithHint("deselect the stream, or choose another replication-key")
}

// ahead is how many pieces wait for the reader of the output.
const ahead = 2

// sync reads one stream: a goroutine asks SQLite, the caller hands on, so that
// both work at the same time.
func (s *session) sync(ctx context.Context, p *plan, out taps.Output, pool *row.Pool) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	pieces := make(chan piece, ahead)
	r := newReader(reading, p, pool, pieces)
	stream, err := out.Stream(ctx, r.schema)
	if err != nil {
		return err
	}
	defer stream.Close()
	var end taps.Position
	var failed error
	go func() {
		defer close(pieces)
		end, failed = r.read(s)
	}()
	for next := range pieces {
		if err != nil {
			if next.batch != nil {
				next.batch.Release()
			}
			continue
		}
		if err = deliver(stream, next); err != nil {
			stop()
		}
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed != nil:
		return failed
	}
	if err := stream.Position(end); err != nil {
		return err
	}
	return stream.End()
}

func deliver(stream taps.Stream, next piece) error {
	if next.schema != nil {
		return stream.Schema(next.schema)
	}
	if next.batch != nil {
		if err := stream.Write(next.batch); err != nil {
			return err
		}
	}
	if next.position != nil {
		return stream.Position(*next.position)
	}
	return nil
}
