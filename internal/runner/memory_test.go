package runner

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"elt/internal/singer"
	"elt/state"
)

// memory is a state store in memory; away makes every call fail.
type memory struct {
	unused

	mu        sync.Mutex
	away      error
	bookmarks map[string]state.Bookmark
	leases    map[string]*held
	runs      map[string]state.Run
	settings  map[string]map[string]string
	streams   map[string]state.SchemaVersion // that the last run noted
	acks      []string
	edits     []string
}

// unused is what no run asks of a store.
type unused interface {
	state.Backfills
	state.Queue
	state.Tokens
	state.Audit
	state.Callbacks
	state.Incidents
	state.Daemons
	state.Logs
	Streams(context.Context, state.StreamsOf) ([]state.Stream, error)
	Schemas(context.Context, string, string, int) ([]state.SchemaVersion, error)
}

type held struct {
	epoch   int64
	holder  *state.Holder
	renewed time.Time
	ttl     time.Duration
}

func newMemory() *memory {
	return &memory{bookmarks: map[string]state.Bookmark{}, leases: map[string]*held{},
		runs: map[string]state.Run{}, settings: map[string]map[string]string{}}
}

func (m *memory) URI() string  { return "memory:" }
func (m *memory) Close() error { return nil }

func (m *memory) enter() (func(), error) {
	m.mu.Lock()
	return m.mu.Unlock, m.away
}

func (m *memory) setAway(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = err
}

func (m *memory) Bookmark(_ context.Context, id string) (state.Bookmark, error) {
	leave, err := m.enter()
	defer leave()
	b, ok := m.bookmarks[id]
	if err == nil && !ok {
		err = state.ErrNotFound
	}
	return b, err
}

func (m *memory) BookmarkIDs(context.Context, string) ([]string, error) {
	leave, err := m.enter()
	defer leave()
	return slices.Sorted(maps.Keys(m.bookmarks)), err
}

func (m *memory) Ack(_ context.Context, l state.Lease, value json.RawMessage, merge bool) error {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return err
	}
	if err := m.fence(l); err != nil {
		return err
	}
	b := m.bookmarks[l.StateID]
	b.StateID = l.StateID
	if merge {
		b.Partial, err = singer.Merge(b.Partial, value)
	} else {
		b.Completed, b.Partial = value, nil
	}
	m.bookmarks[l.StateID] = b
	m.acks = append(m.acks, string(value))
	return err
}

func (m *memory) EditBookmark(_ context.Context, id, op string, completed, partial json.RawMessage) error {
	leave, err := m.enter()
	defer leave()
	b := m.bookmarks[id]
	b.StateID, b.Completed, b.Partial, b.Edit = id, completed, partial, b.Edit+1
	m.bookmarks[id] = b
	m.edits = append(m.edits, op)
	return err
}

func (m *memory) DeleteBookmark(context.Context, string) error { return errors.New("not used here") }
func (m *memory) History(context.Context, string, int) ([]state.Revision, error) {
	return nil, errors.New("not used here")
}
func (m *memory) Revision(context.Context, string, int64) (state.Revision, error) {
	return state.Revision{}, errors.New("not used here")
}

func (m *memory) fence(l state.Lease) error {
	h := m.leases[l.StateID]
	if h == nil || h.holder == nil || h.holder.RunID != l.RunID || h.epoch != l.Epoch {
		return state.ErrFenced
	}
	return nil
}

func (m *memory) Acquire(_ context.Context, id string, h state.Holder, ttl time.Duration, takeFrom string) (state.Lease, error) {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return state.Lease{}, err
	}
	l := m.leases[id]
	if l == nil {
		l = &held{}
		m.leases[id] = l
	}
	if l.holder != nil && l.holder.RunID != h.RunID && takeFrom != state.AnyRun && takeFrom != l.holder.RunID {
		return state.Lease{}, &state.HeldError{StateID: id, Holder: *l.holder, Silent: time.Since(l.renewed), TTL: l.ttl}
	}
	l.epoch++
	l.holder, l.renewed, l.ttl = &h, time.Now(), ttl
	return state.Lease{StateID: id, RunID: h.RunID, Epoch: l.epoch, TTL: ttl}, nil
}

func (m *memory) Renew(_ context.Context, l state.Lease) error {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return err
	}
	if err := m.fence(l); err != nil {
		return err
	}
	m.leases[l.StateID].renewed = time.Now()
	return nil
}

func (m *memory) Adopt(_ context.Context, l state.Lease, epoch, edit int64) (state.Lease, error) {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return l, err
	}
	if err := m.fence(l); err != nil {
		return l, err
	}
	l.Epoch = max(l.Epoch, epoch)
	m.leases[l.StateID].epoch = l.Epoch
	b := m.bookmarks[l.StateID]
	b.StateID, b.Edit = l.StateID, max(b.Edit, edit)
	m.bookmarks[l.StateID] = b
	return l, nil
}

func (m *memory) Release(_ context.Context, l state.Lease) error {
	leave, err := m.enter()
	defer leave()
	if err == nil && m.fence(l) == nil {
		m.leases[l.StateID].holder = nil
	}
	return err
}

func (m *memory) StartRun(_ context.Context, r state.Run) error {
	leave, err := m.enter()
	defer leave()
	m.runs[r.ID] = r
	return err
}

func (m *memory) Beat(_ context.Context, id string, streams []state.StreamStats, detail json.RawMessage) error {
	leave, err := m.enter()
	defer leave()
	r := m.runs[id]
	r.Streams, r.Detail = streams, detail
	m.runs[id] = r
	return err
}

func (m *memory) FinishRun(_ context.Context, r state.Run) error {
	leave, err := m.enter()
	defer leave()
	m.runs[r.ID] = r
	return err
}

func (m *memory) Run(_ context.Context, id string) (state.Run, error) {
	leave, err := m.enter()
	defer leave()
	return m.runs[id], err
}

func (m *memory) Runs(context.Context, string, int) ([]state.Run, error) {
	return nil, errors.New("not used here")
}

func (m *memory) PruneRuns(context.Context, int, time.Duration) ([]string, error) { return nil, nil }

func (m *memory) Setting(_ context.Context, scope, name string) (string, bool, error) {
	leave, err := m.enter()
	defer leave()
	v, ok := m.settings[scope][name]
	return v, ok, err
}

func (m *memory) SettingsIn(_ context.Context, scope string) (map[string]string, error) {
	leave, err := m.enter()
	defer leave()
	return maps.Clone(m.settings[scope]), err
}

func (m *memory) PutSetting(_ context.Context, scope, name, value string) error {
	leave, err := m.enter()
	defer leave()
	if m.settings[scope] == nil {
		m.settings[scope] = map[string]string{}
	}
	m.settings[scope][name] = value
	return err
}

func (m *memory) DeleteSetting(_ context.Context, scope, name string) error {
	leave, err := m.enter()
	defer leave()
	delete(m.settings[scope], name)
	return err
}

func (m *memory) RunsOf(context.Context, ...string) ([]state.Run, error) {
	return nil, errors.New("not used here")
}

func (m *memory) BriefRunsOf(context.Context, ...string) ([]state.Run, error) {
	return nil, errors.New("not used here")
}

func (m *memory) LoneRuns(context.Context, state.Which) ([]state.Run, error) {
	return nil, errors.New("not used here")
}

func (m *memory) EditBookmarkAt(context.Context, string, string, json.RawMessage, json.RawMessage, int64) error {
	return errors.New("not used here")
}

func (m *memory) NoteStreams(_ context.Context, _ state.Run, schemas map[string]state.SchemaVersion) error {
	leave, err := m.enter()
	defer leave()
	m.streams = schemas
	return err
}
