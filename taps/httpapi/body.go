package httpapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// inMemory is how much of a body is kept in memory; more goes to a file.
const inMemory = 4 << 20

// body is a response's body, read to its end: one that breaks off is read
// again before any row of it was sent.
type body struct {
	mem  []byte
	file *os.File      // nil: all of it is in mem
	size int64         // of file
	head *bytes.Buffer // what mem lies in
}

// buffers are those of bodies that were closed.
var buffers = sync.Pool{New: func() any { return &bytes.Buffer{} }}

// readBody reads src to its end and restarts alarm at each piece.
// One that is a gzip file, whatever its headers call it, is unpacked. size is
// how long it is said to be, -1: unknown.
func readBody(from io.Reader, size int64, alarm *time.Timer, silence time.Duration) (b body, err error) {
	all := bufio.NewReader(watched{from, alarm, silence})
	var src io.Reader = all
	magic, err := all.Peek(2)
	if err != nil && err != io.EOF {
		return body{}, err
	}
	if string(magic) == "\x1f\x8b" {
		if src, err = gzip.NewReader(src); err != nil {
			return body{}, err
		}
	}
	head := buffers.Get().(*bytes.Buffer)
	head.Reset()
	head.Grow(int(min(max(size, 0), inMemory)) + bytes.MinRead)
	if _, err := io.CopyN(head, src, inMemory); err == io.EOF {
		return body{mem: head.Bytes(), head: head}, nil
	} else if err != nil {
		return body{}, err
	}
	f, err := os.CreateTemp("", "elt-http-*")
	if err != nil {
		return body{}, fmt.Errorf("keep a large answer: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := os.Remove(f.Name()); err != nil { // gone with its descriptor
		return body{}, err
	}
	if _, err := head.WriteTo(f); err != nil {
		return body{}, fmt.Errorf("keep a large answer: %w", err)
	}
	n, err := io.Copy(f, src)
	return body{file: f, size: inMemory + n}, err
}

func (b body) reader() io.Reader {
	if b.file != nil {
		return io.NewSectionReader(b.file, 0, b.size)
	}
	return bytes.NewReader(b.mem)
}

func (b body) bytes() ([]byte, error) {
	if b.file == nil {
		return b.mem, nil
	}
	all := make([]byte, b.size)
	_, err := io.ReadFull(b.reader(), all)
	return all, err
}

func (b body) close() {
	if b.file != nil {
		b.file.Close()
	}
	if b.head != nil {
		buffers.Put(b.head)
	}
}

// watched puts an alarm off as long as something comes.
type watched struct {
	io.Reader
	alarm   *time.Timer
	silence time.Duration
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.alarm.Reset(w.silence)
	}
	return n, err
}
