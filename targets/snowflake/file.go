package snowflake

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A buffer of rows is handed to the compressor once it holds bufferBytes;
// there are a few per open file.
const (
	bufferBytes = 128 << 10
	buffers     = 3
)

// file is a compressed file on disk that waits for its upload.
type file struct {
	path string
	size int64
}

func (f file) name() string { return filepath.Base(f.path) }

// writer compresses rows into files, on a goroutine of its own. Only whole
// rows are handed to it, so each file holds whole rows.
type writer struct {
	dir, ext string
	limit    int64
	next     func() int       // numbers files
	done     func(file) error // takes a finished file; may block
	names    []string         // of finished files
	full     chan []byte      // nil closes the file at hand
	free     chan []byte
	ended    chan struct{}
	err      error // after ended, or seen through broken
	broken   chan struct{}

	out     *os.File
	count   *counter
	encoder compressor
}

type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func newCompressor(kind string) (compressor, error) {
	if kind == "gzip" {
		return kgzip.NewWriterLevel(nil, gzip.BestSpeed)
	}
	// One goroutine, and a window that keeps memory small.
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(512<<10), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
}

func newWriter(dir, compression string, limit int64, next func() int, done func(file) error) (*writer, error) {
	encoder, err := newCompressor(compression)
	if err != nil {
		return nil, err
	}
	w := &writer{
		dir: dir, ext: ".csv.zst", limit: limit, next: next, done: done, encoder: encoder,
		full: make(chan []byte, buffers), free: make(chan []byte, buffers),
		ended: make(chan struct{}), broken: make(chan struct{}),
	}
	if compression == "gzip" {
		w.ext = ".csv.gz"
	}
	for range buffers {
		w.free <- make([]byte, 0, bufferBytes+bufferBytes/4)
	}
	go w.run()
	return w, nil
}

// buffer is an empty one; it waits for the compressor.
func (w *writer) buffer() ([]byte, error) {
	select {
	case b := <-w.free:
		return b[:0], nil
	case <-w.broken:
		return nil, w.err
	}
}

// hand gives whole rows to the compressor.
func (w *writer) hand(b []byte) error {
	select {
	case w.full <- b:
		return nil
	case <-w.broken:
		return w.err
	}
}

// close finishes the file at hand and ends the goroutine; its names are
// complete then.
func (w *writer) close() error {
	close(w.full)
	<-w.ended
	return w.err
}

func (w *writer) run() {
	defer close(w.ended)
	for b := range w.full {
		if w.err == nil {
			if w.err = w.write(b); w.err != nil {
				close(w.broken)
			}
		}
		if cap(b) > 4*bufferBytes {
			b = make([]byte, 0, bufferBytes+bufferBytes/4) // a giant row's is not kept
		}
		w.free <- b
	}
	if w.err == nil {
		w.err = w.finish()
	}
	if w.out != nil {
		w.out.Close()
	}
}

func (w *writer) write(b []byte) error {
	if w.out == nil {
		path := filepath.Join(w.dir, fmt.Sprintf("%08d%s", w.next(), w.ext))
		out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("make a file of rows: %w", err)
		}
		w.out, w.count = out, &counter{w: out}
		w.encoder.Reset(w.count)
	}
	if _, err := w.encoder.Write(b); err != nil {
		return fmt.Errorf("write %s: %w", w.out.Name(), err)
	}
	if w.count.n >= w.limit {
		return w.finish()
	}
	return nil
}

// finish completes the file at hand.
func (w *writer) finish() error {
	if w.out == nil {
		return nil
	}
	out := w.out
	w.out = nil
	err := w.encoder.Close()
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", out.Name(), err)
	}
	f := file{out.Name(), w.count.n}
	w.names = append(w.names, f.name())
	return w.done(f)
}
