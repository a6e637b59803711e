package files

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"elt/internal/fault"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Source is an open file; it reads as UTF-8 text.
type Source struct {
	io.Reader
	file io.Closer
	crc  *checksum
	tail *tail
	done func()
}

const blockSize = 256 << 10

// checksum counts and sums what passes.
type checksum struct {
	in   io.Reader
	sum  uint32
	size int64
}

// tail knows the last byte that passed, decompressed.
type tail struct {
	in   io.Reader
	last byte
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	if n > 0 {
		t.last = p[n-1]
	}
	return n, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c *checksum) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if n > 0 {
		c.sum = crc32.Update(c.sum, castagnoli, p[:n])
		c.size += int64(n)
	}
	return n, err
}

// Open opens a file of the set. Compression is told by the first bytes,
// the encoding by the setting or a byte order mark, else it is UTF-8.
func (s Set) Open(ctx context.Context, from File) (*Source, error) {
	path := from.Path
	f, err := from.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a file of entity %q: %w", s.Entity, err)
	}
	src := &Source{file: f, crc: &checksum{in: f}, done: func() {}}
	raw := bufio.NewReaderSize(src.crc, blockSize)
	magic, err := raw.Peek(4)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	src.Reader = raw
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("read %s as gzip: %w", path, err)
		}
		src.Reader = z
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1))
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("read %s as zstd: %w", path, err)
		}
		src.Reader, src.done = z, z.Close
	}
	src.tail = &tail{in: src.Reader}
	src.Reader = src.tail
	if err := src.decode(s); err != nil {
		src.Close()
		return nil, err
	}
	return src, nil
}

// decode turns the text into UTF-8 without a byte order mark.
func (src *Source) decode(s Set) error {
	name := strings.ToLower(strings.ReplaceAll(s.Encoding, "_", "-"))
	switch name {
	case "", "utf-8", "utf8", "utf-8-sig", "ascii":
		peek := bufio.NewReaderSize(src.Reader, 4096)
		mark, _ := peek.Peek(3)
		switch {
		case bytes.Equal(mark, []byte{0xef, 0xbb, 0xbf}):
			peek.Discard(3)
		case bytes.HasPrefix(mark, []byte{0xff, 0xfe}), bytes.HasPrefix(mark, []byte{0xfe, 0xff}):
			src.Reader = transform.NewReader(peek, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder())
			return nil
		}
		src.Reader = peek
		return nil
	case "utf-16":
		src.Reader = transform.NewReader(src.Reader, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())
		return nil
	case "latin-1", "latin1", "iso8859-1", "iso-8859-1": // htmlindex would take windows-1252 for it
		src.Reader = transform.NewReader(src.Reader, charmap.ISO8859_1.NewDecoder())
		return nil
	case "cp1252":
		name = "windows-1252"
	}
	enc, err := htmlindex.Get(name)
	if err != nil {
		return fault.New(fault.BadConfig, "%s: the encoding %q of entity %q is unknown", s.Tap, s.Encoding, s.Entity).WithHint("use a name such as utf-8, utf-16, latin-1 or windows-1252")
	}
	src.Reader = transform.NewReader(src.Reader, enc.NewDecoder())
	return nil
}

// Close closes the file.
func (src *Source) Close() {
	src.done()
	src.file.Close()
}

// Mark completes m for a file that was read to its end.
func (src *Source) Mark(m Mark) (Mark, error) {
	// A decompressor may stop before the last bytes of the file.
	if _, err := io.Copy(io.Discard, src.crc); err != nil {
		return m, err
	}
	m.Size, m.CRC, m.Done, m.Whole = src.crc.size, src.crc.sum, true, src.tail.last == '\n'
	return m, nil
}

// Sum is the checksum of the first size bytes of a file, for Mark.CRC.
func Sum(ctx context.Context, from File, size int64) (uint32, error) {
	f, err := from.open(ctx)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	c := &checksum{in: io.LimitReader(f, size)}
	if _, err := io.CopyBuffer(io.Discard, onlyReader{c}, make([]byte, blockSize)); err != nil {
		return 0, err
	}
	return c.sum, nil
}

// onlyReader hides every method but Read, so that the copy goes through it.
type onlyReader struct{ io.Reader }
