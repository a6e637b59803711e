package filesink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"elt/internal/fault"
	"elt/internal/objectstore"
	"elt/internal/row"
	"elt/targets"
)

// Options say how streams become files.
type Options struct {
	Dir      string // or the URL of a bucket, reached by Access
	Access   objectstore.Access
	Format   Format
	Compress Compression
	// Whole is set, in place of Format and Compress, for files with an end.
	Whole Whole
	// File is the file of a stream, relative to Dir.
	File func(stream string) string
	// Shared: several streams may have one file.
	Shared bool
	// Replace: a complete stream replaces its file, instead of being appended.
	Replace bool
	// Dated: names change from run to run, so that older files may go. In a
	// bucket they always may.
	Dated bool
	// Partitions are the columns whose values make folders, outermost first;
	// of Whole files only. nil: no stream has any.
	Partitions func(stream string) []string
	// MaxPartitions of a stream are written in one commit, 0: as many as there are.
	MaxPartitions int
	// Empty: a stream without rows makes a file, too.
	Empty bool
	// OnSchemaChange is evolve, add, freeze or fail: new columns are written,
	// dropped, or an error. Values need no widening in a file.
	OnSchemaChange string
}

func (o Options) partitions(stream string) []string {
	if o.Partitions == nil {
		return nil
	}
	return o.Partitions(stream)
}

// Place is where and how a stream is written; nothing for Options without File.
func (o Options) Place(stream string) targets.Place {
	p := targets.Place{Method: targets.Append}
	if o.Replace {
		p.Method = targets.Overwrite
	}
	if o.File != nil {
		p.Table = join(o.Dir, o.File(stream))
	}
	return p
}

// join is the path of a file of a directory, or of a bucket.
func join(dir, file string) string {
	if objectstore.IsURL(dir) {
		return strings.TrimSuffix(dir, "/") + "/" + file
	}
	return filepath.Join(dir, file)
}

// Sink writes streams into files of one directory, or objects of a bucket.
type Sink struct {
	o       Options
	dir     *dir    // of the files; of the hidden ones only, where there is a bucket
	bucket  *bucket // nil: there is none
	stateID string
	epoch   int64
	report  func(targets.Change)

	mu       sync.Mutex
	owner    map[string]string // stream of a file
	replaced map[string]bool   // files that this run made anew
}

// Open makes the directory ready and takes back what a dead run left half done.
func Open(ctx context.Context, o Options) (*Sink, error) {
	var b *bucket
	where := o.Dir
	if objectstore.IsURL(o.Dir) {
		var err error
		if b, err = openBucket(ctx, o); err != nil {
			return nil, err
		}
		if where, err = os.MkdirTemp("", "elt-staging-"); err != nil {
			b.store.Close()
			return nil, fmt.Errorf("make a directory for rows on their way to %s: %w", o.Dir, err)
		}
	}
	d, err := openDir(where)
	if err != nil {
		if b != nil {
			b.store.Close()
		}
		return nil, err
	}
	d.nameless = b != nil
	return &Sink{o: o, dir: d, bucket: b, report: func(targets.Change) {}, owner: map[string]string{}, replaced: map[string]bool{}}, nil
}

// OnChange implements targets.ChangeReporter.
func (s *Sink) OnChange(report func(targets.Change)) { s.report = report }

// Method implements targets.Planner: files know no keys.
func (s *Sink) Method(*row.Schema) targets.Method {
	if s.o.Replace {
		return targets.Overwrite
	}
	return targets.Append
}

// Claim implements targets.Sink: the journal holds the fence.
func (s *Sink) Claim(ctx context.Context, stateID string, decide func(targets.Fence) (targets.Fence, error)) error {
	if s.bucket != nil {
		fence, err := s.bucket.claim(ctx, stateID, decide)
		s.stateID, s.epoch = stateID, fence.Epoch
		return err
	}
	return s.dir.locked(func() error {
		if err := s.dir.recover(); err != nil {
			return err
		}
		j, err := s.dir.readJournal(journalName(stateID))
		if err != nil {
			return err
		}
		found := j.fence()
		there, gone, err := s.dir.standing(j.Files)
		if err != nil {
			return err
		}
		if len(gone) > 0 {
			found.Gone = s.dir.path(gone[0])
		}
		fence, err := decide(found)
		if err != nil {
			return err
		}
		s.stateID, s.epoch = stateID, fence.Epoch
		return s.dir.writeJournal(journal{StateID: stateID, Epoch: fence.Epoch, Edit: fence.Edit, Seq: fence.Seq, Bookmarks: fence.Bookmarks.Raw(), Files: there})
	})
}

// Lanes implements targets.Sink; every lane has its own hidden files.
func (s *Sink) Lanes() int { return 64 }

// Lane implements targets.Sink.
func (s *Sink) Lane(context.Context) (targets.Lane, error) {
	return &lane{s: s}, nil
}

// Finish implements targets.Sink; all was published by commits.
func (s *Sink) Finish(context.Context) error { return nil }

// Abort implements targets.Sink.
func (s *Sink) Abort() error {
	if s.dir == nil {
		return nil
	}
	err := s.dir.root.Close()
	if s.bucket != nil {
		s.bucket.store.Close()
		err = errors.Join(err, os.RemoveAll(s.dir.where))
	}
	s.dir = nil
	return err
}

// own finds two streams that would write one file.
func (s *Sink) own(stream, file string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, taken := s.owner[file]; taken && other != stream && !s.o.Shared {
		return fault.New(fault.BadConfig, "streams %s and %s would write the same file %s", other, stream, join(s.o.Dir, file)).
			WithHint("put {stream_name} into the file name")
	}
	s.owner[file] = stream
	return nil
}

func (s *Sink) has(ctx context.Context, file string) (bool, error) {
	if s.bucket != nil {
		return s.bucket.has(ctx, file)
	}
	_, err := s.dir.root.Stat(file)
	return err == nil, nil // a real failure shows at the commit
}

// published takes note of the files that this run made anew: what comes later
// for them is appended.
func (s *Sink) published(list []publication) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		if p.replace {
			s.replaced[p.file] = true
		}
	}
}
