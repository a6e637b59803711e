package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"

	"elt/internal/fault"
)

// Reader reads one version of an object from its start to its end. Where the
// connection breaks it goes on behind the last byte that it has.
type Reader struct {
	ctx    context.Context
	store  Store
	object Object
	at     int64
	body   io.ReadCloser
	failed int // in a row, without a byte between
}

// NewReader reads an object as Stat or List described it.
func NewReader(ctx context.Context, store Store, o Object) *Reader {
	return &Reader{ctx: ctx, store: store, object: o}
}

func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if r.at >= r.object.Size {
			return 0, io.EOF
		}
		if r.body == nil {
			body, err := r.store.Open(r.ctx, r.object.Key, r.object.Version, r.at, -1)
			if err != nil {
				if err = r.again(err); err != nil {
					return 0, err
				}
				continue
			}
			r.body = body
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.object.Size-r.at)])
		if r.at += int64(n); n > 0 {
			r.failed = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		r.body.Close() // it broke; only reads
		r.body = nil
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err = r.again(err); err != nil {
			return 0, err
		}
	}
}

// again waits before the next attempt; an error is that there is none.
func (r *Reader) again(err error) error {
	r.failed++
	var told *fault.Error
	if r.ctx.Err() != nil || r.failed >= attempts || errors.Is(err, ErrChanged) || errors.Is(err, fs.ErrNotExist) || errors.As(err, &told) {
		return fmt.Errorf("read %s behind byte %d: %w", r.object.Key, r.at, err)
	}
	return pause(r.ctx, r.failed)
}

// delay is the wait after attempt n: 100 ms at first, 5 s at most, and up to
// as much again, so that many readers do not come back at once.
func delay(n int) time.Duration {
	d := min(100*time.Millisecond<<(n-1), 5*time.Second)
	return d + rand.N(d)
}

// pause waits before attempt n+1.
func pause(ctx context.Context, n int) error {
	wait := time.NewTimer(delay(n))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the request that is open.
func (r *Reader) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}

// ReaderAt reads any bytes of one version of an object, a request each time.
type ReaderAt struct {
	ctx    context.Context
	store  Store
	object Object
}

// NewReaderAt reads an object as Stat or List described it.
func NewReaderAt(ctx context.Context, store Store, o Object) *ReaderAt {
	return &ReaderAt{ctx, store, o}
}

// ReadAt implements io.ReaderAt.
func (r *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.object.Size {
		return 0, io.EOF
	}
	end := min(off+int64(len(p)), r.object.Size)
	one := &Reader{ctx: r.ctx, store: span{r.store, end}, object: r.object, at: off}
	one.object.Size = end
	n, err := io.ReadFull(one, p[:end-off])
	one.Close() // only reads
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// span is a Store whose objects end at a byte.
type span struct {
	Store
	end int64
}

func (s span) Open(ctx context.Context, key, version string, from, _ int64) (io.ReadCloser, error) {
	return s.Store.Open(ctx, key, version, from, s.end)
}
