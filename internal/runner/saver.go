package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/singer"
	"elt/state"
)

// saver stores acknowledged STATE values, under the run's lease (invariant 1).
// What arrives while a store transaction is under way replaces (or is merged
// into) what waits, so that a target is never held up by the store. The pipe
// has judged the values already (invariant 5).
type saver struct {
	store  state.Bookmarks
	keeper *keeper
	merge  bool // into the partial state instead of replacing the completed one
	drop   bool // --no-state-update
	log    zerolog.Logger
	stored func(json.RawMessage) // called after each value stored

	mu      sync.Mutex
	waiting json.RawMessage
	last    json.RawMessage // newest acknowledged value
	fenced  bool
	closing bool
	wake    chan struct{}
	done    chan struct{}
	cancel  context.CancelFunc
}

func newSaver(ctx context.Context, store state.Bookmarks, k *keeper, merge, drop bool, stored func(json.RawMessage), log zerolog.Logger) *saver {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &saver{store: store, keeper: k, merge: merge, drop: drop, log: log,
		wake: make(chan struct{}, 1), done: make(chan struct{}), cancel: cancel, stored: stored}
	go s.run(ctx)
	return s
}

// acked takes a STATE value that the target acknowledged. It does not block on
// the store.
func (s *saver) acked(value json.RawMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = slices.Clone(value)
	if s.drop || s.fenced {
		return nil
	}
	if s.merge && s.waiting != nil {
		merged, err := singer.Merge(s.waiting, s.last)
		if err != nil {
			return fmt.Errorf("merge acknowledged states: %w", err)
		}
		s.waiting = merged
	} else {
		s.waiting = s.last
	}
	s.awake()
	return nil
}

func (s *saver) run(ctx context.Context) {
	defer close(s.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for s.storeWaiting(ctx) {
		}
		s.mu.Lock()
		ended := s.closing && (s.waiting == nil || s.fenced)
		s.mu.Unlock()
		if ended {
			return
		}
	}
}

// storeWaiting stores what waits; true says that more came meanwhile or that
// it has to be tried again.
func (s *saver) storeWaiting(ctx context.Context) bool {
	s.mu.Lock()
	value := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if value == nil {
		return false
	}
	err := s.store.Ack(ctx, s.keeper.current(), value, s.merge)
	switch {
	case err == nil:
		s.stored(value)
	case errors.Is(err, state.ErrFenced):
		s.keeper.fenced()
		s.mu.Lock()
		s.fenced = true
		s.mu.Unlock()
		return false
	default:
		s.putBack(value)
		s.log.Debug().Err(err).Msg("the bookmark is not stored yet")
		if pause(ctx, time.Second) != nil {
			return false
		}
	}
	return true
}

// putBack restores a value that could not be stored, under those that came later.
func (s *saver) putBack(value json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.waiting == nil:
		s.waiting = value
	case s.merge:
		if merged, err := singer.Merge(value, s.waiting); err == nil {
			s.waiting = merged
		}
	}
}

// finish stores what waits, for at most patience, and ends. It reports the
// newest acknowledged value and whether all of it is stored.
func (s *saver) finish(patience time.Duration) (last json.RawMessage, stored bool) {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.awake()
	defer time.AfterFunc(patience, s.cancel).Stop()
	<-s.done
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.waiting == nil && !s.fenced
}

func (s *saver) awake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
