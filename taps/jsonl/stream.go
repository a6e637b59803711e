package jsonl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/files"
)

// reader is the singer.Handler that carries the rows of one entity on.
type reader struct {
	entity *entity
	out    taps.Output
	stamp  bool
	wanted []string
	to     *files.Rows // nil until the first schema
	marks  files.Bookmark
	file   files.File
	mark   files.Mark
	skip   int64
	rows   int64
	bad    *files.BadRows
}

func (e *entity) read(ctx context.Context, wanted []string, s files.Settings, marks files.Bookmark, out taps.Output) (err error) {
	found, err := e.set().Files(ctx)
	if err != nil {
		return err
	}
	defer found.Close()
	shape, err := e.shape(ctx, found, s.BadRows(e.Entity).Fatal())
	if err != nil {
		return err
	}
	schema, err := shape.Schema(wanted)
	if err != nil {
		return err
	}
	r := &reader{entity: e, out: out, stamp: s.Stamp, wanted: wanted, marks: marks, bad: s.BadRows(e.Entity)}
	defer func() {
		if r.to != nil {
			r.to.Close()
		}
		err = errors.Join(err, r.bad.Close(ctx))
	}()
	// One Reader for all files, so that what a value has widened stays so.
	in := singer.NewReader(nil, singer.ReaderOptions{NUL: singer.NULKeep, OnBad: r.leave})
	for _, from := range found {
		if err := r.read(ctx, in, schema, from); err != nil {
			return err
		}
	}
	return r.to.End()
}

func (r *reader) read(ctx context.Context, in *singer.Reader, schema json.RawMessage, from files.File) error {
	path := from.Path
	skip, unchanged, err := r.marks.Start(ctx, from)
	if err != nil {
		return err
	}
	src, err := r.entity.set().Open(ctx, from)
	if err != nil {
		return err
	}
	defer src.Close()
	if unchanged {
		// The stream is announced all the same.
		return in.Records(ctx, strings.NewReader(""), r, r.entity.Entity, schema, r.entity.Keys, path, 0)
	}
	r.file, r.mark, r.skip = from, files.NewMark(from, skip), skip
	r.announce()
	if err := in.Records(ctx, src, r, r.entity.Entity, schema, r.entity.Keys, path, skip); err != nil {
		return err
	}
	if r.mark, err = src.Mark(r.mark); err != nil {
		return fmt.Errorf("read %s to its end: %w", path, err)
	}
	return r.position()
}

// announce tells the stream, once it is open, which file is being read.
func (r *reader) announce() {
	if r.to != nil && r.file.Path != "" {
		r.to.From(r.file, r.skip)
	}
}

// leave decides about a record that cannot be read.
func (r *reader) leave(b singer.BadRecord) error {
	cause := b.Err
	var known *fault.Error
	if errors.As(cause, &known) && known.At.File == "" { // the message begins with the place
		text := strings.TrimLeft(strings.TrimPrefix(known.Msg, fmt.Sprintf("%s, line %d", r.file.Path, b.Line)), " ,:")
		cause = fault.New(fault.BadInput, "%s", text).WithPosition(fault.Position{File: r.file.Path, Line: int(b.Line)}, "").WithHint("%s", known.Hint)
	}
	if err := r.bad.Take(b.Raw, cause); err != nil {
		return err
	}
	r.mark.Rows++
	if r.to != nil {
		r.to.Gap(b.Record)
		r.to.Rejected(1)
	}
	return nil
}

func (r *reader) Schema(ctx context.Context, schema *row.Schema) (err error) {
	if r.to == nil {
		if r.to, err = files.OpenRows(ctx, r.out, schema, r.stamp, r.wanted); err != nil {
			r.to = nil
			return err
		}
		r.announce()
		return nil
	}
	return r.to.Schema(schema)
}

func (r *reader) Write(_ context.Context, b *row.Batch) error {
	n := int64(b.Len())
	if err := r.to.Write(b); err != nil {
		return err
	}
	r.rows += n
	r.mark.Rows += n
	return r.position()
}

func (r *reader) position() error {
	if err := r.bad.Flush(); err != nil {
		return err
	}
	r.marks.Files[r.file.Path] = r.mark
	value, err := r.marks.Value()
	if err != nil {
		return err
	}
	return r.to.Position(taps.Position{Stream: r.entity.Entity, Value: value, Exact: true, Rows: r.rows})
}

// State, Activate and Tick are not heard of in bare records.

func (r *reader) State(context.Context, json.RawMessage) error  { return nil }
func (r *reader) Activate(context.Context, string, int64) error { return nil }
func (r *reader) Tick(context.Context) error                    { return nil }
