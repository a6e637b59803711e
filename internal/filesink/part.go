package filesink

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"elt/internal/fault"
	"elt/internal/hive"
	"elt/internal/row"
)

// writeSize is how much is written at once.
const writeSize = 256 << 10

// part is rows of one stream that are not yet committed: hidden files, one
// per layout, since a schema change may bring a new one.
type part struct {
	d        *dir
	format   Format
	compress Compression
	whole    Whole       // in place of both
	schema   *row.Schema // of the next whole file
	segments []*segment
	rows     int64
	buf      []byte
}

// segment is a hidden file with the head and rows of one layout.
type segment struct {
	name   string
	file   *os.File
	out    io.Writer // file, by way of what writes to the disk early
	layout []string
	head   int64   // its length, as it is in the file
	packer *packer // nil: nothing is being compressed
	whole  File    // nil: the part's Format writes
	rows   int64   // in whole
	folder string  // of its partition, "": there are none
}

// open starts a segment unless the open one has that layout.
func (p *part) open(layout []string) error {
	if n := len(p.segments); n > 0 {
		if slices.Equal(p.segments[n-1].layout, layout) {
			return nil
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
	_, err := p.create(layout, nil)
	return err
}

// create starts a segment; one of a partition is told its values.
func (p *part) create(layout []string, partition []hive.Value) (*segment, error) {
	var f *os.File
	var name string
	err := p.d.locked(func() (err error) { f, name, err = p.d.createHidden(); return err })
	if err != nil {
		return nil, err
	}
	if p.d.nameless && p.d.root.Remove(name) == nil {
		name = ""
	}
	s := &segment{name: name, file: f, out: f, layout: layout}
	if !p.d.nameless { // those for a bucket are read again, whole
		s.out = &behind{file: f}
	}
	p.segments = append(p.segments, s)
	if p.whole != nil {
		s.whole, err = p.whole.Begin(s.out, p.schema, partition)
		return s, err
	}
	head, err := p.compress.member(p.format.Head(layout))
	if err != nil {
		return nil, err
	}
	s.head = int64(len(head))
	return s, s.write(head)
}

// createHidden makes a part file and locks it, so that others see its process
// lives. The directory is locked.
func (d *dir) createHidden() (*os.File, string, error) {
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s%d-%d", partPrefix, os.Getpid(), i)
		f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("make a part in %s: %w", d.where, err)
		}
		tryLock(f)
		return f, name, nil
	}
}

func (p *part) append(enc Encoder, b *row.Batch) (err error) {
	p.rows += int64(b.Len())
	if p.buf, err = enc.Append(p.buf, b); err != nil {
		return err
	}
	if len(p.buf) < writeSize {
		return nil
	}
	return p.flush()
}

// flush hands what is buffered to the open segment.
func (p *part) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	s := p.segments[len(p.segments)-1]
	if p.compress.plain() {
		err := p.d.full(s.write(p.buf))
		p.buf = p.buf[:0]
		return err
	}
	if s.packer == nil {
		packer, err := newPacker(p.compress, s.out)
		if err != nil {
			return err
		}
		s.packer = packer
	}
	p.buf = s.packer.swap(p.buf)
	return nil
}

func (s *segment) write(data []byte) error {
	_, err := s.out.Write(data)
	return err
}

// full adds the directory to an error of a write, and what to do about a full disk.
func (d *dir) full(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Failed, err, "no space is left in %s; what was complete before stays as it was", d.where).
			WithHint("free some space and run again")
	}
	return fmt.Errorf("write into %s: %w", d.where, err)
}

// close completes the bytes of all segments.
func (p *part) close() error {
	if err := p.flush(); err != nil {
		return err
	}
	for _, s := range p.segments {
		if err := s.finish(); err != nil {
			return p.d.full(err)
		}
	}
	return nil
}

// finish writes what stands at the end of a file of this kind.
func (s *segment) finish() error {
	if s.whole == nil {
		return s.pack()
	}
	file := s.whole
	s.whole = nil
	return file.Close()
}

// pack ends the member that is being compressed.
func (s *segment) pack() error {
	if s.packer == nil {
		return nil
	}
	packer := s.packer
	s.packer = nil
	return packer.close()
}

// drop removes the hidden files; those that were moved into place are gone already.
func (p *part) drop() error {
	var errs []error
	for _, s := range p.segments {
		errs = append(errs, p.discard(s))
	}
	p.segments, p.rows, p.buf = nil, 0, p.buf[:0]
	return errors.Join(errs...)
}

func (p *part) discard(s *segment) error {
	s.pack() // only the goroutine matters: what was to be kept is closed
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, p.d.root.Remove(s.name))
	}
	return err
}
