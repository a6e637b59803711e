package filesink

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"elt/internal/fault"
	"elt/internal/row"
)

// Compression of a file; every commit is a gzip member or zstd frame of its own.
type Compression string

const (
	None Compression = "none"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// Suffix is what a file name ends with.
func (c Compression) Suffix() string {
	switch c {
	case Gzip:
		return ".gz"
	case Zstd:
		return ".zst"
	}
	return ""
}

// writeSize is how much is written at once.
const writeSize = 256 << 10

// part is rows of one stream that are not yet committed: hidden files, one
// per layout, since a schema change may bring a new one.
type part struct {
	d        *dir
	format   Format
	compress Compression
	segments []*segment
	rows     int64
	buf      []byte
}

// segment is a hidden file with the head and rows of one layout.
type segment struct {
	name   string
	file   *os.File
	layout []string
	head   int64 // its length
	size   int64
	packer io.WriteCloser // nil: not compressed
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
	var f *os.File
	var name string
	err := p.d.locked(func() (err error) { f, name, err = p.d.createHidden(); return err })
	if err != nil {
		return err
	}
	s := &segment{name: name, file: f, layout: layout}
	p.segments = append(p.segments, s)
	head := p.format.Head(layout)
	s.head = int64(len(head))
	return s.write(head)
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
	defer func() { p.buf = p.buf[:0] }()
	if p.compress == None || p.compress == "" {
		return p.d.full(s.write(p.buf))
	}
	if s.packer == nil {
		packer, err := pack(p.compress, s)
		if err != nil {
			return err
		}
		s.packer = packer
	}
	_, err := s.packer.Write(p.buf)
	return p.d.full(err)
}

func pack(c Compression, s *segment) (io.WriteCloser, error) {
	if c == Zstd {
		return zstd.NewWriter(packed{s}, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	return kgzip.NewWriterLevel(packed{s}, gzip.BestSpeed)
}

// packed takes what a compressor gives.
type packed struct{ s *segment }

func (w packed) Write(data []byte) (int, error) { return len(data), w.s.write(data) }

func (s *segment) write(data []byte) error {
	n, err := s.file.Write(data)
	s.size += int64(n)
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
		if s.packer != nil {
			if err := s.packer.Close(); err != nil {
				return p.d.full(err)
			}
			s.packer = nil
		}
	}
	return nil
}

// drop removes the hidden files; those that were moved into place are gone already.
func (p *part) drop() error {
	var errs []error
	for _, s := range p.segments {
		errs = append(errs, s.file.Close())
		if s.name != "" {
			errs = append(errs, p.d.root.Remove(s.name))
		}
	}
	p.segments, p.rows, p.buf = nil, 0, p.buf[:0]
	return errors.Join(errs...)
}
