package filesink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

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

// lane is a sequence of commits with hidden files of its own.
type lane struct {
	s       *Sink
	loaders []*loader
	rejects *part
}

func (l *lane) Stream(_ context.Context, schema *row.Schema) (targets.Loader, error) {
	file := l.s.o.File(schema.Stream)
	if err := l.s.own(schema.Stream, file); err != nil {
		return nil, err
	}
	d := &loader{l: l, stream: schema.Stream, file: file, part: &part{d: l.s.dir, format: l.s.o.Format, compress: l.s.o.Compress, whole: l.s.o.Whole}}
	if !l.s.o.Replace && l.s.o.Whole == nil && l.s.bucket == nil {
		if err := d.readLayout(); err != nil {
			return nil, err
		}
	}
	if err := d.shape(schema); err != nil {
		return nil, err
	}
	l.loaders = append(l.loaders, d)
	return d, nil
}

// rejectsFile takes records that could not be loaded, one JSON object per line.
const rejectsFile = "_elt_rejects.jsonl"

// Reject implements targets.Rejecter.
func (l *lane) Reject(_ context.Context, r targets.Reject) error {
	if l.rejects == nil {
		l.rejects = &part{d: l.s.dir, format: Headless{}}
	}
	if err := l.rejects.open(nil); err != nil {
		return err
	}
	line, err := json.Marshal(struct {
		Stream string    `json:"stream"`
		Reason string    `json:"reason"`
		At     time.Time `json:"rejected_at"`
		Record string    `json:"record"` // as text: it may be no JSON
	}{r.Stream, r.Reason, time.Now().UTC(), string(r.Record)})
	if err != nil {
		return err
	}
	l.rejects.rows++
	l.rejects.buf = append(append(l.rejects.buf, line...), '\n')
	return nil
}

func (l *lane) Commit(ctx context.Context, c targets.Commit) error {
	var list []publication
	replaces := map[string]bool{}
	for _, d := range l.loaders {
		p, ok, err := d.publication(ctx)
		if err != nil {
			return err
		}
		if ok {
			p.replace = p.replace && !replaces[p.file]
			replaces[p.file] = true
			list = append(list, p)
		}
	}
	if l.rejects != nil && l.rejects.rows > 0 {
		list = append(list, publication{file: rejectsFile, part: l.rejects})
	}
	if err := l.s.commit(ctx, list, c); err != nil {
		return err
	}
	l.s.published(list)
	l.loaders = slices.DeleteFunc(l.loaders, func(d *loader) bool { return d.ended })
	var errs []error
	for _, p := range list {
		errs = append(errs, p.part.drop())
	}
	return errors.Join(errs...)
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

func (l *lane) Close() error {
	var errs []error
	for _, d := range l.loaders {
		if d.parted != nil {
			errs = append(errs, d.parted.drop())
		}
		errs = append(errs, d.part.drop())
	}
	if l.rejects != nil {
		errs = append(errs, l.rejects.drop())
	}
	l.loaders, l.rejects = nil, nil
	return errors.Join(errs...)
}

// loader writes one stream.
type loader struct {
	l       *lane
	stream  string
	file    string
	part    *part
	layout  []string // columns of the file, nil where it has no head
	columns []string // names seen, for freeze and fail
	kept    *row.Schema
	texts   []string // columns of a whole file that had to become text
	parted  *partitioned
	enc     Encoder
	ended   bool
}

// readLayout takes over the columns of the visible file.
func (d *loader) readLayout() error {
	if _, err := d.l.s.dir.root.Stat(d.file); err != nil {
		return nil // no file yet; a real failure shows at the commit
	}
	layout, _, err := d.l.s.dir.headOf(publication{file: d.file, part: d.part})
	if err != nil {
		return err
	}
	d.layout, d.columns = layout, layout
	return nil
}

func (d *loader) Schema(_ context.Context, schema *row.Schema) error { return d.shape(schema) }

// shape prepares for rows of a schema.
func (d *loader) shape(schema *row.Schema) error {
	kept := schema
	if d.columns != nil {
		var err error
		if kept, err = d.changed(schema); err != nil {
			return err
		}
	}
	var names []string
	for _, c := range kept.Columns {
		names = append(names, c.Name)
	}
	d.columns = union(d.columns, names)
	switch {
	case d.parted != nil && kept.Same(d.kept) && bytes.Equal(kept.Source, d.kept.Source):
		d.enc = d.parted // said again
	case d.l.s.o.Whole != nil:
		if d.parted != nil { // its rows have the shape before
			if err := d.parted.drain(); err != nil {
				return err
			}
		}
		d.kept = kept
		enc, err := d.wholeEncoder()
		if err != nil {
			return err
		}
		d.enc = enc
	default:
		d.kept = kept
		d.layout = d.l.s.o.Format.Layout(d.layout, kept)
		d.enc = d.l.s.o.Format.Encoder(kept, d.layout)
	}
	if kept != schema {
		d.enc = newFiltered(d.enc, schema, kept)
	}
	return nil
}

// changed applies on_schema_change to columns that were not there before.
func (d *loader) changed(schema *row.Schema) (*row.Schema, error) {
	var added []string
	kept := *schema
	kept.Columns = nil
	for _, c := range schema.Columns {
		if slices.Contains(d.columns, c.Name) {
			kept.Columns = append(kept.Columns, c)
		} else {
			added = append(added, c.Name)
		}
	}
	if len(added) == 0 {
		return schema, nil
	}
	change := targets.Change{Stream: d.stream, Kind: "add", Column: strings.Join(added, ", "), Detail: d.file}
	switch d.l.s.o.OnSchemaChange {
	case "fail":
		return nil, fault.New(fault.Failed, "stream %s has new columns: %s", d.stream, change.Column).
			WithHint("on_schema_change is fail; evolve would write them")
	case "freeze":
		change.Kind = "ignore"
		d.l.s.report(change)
		return &kept, nil
	}
	d.l.s.report(change)
	return schema, nil
}

func (d *loader) Write(_ context.Context, b *row.Batch) error {
	defer b.Release()
	if d.parted == nil {
		if err := d.part.open(d.layout); err != nil {
			return err
		}
	}
	return d.part.append(d.enc, b)
}

// Activate does nothing: a file has no versions.
func (d *loader) Activate(context.Context, int64) error { return nil }

func (d *loader) End(context.Context) error {
	d.ended = true
	return nil
}

// publication is what a commit now does with the stream's file.
func (d *loader) publication(ctx context.Context) (publication, bool, error) {
	s := d.l.s
	s.mu.Lock()
	fresh := s.o.Replace && !s.replaced[d.file]
	s.mu.Unlock()
	if s.o.Replace && !d.ended {
		return publication{}, false, nil
	}
	if d.parted != nil {
		if err := d.parted.drain(); err != nil {
			return publication{}, false, err
		}
	}
	empty := len(d.part.segments) == 0
	if empty && d.parted != nil { // nothing to write, perhaps something to take away
		return publication{stream: d.stream, file: d.file, part: d.part, replace: true}, fresh, nil
	}
	if empty && !d.ended || empty && !fresh && !s.o.Empty {
		return publication{}, false, nil
	}
	if empty {
		if !fresh {
			if there, err := s.has(ctx, d.file); there || err != nil {
				return publication{}, false, err
			}
		}
		if err := d.part.open(d.layout); err != nil {
			return publication{}, false, err
		}
	}
	return publication{stream: d.stream, file: d.file, part: d.part, replace: fresh}, true, nil
}
