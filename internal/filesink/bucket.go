package filesink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"elt/internal/fault"
	"elt/internal/objectstore"
	"elt/targets"
)

// bucket is a destination in an object store. Nothing can be appended there,
// so each commit makes objects of its own. Their bytes are brought there
// before, where nobody sees them; the journal, replaced only by who wrote it
// last (its version is the fence, invariant 3), says how to take back the
// commit that is under way, as in a directory.
type bucket struct {
	store objectstore.Store
	at    objectstore.Location // Key is "" or ends with a slash

	mu      sync.Mutex
	journal journal         // as it stands there
	version string          // of it
	taken   map[string]bool // names that are not free
	listed  map[string]bool // files whose names are in taken
}

func openBucket(ctx context.Context, o Options) (*bucket, error) {
	at, err := objectstore.Parse(o.Dir)
	if err != nil {
		return nil, err
	}
	if at.Key != "" && !strings.HasSuffix(at.Key, "/") {
		at.Key += "/"
	}
	store, err := objectstore.Open(ctx, at, o.Access)
	if err != nil {
		return nil, err
	}
	return &bucket{store: store, at: at, taken: map[string]bool{}, listed: map[string]bool{}}, nil
}

func (b *bucket) key(file string) string { return b.at.Key + file }

// claim is Sink.Claim. The new epoch stands before anything is taken back: a
// run that is still in its commit cannot end it any more.
func (b *bucket) claim(ctx context.Context, stateID string, decide func(targets.Fence) (targets.Fence, error)) (targets.Fence, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.read(ctx, journalName(stateID)); err != nil {
		return targets.Fence{}, err
	}
	fence, err := decide(b.journal.fence())
	if err != nil {
		return fence, err
	}
	undo := b.journal.Undo
	next := journal{StateID: stateID, Epoch: fence.Epoch, Edit: fence.Edit, Seq: fence.Seq, Bookmarks: fence.Bookmarks.Raw(), Undo: undo}
	if err := b.write(ctx, next); err != nil || len(undo) == 0 {
		return fence, err
	}
	if err := b.takeBack(ctx, undo); err != nil {
		return fence, err
	}
	next.Undo = nil
	return fence, b.write(ctx, next)
}

// read takes over the journal that stands in the bucket, a zero one where
// there is none.
func (b *bucket) read(ctx context.Context, name string) error {
	b.journal, b.version = journal{}, ""
	o, err := b.store.Stat(ctx, b.key(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	in := objectstore.NewReader(ctx, b.store, o)
	defer in.Close()
	raw, err := io.ReadAll(in)
	if err == nil {
		err = json.Unmarshal(raw, &b.journal)
	}
	if err == nil && b.journal.Version != 1 {
		err = fmt.Errorf("version %d is unknown to this release", b.journal.Version)
	}
	if err != nil {
		return fmt.Errorf("read the journal %s: %w", b.at.URL(o.Key), err)
	}
	b.version = o.Version
	return nil
}

// write replaces the journal, if it is still the one that is known here; else
// it fails with ErrFenced.
func (b *bucket) write(ctx context.Context, j journal) error {
	j.Version = 1
	raw, err := json.Marshal(j)
	if err != nil {
		return err
	}
	version, err := b.store.Put(ctx, b.key(journalName(j.StateID)), raw, b.version)
	if err == nil {
		b.journal, b.version = j, version
		return nil
	}
	// The reply of an attempt that succeeded may have been lost.
	if readErr := b.read(ctx, journalName(j.StateID)); readErr != nil {
		return errors.Join(err, readErr)
	}
	if there, _ := json.Marshal(b.journal); bytes.Equal(there, raw) {
		return nil
	}
	if errors.Is(err, objectstore.ErrChanged) {
		return fmt.Errorf("%s: %w", b.at.URL(b.at.Key), targets.ErrFenced)
	}
	return err
}

// commit makes publications visible and c durable.
func (b *bucket) commit(ctx context.Context, s *Sink, list []publication, c targets.Commit) error {
	list, err := b.spread(ctx, s, list)
	if err != nil {
		return err
	}
	staged, err := b.stage(ctx, list) // of several lanes at the same time
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.journal
	if s.stateID != "" && before.Epoch != s.epoch {
		err = fmt.Errorf("%s: %w", b.at.URL(b.at.Key), targets.ErrFenced)
	}
	after := before
	after.Seq++
	if err == nil {
		after.Bookmarks, err = reached(before.Bookmarks, c)
	}
	if err != nil {
		return errors.Join(err, b.takeBack(context.WithoutCancel(ctx), staged))
	}
	if len(staged) > 0 && s.stateID != "" {
		during := before
		during.Undo = staged
		if err := b.write(ctx, during); err != nil {
			return errors.Join(err, b.takeBack(context.WithoutCancel(ctx), staged))
		}
	}
	if err := b.publish(ctx, staged); err != nil {
		late := context.WithoutCancel(ctx)
		err = errors.Join(err, b.takeBack(late, staged))
		if s.stateID != "" {
			err = errors.Join(err, b.write(late, before))
		}
		return err
	}
	if s.stateID != "" && (len(staged) > 0 || c.Whole != nil || c.Streams != nil) {
		if err := b.write(ctx, after); err != nil {
			return errors.Join(err, b.takeBack(context.WithoutCancel(ctx), staged))
		}
	}
	for _, p := range list { // nobody misses them now
		if p.remove {
			err = errors.Join(err, b.store.Remove(ctx, b.key(p.file)))
		}
	}
	return err
}

// spread gives each segment an object of its own, under a name that is free,
// or one that an earlier run's rows had that are replaced.
func (b *bucket) spread(ctx context.Context, s *Sink, list []publication) (out []publication, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range list {
		parted := len(s.o.partitions(p.stream)) > 0
		if p.replace && parted {
			if err := b.lookBelow(ctx, parent(p.file)); err != nil {
				return nil, err
			}
		}
		var names numbers
		used := map[string]bool{}
		for _, segment := range p.part.segments {
			if err := b.look(ctx, inFolder(p.file, segment.folder)); err != nil {
				return nil, err
			}
			one := p
			one.only = segment
			for one.file = names.next(p.file, segment.folder); !p.replace && b.taken[one.file]; {
				one.file = names.next(p.file, segment.folder)
			}
			if p.stream != "" {
				if err := s.own(p.stream, one.file); err != nil {
					return nil, err
				}
			}
			one.replace = p.replace && b.taken[one.file]
			b.taken[one.file], used[one.file] = true, true
			out = append(out, one)
		}
		if !p.replace {
			continue
		}
		for _, file := range b.older(p.file, parted) {
			if !used[file] {
				out = append(out, publication{file: file, remove: true})
			}
		}
	}
	return out, nil
}

// older are the names that earlier runs gave to a stream's files.
func (b *bucket) older(file string, parted bool) (out []string) {
	if parted {
		for name, there := range b.taken {
			if there && isOf(file, name) {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out
	}
	for n := 1; b.taken[numbered(file, n)]; n++ {
		out = append(out, numbered(file, n))
	}
	return out
}

// lookBelow finds out which names in and below a folder are taken.
func (b *bucket) lookBelow(ctx context.Context, folder string) error {
	prefix := b.at.Key
	if folder != "." {
		prefix += folder + "/"
	}
	return b.store.List(ctx, prefix, func(o objectstore.Object) error {
		b.taken[strings.TrimPrefix(o.Key, b.at.Key)] = true
		return nil
	})
}

// look finds out which names beside that of a file are taken.
func (b *bucket) look(ctx context.Context, file string) error {
	if b.listed[file] {
		return nil
	}
	stem, _ := cutSuffix(file)
	err := b.store.List(ctx, b.key(stem), func(o objectstore.Object) error {
		b.taken[strings.TrimPrefix(o.Key, b.at.Key)] = true
		return nil
	})
	b.listed[file] = err == nil
	return err
}

// atOnce is how many objects of a commit are on their way at the same time.
const atOnce = 4

// stage brings the bytes of all objects to the bucket.
func (b *bucket) stage(ctx context.Context, list []publication) ([]undo, error) {
	var todo []publication
	for _, p := range list {
		if !p.remove {
			todo = append(todo, p)
		}
	}
	token := uuid.NewString()
	staged := make([]undo, len(todo))
	group, limited := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, p := range todo {
		group.Go(func() error {
			size, err := p.only.file.Seek(0, io.SeekEnd)
			if err != nil {
				return err
			}
			upload, err := b.store.Stage(limited, b.key(p.file), token, !p.replace, p.only.file, size)
			if err != nil {
				return err
			}
			staged[i] = undo{File: p.file, Op: "withdraw", Staged: upload}
			if p.replace {
				staged[i].Op = "cancel"
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, b.takeBack(context.WithoutCancel(ctx), staged))
	}
	return staged, nil
}

func (b *bucket) publish(ctx context.Context, staged []undo) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, u := range staged {
		group.Go(func() error {
			err := b.store.Publish(ctx, u.Staged)
			if errors.Is(err, objectstore.ErrChanged) {
				return fault.Wrap(fault.Failed, err, "somebody else has written %s at the same time", b.at.URL(u.Staged.Key)).
					WithHint("run again; give pipelines that write one stream destinations of their own")
			}
			return err
		})
	}
	return group.Wait()
}

// takeBack gives up what is staged, and removes what it has become. What was
// replaced cannot be had back: each such object is whole, the new one or the old.
func (b *bucket) takeBack(ctx context.Context, list []undo) error {
	var errs []error
	for _, u := range list {
		if u.Staged == nil {
			continue
		}
		errs = append(errs, b.store.Cancel(ctx, u.Staged))
		if u.Op != "withdraw" {
			continue
		}
		there, err := b.store.Stat(ctx, u.Staged.Key)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		case there.Token == u.Staged.Token: // nobody else's
			errs = append(errs, b.store.Remove(ctx, u.Staged.Key))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take back the unfinished commit to %s: %w", b.at.URL(b.at.Key), err)
	}
	return nil
}

// try writes an object and removes it.
func (b *bucket) try(ctx context.Context) error {
	key := b.key(".elt-check-" + uuid.NewString())
	if _, err := b.store.Put(ctx, key, nil, ""); err != nil {
		return err
	}
	return b.store.Remove(ctx, key)
}

// has says whether a file is there.
func (b *bucket) has(ctx context.Context, file string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.look(ctx, file)
	return b.taken[file], err
}
