package filesink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/targets"
)

// publication is one visible file's share in a commit.
type publication struct {
	stream  string
	file    string // the visible name
	part    *part
	replace bool     // instead of being appended
	only    *segment // of a part of whole files
	remove  bool     // an earlier run's whole file
}

// commit makes publications visible and c durable, all or nothing: what a
// failure or a kill leaves behind is taken back from the journal.
func (s *Sink) commit(ctx context.Context, list []publication, c targets.Commit) error {
	for _, p := range list {
		if err := p.part.close(); err != nil {
			return err
		}
	}
	if s.bucket != nil {
		return s.bucket.commit(ctx, s, list, c)
	}
	return s.dir.locked(func() error {
		j, err := s.fenced()
		if err != nil {
			return err
		}
		if len(list) == 0 && (s.stateID == "" || c.Whole == nil && c.Streams == nil) {
			return nil
		}
		j.Seq++
		if j.Bookmarks, err = reached(j.Bookmarks, c); err != nil {
			return err
		}
		if len(list) == 0 {
			return s.keep(j)
		}
		if list, err = s.spread(list); err != nil {
			return err
		}
		j.Files = s.watched(j.Files, list)
		before, err := s.dir.readJournal(journalName(s.stateID))
		if err != nil {
			return err
		}
		before.StateID = s.stateID
		steps := &steps{d: s.dir, before: before}
		if err := steps.publish(list); err != nil {
			return errors.Join(s.dir.full(err), steps.takeBack())
		}
		if err := s.keep(j); err != nil {
			return errors.Join(err, steps.takeBack())
		}
		s.dir.dropBackups(steps.before.Undo)
		s.dir.prune(list)
		return nil
	})
}

// watched are the files that a later run must find. One that is replaced, or
// that has another name then, may go.
func (s *Sink) watched(files []string, list []publication) []string {
	if s.o.Replace || s.o.Dated {
		return files
	}
	for _, p := range list {
		if p.file != rejectsFile {
			files = union(files, []string{p.file})
		}
	}
	return files
}

// fenced is the journal to go on from, if it is still this run's (invariant 3).
func (s *Sink) fenced() (journal, error) {
	if s.stateID == "" {
		return journal{}, nil
	}
	j, err := s.dir.readJournal(journalName(s.stateID))
	if err != nil {
		return j, err
	}
	if j.Epoch != s.epoch {
		return j, fmt.Errorf("%s: %w", s.dir.where, targets.ErrFenced)
	}
	if len(j.Undo) > 0 {
		return j, fault.New(fault.Failed, "an earlier commit to %s could not be taken back", s.dir.where)
	}
	return j, nil
}

// keep ends a commit: from here on it has happened.
func (s *Sink) keep(j journal) error {
	j.StateID, j.Undo = s.stateID, nil
	return s.dir.writeJournal(j)
}

// reached is the state value after a commit.
func reached(value []byte, c targets.Commit) ([]byte, error) {
	if c.Whole != nil {
		return c.Whole, nil
	}
	b, err := singer.NewBookmarks(value).With(c.Streams)
	return b.Raw(), err
}

// steps publishes files one by one. Before each file is touched, how to take
// that back is in the journal.
type steps struct {
	d      *dir
	before journal
}

func (s *steps) publish(list []publication) error {
	touched := map[string]bool{}
	for _, p := range list {
		if !touched[p.file] {
			u, err := s.remember(p)
			if err != nil {
				return err
			}
			s.before.Undo = append(s.before.Undo, u)
			touched[p.file] = true
		}
	}
	if err := s.d.writeJournal(s.before); err != nil {
		return err
	}
	for _, p := range list {
		if err := s.d.put(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *steps) takeBack() error {
	if len(s.before.Undo) == 0 {
		return nil
	}
	return s.d.takeBack(s.before)
}

// remember says how the visible file of p becomes again what it is now.
func (s *steps) remember(p publication) (undo, error) {
	info, err := s.d.root.Stat(p.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return undo{File: p.file, Op: "remove"}, nil
	case err != nil:
		return undo{}, err
	case !info.Mode().IsRegular():
		return undo{}, fault.New(fault.BadConfig, "%s is no regular file", s.d.path(p.file))
	}
	same := false
	if !p.replace {
		if same, err = s.d.sameLayout(p); err != nil {
			return undo{}, err
		}
	}
	if same {
		return undo{File: p.file, Op: "truncate", Size: info.Size()}, nil
	}
	backup := fmt.Sprintf("%s%d-%d", backupPrefix, os.Getpid(), len(s.before.Undo))
	s.d.root.Remove(backup)
	if err := s.d.root.Link(p.file, backup); err != nil {
		return undo{}, fmt.Errorf("keep the old %s until the new one stands: %w", s.d.path(p.file), err)
	}
	return undo{File: p.file, Op: "restore", Backup: backup}, nil
}

// sameLayout: every segment's rows fit behind those of the visible file.
func (d *dir) sameLayout(p publication) (bool, error) {
	have, _, err := d.headOf(p)
	if err != nil {
		return false, err
	}
	for _, s := range p.part.segments {
		if !slices.Equal(s.layout, have) {
			return false, nil
		}
	}
	return true, nil
}

// headOf reads the visible file's head; the length is that of its text.
func (d *dir) headOf(p publication) ([]string, int64, error) {
	f, err := d.root.Open(p.file)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	var layout []string
	var length int64
	text, err := p.part.compress.text(f)
	if err == nil {
		defer text.Close()
		layout, length, err = p.part.format.ReadHead(text)
	}
	if err != nil {
		return nil, 0, fault.Wrap(fault.BadConfig, err, "%s cannot be appended to", d.path(p.file)).
			WithHint("move it away, or let the target replace files")
	}
	return layout, length, nil
}

// put makes a part visible.
func (d *dir) put(p publication) error {
	d.step()
	if p.remove {
		if err := d.root.Remove(p.file); err != nil {
			return err
		}
		return d.syncDir(parent(p.file))
	}
	if err := d.makeFolder(parent(p.file)); err != nil {
		return err
	}
	if p.only != nil {
		return d.move(p.only, p.file)
	}
	_, err := d.root.Stat(p.file)
	fresh := errors.Is(err, fs.ErrNotExist)
	switch {
	case (fresh || p.replace) && len(p.part.segments) == 1:
		return d.move(p.part.segments[0], p.file)
	case fresh || p.replace:
		return d.rewrite(p, nil, "")
	}
	same, err := d.sameLayout(p)
	if err != nil {
		return err
	}
	if same {
		return d.extend(p)
	}
	have, _, err := d.headOf(p)
	if err != nil {
		return err
	}
	return d.rewrite(p, have, p.file)
}

// move turns a hidden file into the visible one.
func (d *dir) move(s *segment, name string) error {
	if err := s.file.Sync(); err != nil {
		return err
	}
	if err := d.root.Rename(s.name, name); err != nil {
		return err
	}
	s.name = ""
	d.step()
	return d.syncDir(parent(name))
}

// extend copies rows behind those of the visible file.
func (d *dir) extend(p publication) error {
	f, err := d.root.OpenFile(p.file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size > 0 && p.part.compress.plain() {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' { // somebody else's last line
			if _, err := f.Write([]byte("\n")); err != nil {
				return err
			}
		}
	}
	for _, s := range p.part.segments {
		if _, err := s.file.Seek(s.head, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(f, s.file); err != nil {
			return err
		}
		d.step()
	}
	return f.Sync()
}

// rewrite makes a file of all columns out of the old one (if any) and the
// part's segments, and moves it into place.
func (d *dir) rewrite(p publication, layout []string, old string) error {
	for _, s := range p.part.segments {
		layout = union(layout, s.layout)
	}
	f, name, err := d.createHidden()
	if err != nil {
		return err
	}
	whole := &segment{name: name, file: f, layout: layout}
	defer func() {
		f.Close()
		if whole.name != "" {
			d.root.Remove(whole.name)
		}
	}()
	out, err := p.part.compress.compressor(f)
	if err != nil {
		return err
	}
	defer out.Close() // twice after a success, which is allowed
	if _, err := out.Write(p.part.format.Head(layout)); err != nil {
		return err
	}
	if old != "" {
		have, length, err := d.headOf(p)
		if err != nil {
			return err
		}
		in, err := d.root.Open(old)
		if err != nil {
			return err
		}
		defer in.Close()
		if err := convert(out, in, p.part, length, have, layout); err != nil {
			return fmt.Errorf("rewrite %s with new columns: %w", d.path(old), err)
		}
	}
	for _, s := range p.part.segments {
		if _, err := s.file.Seek(s.head, io.SeekStart); err != nil {
			return err
		}
		if err := convert(out, s.file, p.part, 0, s.layout, layout); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return d.move(whole, p.file)
}

// convert copies the rows of a file behind the first skip bytes of its text.
func convert(out io.Writer, file io.Reader, p *part, skip int64, from, to []string) error {
	text, err := p.compress.text(file)
	if err != nil {
		return err
	}
	defer text.Close()
	if _, err := io.CopyN(io.Discard, text, skip); err != nil {
		return err
	}
	return p.format.Convert(out, text, from, to)
}

// union is a, then what b has more.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
