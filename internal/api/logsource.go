package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"elt/internal/fault"
	"elt/state"
)

// logSource is the log of a run: a file of this machine, or the copy that the
// store has of one that another machine wrote.
type logSource interface {
	// ReadAt reads as io.ReaderAt does; a *gap where the log is left out.
	io.ReaderAt
	// Size is where the log ends for now.
	Size() (int64, error)
	// Now lets Size look again.
	Now()
	Close() error
}

// gap is a place of a log that is not kept; what is comes at next.
type gap struct{ next int64 }

func (g *gap) Error() string { return fmt.Sprintf("the log is left out before %d", g.next) }

// logFile is a log of this machine.
type logFile struct{ *os.File }

func (f logFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Now does nothing: a file is always asked.
func (logFile) Now() {}

// sourceOf is the log of an execution: the file, unless the store's copy is
// longer, since the run went on elsewhere; fs.ErrNotExist where there is neither.
func (s *Server) sourceOf(ctx context.Context, id string) (logSource, error) {
	f, err := os.Open(s.LogPath(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	size, stored := s.Store.LogSize(ctx, id)
	if f != nil {
		own := logFile{f}
		if have, err := own.Size(); stored != nil || err != nil || size <= have {
			return own, err
		}
		f.Close()
	}
	if stored != nil && fault.CodeOf(stored) != fault.StoreSchema {
		return nil, stored
	}
	if size == 0 {
		return nil, fs.ErrNotExist
	}
	return s.copies.open(id), nil
}

// copies are the logs of the store that are read now. All who read one share
// it: the store is asked as if one did.
type copies struct {
	store state.Logs
	mu    sync.Mutex
	byID  map[string]*logCopy
}

// logCopy is the store's copy of a log; a few of its parts are held.
type logCopy struct {
	of      *copies
	id      string
	readers int

	mu    sync.Mutex
	asked time.Time
	size  int64
	parts []heldPart // the last one used last
}

type heldPart struct {
	start int64
	text  []byte
}

const (
	// heldParts is how many parts of a log are held in memory, 256 KiB each.
	heldParts = 4
	// freshSize is how often the store is asked whether a log has grown.
	freshSize = 500 * time.Millisecond
	// partPatience is how long one part may take.
	partPatience = 10 * time.Second
)

func newCopies(store state.Logs) *copies { return &copies{store: store, byID: map[string]*logCopy{}} }

func (c *copies) open(id string) *logCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.byID[id]
	if l == nil {
		l = &logCopy{of: c, id: id}
		c.byID[id] = l
	}
	l.readers++
	return l
}

// Close ends one reader's use.
func (l *logCopy) Close() error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.readers--; l.readers == 0 {
		delete(l.of.byID, l.id)
	}
	return nil
}

// Size asks the store once in a while.
func (l *logCopy) Size() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.asked) < freshSize {
		return l.size, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), partPatience)
	defer cancel()
	size, err := l.of.store.LogSize(ctx, l.id)
	if err != nil {
		return 0, err
	}
	if size < l.size { // it was written anew
		l.parts = nil
	}
	l.asked, l.size = time.Now(), size
	return size, nil
}

// Now lets the store be asked again.
func (l *logCopy) Now() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = time.Time{}
}

// ReadAt reads what the part at a place has.
func (l *logCopy) ReadAt(to []byte, at int64) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n < len(to) {
		p, err := l.part(at + int64(n))
		switch {
		case errors.Is(err, state.ErrNotFound):
			return n, io.EOF
		case err != nil:
			return n, err
		case p.start > at+int64(n):
			return n, &gap{p.start}
		}
		n += copy(to[n:], p.text[at+int64(n)-p.start:])
	}
	return n, nil
}

// part is the one that holds a byte, else the next one.
func (l *logCopy) part(at int64) (heldPart, error) {
	for i, p := range l.parts {
		if p.start <= at && at < p.start+int64(len(p.text)) {
			l.parts = append(append(l.parts[:i:i], l.parts[i+1:]...), p)
			return p, nil
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), partPatience)
	defer cancel()
	packed, err := l.of.store.LogPart(ctx, l.id, at)
	if err != nil {
		return heldPart{}, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed.Gzip))
	if err != nil {
		return heldPart{}, fmt.Errorf("read the copy of the log of %s: %w", l.id, err)
	}
	p := heldPart{packed.Start, make([]byte, packed.Size)}
	if _, err := io.ReadFull(z, p.text); err != nil {
		return heldPart{}, fmt.Errorf("read the copy of the log of %s: %w", l.id, err)
	}
	if l.parts = append(l.parts, p); len(l.parts) > heldParts {
		l.parts = l.parts[1:]
	}
	return p, nil
}
