package jsonl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/taps/files"
	"elt/taps/shape"
)

// shape looks at all records: a property seen first in the last one must not
// be lost.
func (e *entity) shape(ctx context.Context, found []files.File, strict bool) (*shape.Shape, error) {
	s := shape.New(*e.Infer)
	for _, from := range found {
		if err := e.look(ctx, s, from, strict); err != nil {
			return nil, err
		}
	}
	for _, key := range e.Keys {
		if !s.Has(key) && len(s.Names()) > 0 {
			err := fault.New(fault.BadConfig, "tap-jsonl: key %q of entity %q is no property of its records", key, e.Entity)
			if near := fault.Nearest(key, s.Names()); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return nil, err
		}
	}
	return s, nil
}

func (e *entity) look(ctx context.Context, s *shape.Shape, from files.File, strict bool) error {
	path := from.Path
	src, err := e.set().Open(ctx, from)
	if err != nil {
		return err
	}
	defer src.Close()
	in := bufio.NewReaderSize(src, 256<<10)
	var long []byte // a line that is longer than the buffer
	for line := 1; ; line++ {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long[:0], text...)
			for errors.Is(err, bufio.ErrBufferFull) {
				text, err = in.ReadSlice('\n')
				long = append(long, text...)
			}
			text = long
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return files.Torn(path, err)
		}
		if text := bytes.TrimSpace(text); len(text) > 0 {
			if flawed := singer.Members(text, s.Member); flawed != nil && strict {
				return fault.Wrap(fault.BadInput, flawed, "the line is no JSON object").
					WithPosition(fault.Position{File: path, Line: line}, "").WithHint("entity %q wants one JSON object per line", e.Entity)
			}
		}
		if err != nil {
			return nil
		}
		if line%10000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
