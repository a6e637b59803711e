package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// tap is tap-mysql.
type tap struct{}

// New makes the tap.
func New() taps.Tap { return tap{} }

// Discover lists the tables and views that the user may read.
func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	set, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	s, err := set.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	relations, err := s.discover(ctx, set, set.DBs)
	if err != nil {
		return nil, err
	}
	return catalog(relations, set)
}

// Sync reads the selected streams, each over a connection and in a snapshot
// of its own, as many at a time as the output takes.
func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	set, err := decode(cfg)
	if err != nil {
		return err
	}
	set.probing = taps.Probing(out)
	plans, failed, err := plansFor(ctx, set, catalog, bookmarks)
	if err != nil {
		return err
	}
	if len(failed) > 0 && set.OnError == "stop" {
		return errors.Join(failed...)
	}
	pool := row.NewPool(batchBytes + batchBytes/8)
	err = taps.Each(ctx, out.Parallel(), set.OnError == "stop", plans, func(p *plan) string { return p.id },
		func(ctx context.Context, p *plan) error { return read(ctx, set, p, out, pool) })
	return errors.Join(append(failed, err)...)
}

func read(ctx context.Context, set settings, p *plan, out taps.Output, pool *row.Pool) error {
	s, err := set.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	r := &reader{ctx: ctx, plan: p, pool: pool, out: out}
	for _, a := range p.taken {
		r.fields = append(r.fields, field{attribute: a, now: a.Column, isKey: slices.Contains(p.keys, a.Name)})
	}
	r.schema = p.announced(r.fields)
	if r.stream, err = out.Stream(ctx, r.schema); err != nil {
		return err
	}
	defer func() { r.stream.Close() }() // the stream of then
	if p.method != singer.LogBased || p.snapshot {
		err = r.read(s)
	}
	if err == nil && p.method == singer.LogBased {
		if err = s.exec(ctx, "commit"); err == nil {
			err = r.follow(ctx, set, s)
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	if p.anew {
		if err := r.stream.Activate(p.version); err != nil {
			return err
		}
	}
	return r.stream.End()
}

// plansFor makes the plans of all streams to be read. A mistake in the user's
// settings is an error; a table that is gone fails its stream only.
func plansFor(ctx context.Context, set settings, catalog *singer.Catalog, bookmarks singer.Bookmarks) (plans []*plan, failed []error, err error) {
	s, err := set.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	dbs := set.DBs
	if catalog != nil {
		dbs, set.Tables = nil, nil
		for _, cs := range catalog.Selected() {
			if db := databaseOf(cs); db == "" {
				dbs = nil
				break
			} else if !slices.Contains(dbs, db) {
				dbs = append(dbs, db)
			}
		}
	}
	var src *source
	if set.logBased(catalog) { // asked before the tables: changes up to there have a shape no newer than theirs
		if src, err = s.source(ctx, set); err != nil {
			return nil, nil, err
		}
	}
	relations, err := s.discover(ctx, set, dbs)
	if err != nil {
		return nil, nil, err
	}
	add := func(rel *relation, sel selection) error {
		p, err := newPlan(rel, sel, set, bookmarks.Stream(sel.id))
		if err != nil {
			return fmt.Errorf("stream %q: %w", sel.id, err)
		}
		if p.method == singer.LogBased {
			if err := src.writes(rel); err != nil {
				failed = append(failed, fmt.Errorf("stream %q: %w", sel.id, err))
				return nil
			}
		}
		p.source, p.number = src, len(plans)
		plans = append(plans, p)
		return nil
	}
	if catalog == nil {
		for _, rel := range relations {
			if err := add(rel, selection{id: rel.id(), name: rel.id(), keys: rel.key}); err != nil {
				return nil, nil, err
			}
		}
		return plans, nil, nil
	}
	for _, cs := range catalog.Selected() {
		rel := find(relations, cs)
		if rel == nil {
			failed = append(failed, fault.New(fault.Failed, "stream %q: there is no such table or view, or the user %q may not read it", cs.ID(), set.User).WithKind(fault.KindPath).
				WithHint("grant select on it, run discovery again, or deselect the stream"))
			continue
		}
		if err := add(rel, selectionOf(cs, set)); err != nil {
			return nil, nil, err
		}
	}
	return plans, failed, nil
}

func selectionOf(cs *singer.CatalogStream, set settings) selection {
	sel := selection{id: cs.ID(), name: cs.Name(), keys: cs.Keys()}
	if set.Dialect == transferwise {
		sel.name = cs.ID()
	}
	sel.method, sel.key = cs.Replication()
	if len(cs.Properties()) > 0 {
		sel.columns = append([]string{}, cs.SelectedProperties()...)
	}
	return sel
}

// Check implements taps.Checker.
func (tap) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	set, err := decode(cfg)
	if err != nil {
		report.Add("settings", "", err)
		return
	}
	set.Retry = 0 // one attempt
	report.Do(ctx, "login", func(ctx context.Context) (string, error) {
		s, err := set.connect(ctx)
		if err != nil {
			return "", err
		}
		defer s.close()
		version, err := s.query(ctx, "select version()")
		if err != nil {
			return "", err
		}
		return version[0][0], nil
	})
}
