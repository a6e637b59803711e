// Package file keeps bookmarks as Meltano's file:// state backend does, one
// PREFIX/STATE_ID/state.json each, and everything else (leases, history,
// runs, settings) in another store. Meltano and people may read and write the
// same files: a file that neither we wrote nor the store below agrees with is
// a user's edit, and taken over as such.
package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
	"elt/state/sqlstore"
)

// Options are Meltano's settings of its state backends.
type Options struct {
	Dir         string        // the folder that file:// names
	LockTimeout time.Duration // state_backend.lock_timeout_seconds; 0 is 10 s
	LockRetry   time.Duration // state_backend.lock_retry_seconds; 0 is 1 s
}

// Store is another store with its bookmarks in files.
type Store struct {
	state.Store
	o Options
}

// Wrap keeps inner's bookmarks in files.
func Wrap(inner state.Store, o Options) *Store {
	if o.LockTimeout == 0 {
		o.LockTimeout = 10 * time.Second
	}
	if o.LockRetry == 0 {
		o.LockRetry = time.Second
	}
	return &Store{inner, o}
}

// URI names both places.
func (s *Store) URI() string { return "file://" + s.o.Dir + " and " + s.Store.URI() }

// replacing is the scope of the settings that say, while a file is being
// replaced, what it held before: after a crash in between, that content is no
// user's edit.
const replacing = "state-file"

// content is a state.json.
type content struct {
	Completed json.RawMessage `json:"completed"`
	Partial   json.RawMessage `json:"partial"`
}

// Bookmark implements state.Bookmarks. Without a file there is no state;
// whether there was an edit is the other store's to say.
func (s *Store) Bookmark(ctx context.Context, stateID string) (state.Bookmark, error) {
	below, err := s.Store.Bookmark(ctx, stateID)
	known := !errors.Is(err, state.ErrNotFound)
	if err != nil && known {
		return below, err
	}
	raw, found, err := s.read(stateID)
	if err != nil {
		return below, err
	}
	if found == nil {
		below.Completed, below.Partial = nil, nil
		if !known {
			err = state.ErrNotFound
		}
		return below, err
	}
	if known && equal(below.Completed, found.Completed) && equal(below.Partial, found.Partial) {
		return below, nil
	}
	if known {
		before, interrupted, err := s.Setting(ctx, replacing, stateID)
		if err != nil {
			return below, err
		}
		if interrupted && before == digest(raw) {
			return below, nil
		}
	}
	if err := s.Store.EditBookmark(ctx, stateID, "adopt", found.Completed, found.Partial); err != nil {
		return below, err
	}
	return s.Store.Bookmark(ctx, stateID)
}

func equal(a, b json.RawMessage) bool {
	x, y := singer.NewBookmarks(a), singer.NewBookmarks(b)
	return x.IsZero() && y.IsZero() || singer.EqualJSON(x.Raw(), y.Raw())
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// BookmarkIDs implements state.Bookmarks.
func (s *Store) BookmarkIDs(_ context.Context, pattern string) ([]string, error) {
	match := sqlstore.Glob(pattern)
	var ids []string
	err := filepath.WalkDir(s.o.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || d.Name() != "state.json" {
			return err
		}
		rel, err := filepath.Rel(s.o.Dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		if id, ok := idOf(rel); ok && match(id) {
			ids = append(ids, id)
		}
		return nil
	})
	slices.Sort(ids)
	return ids, s.explain(err)
}

// Ack implements state.Bookmarks: the store below checks the lease, and has
// the value first (invariants 1 and 6).
func (s *Store) Ack(ctx context.Context, l state.Lease, value json.RawMessage, merge bool) error {
	if _, err := s.Bookmark(ctx, l.StateID); err != nil && !errors.Is(err, state.ErrNotFound) {
		return err // takes an edit over, so that the merge is with it
	}
	return s.replace(ctx, l.StateID, func() error { return s.Store.Ack(ctx, l, value, merge) })
}

// EditBookmark implements state.Bookmarks.
func (s *Store) EditBookmark(ctx context.Context, stateID, op string, completed, partial json.RawMessage) error {
	return s.replace(ctx, stateID, func() error { return s.Store.EditBookmark(ctx, stateID, op, completed, partial) })
}

// EditBookmarkAt implements state.Bookmarks: an edit of the file counts too.
func (s *Store) EditBookmarkAt(ctx context.Context, stateID, op string, completed, partial json.RawMessage, edit int64) error {
	if _, err := s.Bookmark(ctx, stateID); err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	return s.replace(ctx, stateID, func() error { return s.Store.EditBookmarkAt(ctx, stateID, op, completed, partial, edit) })
}

// DeleteBookmark implements state.Bookmarks.
func (s *Store) DeleteBookmark(ctx context.Context, stateID string) error {
	return s.replace(ctx, stateID, func() error { return s.Store.DeleteBookmark(ctx, stateID) })
}

// replace changes the store below and then the file, under the file's lock.
func (s *Store) replace(ctx context.Context, stateID string, change func() error) error {
	dir, err := s.dir(stateID)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx, dir)
	if err != nil {
		return s.explain(err)
	}
	defer unlock()
	before, _, err := s.read(stateID)
	if err != nil {
		return err
	}
	if err := s.PutSetting(ctx, replacing, stateID, digest(before)); err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	now, err := s.Store.Bookmark(ctx, stateID)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	if err := s.write(dir, now); err != nil {
		return s.explain(err)
	}
	return s.DeleteSetting(ctx, replacing, stateID)
}

// read gives a state.json as it is and what it says; nothing, when there is none.
func (s *Store) read(stateID string) ([]byte, *content, error) {
	dir, err := s.dir(stateID)
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, "state.json")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, s.explain(err)
	}
	var file content
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, nil, fault.Wrap(fault.StoreCorrupt, err, "the state file %s is no JSON", path).
			WithHint("see what was kept last with: elt state history '%s'; move the file away to begin anew", stateID)
	}
	for _, part := range []*json.RawMessage{&file.Completed, &file.Partial} {
		if *part, err = singer.UnwrapState(*part); err != nil {
			return nil, nil, fault.Wrap(fault.StoreCorrupt, err, "the state file %s", path)
		}
	}
	return raw, &file, nil
}

// write replaces the file, durably; without state there is none.
func (s *Store) write(dir string, b state.Bookmark) error {
	path := filepath.Join(dir, "state.json")
	if singer.NewBookmarks(b.Completed).IsZero() && singer.NewBookmarks(b.Partial).IsZero() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	raw, err := json.Marshal(content{singer.WrapState(b.Completed), singer.WrapState(b.Partial)})
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, raw, 0o644); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// dir is where a state id's file lies.
func (s *Store) dir(stateID string) (string, error) {
	name := nameOf(stateID)
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) || name == "." {
		return "", fault.New(fault.Usage, "state id %q cannot be a folder's name below %s", stateID, s.o.Dir)
	}
	return filepath.Join(s.o.Dir, name), nil
}

func (s *Store) explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var own *fault.Error
	if errors.As(err, &own) {
		return err
	}
	return fault.Wrap(fault.StoreAway, err, "the state backend file://%s", s.o.Dir).
		WithHint("elt needs to read and write that folder")
}
