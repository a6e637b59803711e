package mysql

import (
	"context"
	"errors"
	"fmt"

	"elt/internal/check"
	"elt/internal/singer"
	"elt/internal/spec"
)

// CheckStreams implements taps.StreamChecker: of LOG_BASED streams, whether
// the server keeps a binlog by rows that holds enough of each table, and
// whether the user may read it.
func (tap) CheckStreams(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, report *check.Report) {
	set, err := decode(cfg)
	if err != nil || !set.logBased(catalog) {
		return
	}
	set.Retry, set.ServerID = 0, 0 // one attempt; a replica of the settings' id may be at work
	report.Do(ctx, "replication", func(ctx context.Context) (string, error) {
		s, err := set.connect(ctx)
		if err != nil {
			return "", err
		}
		defer s.close()
		src, err := s.source(ctx, set)
		if err != nil {
			return "", err
		}
		failed := []error{set.mayFollow(ctx, src)}
		relations, err := s.discover(ctx, set, nil)
		if err != nil {
			return "", err
		}
		for _, cs := range catalog.Selected() {
			rel := find(relations, cs)
			if rel == nil {
				continue
			}
			p, err := newPlan(rel, selectionOf(cs, set), set, nil)
			if err == nil && p.method == singer.LogBased {
				err = src.writes(rel)
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("stream %q: %w", cs.ID(), err))
			}
		}
		return fmt.Sprintf("the binlog ends at %s:%d", src.end.File, src.end.Pos), errors.Join(failed...)
	})
}

// mayFollow becomes a replica, until the server has sent something.
func (s settings) mayFollow(ctx context.Context, src *source) error {
	d, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	p := &plan{rel: &relation{}, source: src, at: src.end}
	log, err := d.dump(ctx, p, s, false)
	if err != nil {
		return unreadable(err, p)
	}
	defer log.Close()
	if _, err := log.Next(); err != nil {
		return unreadable(err, p)
	}
	return nil
}
