package runner

import (
	"context"
	"errors"
	"fmt"

	"elt/internal/fault"
	"elt/plugins"
	"elt/state"
)

// pinScope is where the store keeps what a state id's first run decided.
func pinScope(stateID string) string { return "pin:" + stateID }

// verdicts are the pins of the state id by plugin, and whether it has a
// bookmark that no pin explains: one that a foreign plugin left.
func (s *set) verdicts(ctx context.Context) (map[string]plugins.Pin, bool, error) {
	return verdicts(ctx, s.Store, s.regular())
}

func verdicts(ctx context.Context, store state.Store, stateID string) (map[string]plugins.Pin, bool, error) {
	texts, err := store.SettingsIn(ctx, pinScope(stateID))
	if err != nil {
		return nil, false, fault.Wrap(fault.StoreAway, err, "cannot read what the state id's first run decided")
	}
	pins := map[string]plugins.Pin{}
	for name, text := range texts {
		if pins[name], err = plugins.ParsePin(text); err != nil {
			return nil, false, fmt.Errorf("what the first run of %s decided about %s: %w", stateID, name, err)
		}
	}
	b, err := store.Bookmark(ctx, stateID)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return nil, false, fault.Wrap(fault.StoreAway, err, "cannot read the bookmark of %s", stateID)
	}
	return pins, len(pins) == 0 && (b.Completed != nil || b.Partial != nil), nil
}

// pin keeps the verdicts of a first run, before the first row moves: a later
// elt must not change who reads and writes the tables.
func (s *set) pin(ctx context.Context) error {
	for _, stage := range s.stages {
		if stage.Choice.Pinned || stage.Choice.Connector == "" {
			continue
		}
		err := s.Store.PutSetting(ctx, pinScope(s.regular()), stage.Plugin.Name, stage.Choice.Pin(s.Version).Text())
		if err != nil {
			return fault.Wrap(fault.StoreAway, err, "cannot keep which connector runs")
		}
		s.pinned = true
	}
	return nil
}

// unpin forgets the verdicts of a first run that moved nothing: a corrected
// project may decide again.
func (s *set) unpin(ctx context.Context) {
	if !s.pinned || s.counts.bookmark() != nil {
		return
	}
	for _, stream := range s.report.Streams {
		if stream.Rows > 0 {
			return
		}
	}
	after, cancel := s.afterwards(ctx)
	defer cancel()
	for _, stage := range s.stages {
		if !stage.Choice.Pinned {
			s.Store.DeleteSetting(after, pinScope(s.regular()), stage.Plugin.Name)
		}
	}
}
