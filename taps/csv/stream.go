package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps"
	"elt/taps/files"
)

// batchBytes is when a batch is handed on.
const batchBytes = 256 << 10

// reader carries one entity's files into a stream of rows.
type reader struct {
	settings *settings
	entity   *entity
	wanted   []string // selected columns, nil: all
	schema   *row.Schema
	pool     *row.Pool
	batch    *row.Batch
	out      *files.Rows
	marks    files.Bookmark
	rows     int64 // handed on in this run
	bad      *files.BadRows
}

func (s *settings) stream(ctx context.Context, e *entity, wanted []string, marks files.Bookmark, out taps.Output) (err error) {
	found, err := e.set().Files(ctx)
	if err != nil {
		return err
	}
	defer found.Close()
	schema, err := s.schema(ctx, e, found)
	if err != nil {
		return err
	}
	r := &reader{settings: s, entity: e, wanted: wanted, marks: marks, bad: s.BadRows(e.Entity), pool: row.NewPool(batchBytes + batchBytes/4)}
	r.schema = r.selected(schema)
	if r.out, err = files.OpenRows(ctx, out, r.schema, s.Stamp, wanted); err != nil {
		return err
	}
	defer r.out.Close()
	defer func() { err = errors.Join(err, r.bad.Close(ctx)) }()
	for _, from := range found {
		if err := r.file(ctx, from); err != nil {
			return err
		}
	}
	if err := r.position(); err != nil {
		return err
	}
	return r.out.End()
}

// selected is the schema without what the user left out; keys always stay.
func (r *reader) selected(s *row.Schema) *row.Schema {
	if r.wanted == nil {
		return s
	}
	out := *s
	out.Columns = nil
	for _, c := range s.Columns {
		if slices.Contains(r.wanted, c.Name) || slices.Contains(s.Key, c.Name) {
			out.Columns = append(out.Columns, c)
		}
	}
	return &out
}

func (r *reader) file(ctx context.Context, from files.File) error {
	path := from.Path
	skip, unchanged, err := r.marks.Start(ctx, from)
	if err != nil || unchanged {
		return err
	}
	r.out.From(from, skip)
	src, err := r.entity.set().Open(ctx, from)
	if err != nil {
		return err
	}
	defer src.Close()
	format, err := r.entity.format()
	if err != nil {
		return err
	}
	scan := newScanner(src, format)
	m := files.NewMark(from, 0)
	names, err := header(scan)
	if err != nil && !errors.Is(err, io.EOF) {
		return badLine(path, scan.line, err)
	}
	f := &file{reader: r, path: path, mtime: from.Modified.UnixMicro() - epochMicros, names: names}
	f.match()
	for err == nil {
		var fields [][]byte
		if fields, err = scan.record(); err != nil {
			if !flawed(err) || r.bad.Fatal() {
				break
			}
			flaw := unreadable{badLine(path, scan.line, err)}
			if m.Rows++; m.Rows > skip {
				err = r.leave(scan.pass(), m.Rows, flaw)
			} else {
				scan.pass()
				err = nil
			}
			continue
		}
		if m.Rows++; m.Rows <= skip {
			continue
		}
		// Fields are cut at ASCII characters: those of a valid record are valid.
		f.utf8 = utf8.Valid(scan.raw())
		if rowErr := f.row(fields, scan.line); rowErr != nil {
			if err := r.leave(scan.raw(), m.Rows, rowErr); err != nil {
				return err
			}
			continue
		}
		if len(r.batch.Data) >= batchBytes {
			r.marks.Files[path] = m
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
	}
	var left unreadable
	switch {
	case errors.As(err, &left):
		return left
	case !errors.Is(err, io.EOF):
		return badLine(path, scan.line, err)
	}
	if r.marks.Files[path], err = src.Mark(m); err != nil {
		return fmt.Errorf("read %s to its end: %w", path, err)
	}
	return r.flush(ctx)
}

// unreadable is an error of a row's text.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

// leave leaves out the record that is a file's n-th, if it is unreadable and
// that is allowed.
func (r *reader) leave(raw []byte, n int64, cause error) error {
	var text unreadable
	if !errors.As(cause, &text) {
		return cause // of the destination
	}
	if err := r.bad.Take(raw, text.error); err != nil {
		return err
	}
	r.out.Gap(n)
	r.out.Rejected(1)
	return nil
}

// flush hands the batch on, and says how far that brings us.
func (r *reader) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.hand(); err != nil {
		return err
	}
	return r.position()
}

func (r *reader) hand() error {
	if r.batch == nil || r.batch.Len() == 0 {
		return nil
	}
	b := r.batch
	r.batch = nil
	r.rows += int64(b.Len())
	return r.out.Write(b)
}

func (r *reader) position() error {
	if err := r.bad.Flush(); err != nil {
		return err
	}
	value, err := r.marks.Value()
	if err != nil {
		return err
	}
	return r.out.Position(taps.Position{Stream: r.entity.Entity, Value: value, Exact: true, Rows: r.rows})
}

// 2000-01-01 UTC in Unix microseconds.
const epochMicros = 946684800 * 1_000_000

// file maps one file's fields to the stream's columns.
type file struct {
	*reader
	path  string
	mtime int64
	names []string
	utf8  bool  // the record at hand is valid
	from  []int // per column of the schema: the field it comes from, or one of the below
}

const (
	absent = -1 - iota
	fromFile
	fromMtime
	fromLine
)

func (f *file) match() {
	f.from = f.from[:0]
	for _, c := range f.schema.Columns {
		at := slices.Index(f.names, c.Name)
		if at < 0 && f.settings.AddMetadata {
			switch c.Name {
			case sourceFile:
				at = fromFile
			case sourceMtime:
				at = fromMtime
			case sourceLine:
				at = fromLine
			}
		}
		f.from = append(f.from, at)
	}
}

// row appends one record; when a field does not fit its column, the column is
// widened and the record begun again.
func (f *file) row(fields [][]byte, line int64) error {
	if len(fields) > len(f.names) {
		for _, extra := range fields[len(f.names):] {
			if len(extra) > 0 {
				return unreadable{fault.New(fault.BadInput, "the row has %d fields, but the header has %d", len(fields), len(f.names)).
					WithPosition(fault.Position{File: f.path, Line: int(line)}, "").
					WithHint("check delimiter and quotechar of %s", f.entity)}
			}
		}
	}
	for {
		misfit, err := f.try(fields, line)
		if err != nil {
			f.batch.Drop()
			return err
		}
		if misfit < 0 {
			return nil
		}
		f.batch.Drop()
		if err := f.widen(misfit, fields[f.from[misfit]]); err != nil {
			return err
		}
	}
}

// try builds the row; misfit is the column whose field does not fit, -1 for none.
func (f *file) try(fields [][]byte, line int64) (misfit int, err error) {
	if f.batch == nil {
		f.batch = f.pool.Get(f.schema)
	}
	b := f.batch
	b.Begin()
	for i := range f.schema.Columns {
		c, at := &f.schema.Columns[i], f.from[i]
		if at < 0 {
			f.metadata(b, at, line)
			continue
		}
		if at >= len(fields) {
			b.Null() // a short row
			continue
		}
		field := fields[at]
		switch {
		case len(field) == 0 && (c.Kind != row.Text || f.entity.Empty == "null" || f.entity.Empty == "unquoted" && field == nil):
			if slices.Contains(f.schema.Key, c.Name) {
				return -1, unreadable{fault.New(fault.BadInput, "key column %q is empty", c.Name).
					WithPosition(fault.Position{File: f.path, Line: int(line)}, "").WithHint("choose other keys for %s, or none", f.entity)}
			}
			b.Null()
		case c.Kind == row.Text && !f.utf8 && !utf8.Valid(field):
			return -1, unreadable{fault.New(fault.BadInput, "column %q is not UTF-8", c.Name).
				WithPosition(fault.Position{File: f.path, Line: int(line)}, "").
				WithHint("set encoding of %s, for example latin-1 or windows-1252", f.entity)}
		case !put(b, c, field):
			return i, nil
		}
	}
	b.End()
	return -1, nil
}

func (f *file) metadata(b *row.Batch, which int, line int64) {
	switch which {
	case fromFile:
		b.Str(f.path)
	case fromMtime:
		b.Int8(f.mtime)
	case fromLine:
		b.Int8(line)
	default:
		b.Null()
	}
}

// widen gives column i a type that holds the field, and announces it.
func (f *file) widen(i int, field []byte) error {
	if err := f.hand(); err != nil {
		return err
	}
	if f.batch != nil {
		f.batch.Release()
		f.batch = nil
	}
	wider := *f.schema
	wider.Columns = slices.Clone(f.schema.Columns)
	have := wider.Columns[i]
	c := row.Widen(have, columnOf(have.Name, field))
	switch {
	case c.Kind == row.Numeric:
		c.Precision, c.Scale = 0, 0 // rows with more digits may be there already
	case c.Kind == have.Kind:
		c.Kind, c.Wire = row.Text, row.WireText
	}
	wider.Columns[i] = c
	f.schema = &wider
	return f.out.Schema(f.schema)
}
