package objectstore

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"
)

// inParts sends size bytes in parts, a few at once; an empty object is one
// empty part. It returns what send returned, in order.
func inParts(ctx context.Context, data io.ReaderAt, size int64, send func(ctx context.Context, n int, part *io.SectionReader) (string, error)) ([]string, error) {
	step := partSize(size)
	out := make([]string, max(1, (size+step-1)/step))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(abreast)
	for n := range out {
		group.Go(func() (err error) {
			from := int64(n) * step
			out[n], err = send(ctx, n, io.NewSectionReader(source{data, cancel}, from, min(step, size-from)))
			return err
		})
	}
	err := group.Wait()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return out, err
}

// source ends all when it cannot be read: a client would take that for a
// connection that broke, and try again.
type source struct {
	data   io.ReaderAt
	cancel context.CancelCauseFunc
}

func (s source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.data.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		s.cancel(err)
	}
	return n, err
}
