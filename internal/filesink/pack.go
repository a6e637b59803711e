package filesink

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression of a file; every commit is a gzip member or zstd frame of its
// own. Both formats allow such members one behind the other, so a compressed
// file is appended to, and taken back, like any other (invariant 4).
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

func (c Compression) plain() bool { return c == "" || c == None }

// compressor writes one member or frame to dst; Close ends it, and leaves dst open.
func (c Compression) compressor(dst io.Writer) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return kgzip.NewWriterLevel(dst, gzip.BestSpeed)
	case Zstd:
		return zstd.NewWriter(dst, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	return open{dst}, nil
}

// open is a writer that Close leaves open.
type open struct{ io.Writer }

func (open) Close() error { return nil }

// member is text as a member or frame of its own.
func (c Compression) member(text []byte) ([]byte, error) {
	if c.plain() || len(text) == 0 {
		return text, nil
	}
	var out bytes.Buffer
	w, err := c.compressor(&out)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(text)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// text reads what src holds, member after member. A file of another kind is an error.
func (c Compression) text(src io.Reader) (io.ReadCloser, error) {
	switch c {
	case Gzip:
		z, err := kgzip.NewReader(src)
		if errors.Is(err, io.EOF) { // an empty file
			return io.NopCloser(bytes.NewReader(nil)), nil
		}
		if err != nil {
			return nil, fmt.Errorf("it is no gzip file: %w", err)
		}
		return z, nil
	case Zstd:
		z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("it is no zstd file: %w", err)
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(src), nil
}

// packer compresses into a file on a goroutine of its own. Three buffers go
// round: one is filled, one waits, one is compressed.
type packer struct {
	full, free chan []byte
	done       chan error // holds what became of it, once full is closed
}

func newPacker(c Compression, dst io.Writer) (*packer, error) {
	w, err := c.compressor(dst)
	if err != nil {
		return nil, err
	}
	p := &packer{full: make(chan []byte, 1), free: make(chan []byte, 2), done: make(chan error, 1)}
	p.free <- nil
	p.free <- nil
	go func() {
		var err error
		for buf := range p.full {
			if err == nil { // after an error buffers only go round
				_, err = w.Write(buf)
			}
			p.free <- buf[:0]
		}
		p.done <- errors.Join(err, w.Close())
	}()
	return p, nil
}

// swap hands a full buffer over and returns an empty one; it waits while
// compression is behind.
func (p *packer) swap(buf []byte) []byte {
	p.full <- buf
	return <-p.free
}

// close ends the member and waits for the goroutine.
func (p *packer) close() error {
	close(p.full)
	return <-p.done
}
