package parquet

import (
	"context"
	"fmt"
	"slices"

	"elt/internal/row"
	"elt/taps"
	"elt/taps/files"
)

// batchBytes is when a batch is handed on.
const batchBytes = 256 << 10

// reader carries one entity's files into a stream of rows.
type reader struct {
	entity *entity
	schema *row.Schema
	pool   *row.Pool
	out    *files.Rows
	marks  files.Bookmark
	rows   int64 // handed on in this run
}

func (e *entity) read(ctx context.Context, wanted []string, stamp bool, marks files.Bookmark, out taps.Output) error {
	found, err := e.set().Files(ctx)
	if err != nil {
		return err
	}
	defer found.Close()
	schema, err := e.shape(ctx, found)
	if err != nil {
		return err
	}
	if wanted != nil {
		schema.Columns = slices.DeleteFunc(schema.Columns, func(c row.Column) bool {
			return !slices.Contains(wanted, c.Name) && !slices.Contains(e.Keys, c.Name)
		})
	}
	r := &reader{entity: e, schema: schema, marks: marks, pool: row.NewPool(batchBytes + batchBytes/4)}
	if r.out, err = files.OpenRows(ctx, out, schema, stamp, wanted); err != nil {
		return err
	}
	defer r.out.Close()
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

func (r *reader) file(ctx context.Context, from files.File) error {
	path := from.Path
	skip, unchanged, err := r.marks.Start(ctx, from)
	if err != nil || unchanged {
		return err
	}
	r.out.From(from, skip)
	f, err := r.entity.open(ctx, from)
	if err != nil {
		return err
	}
	defer f.close()
	mark := files.NewMark(from, skip)
	cells, err := f.cells(r.schema)
	if err != nil {
		return err
	}
	for _, group := range f.groups() {
		if n := group.NumRows(); skip >= n {
			skip -= n
			continue
		}
		if err := r.group(ctx, f, group, cells, skip, path, &mark); err != nil {
			return err
		}
		skip = 0
	}
	if from.Version == "" {
		if mark.CRC, err = files.Sum(ctx, from, mark.Size); err != nil {
			return err
		}
	}
	mark.Done = true
	r.marks.Files[path] = mark
	return r.position()
}

// group reads a row group column by column and hands its rows on.
func (r *reader) group(ctx context.Context, f *file, group rowGroup, cells []cell, skip int64, path string, mark *files.Mark) (err error) {
	left := group.NumRows() - skip
	columns, err := f.columns(group, cells, skip)
	defer closeAll(columns)
	if err != nil {
		return err
	}
	var b *row.Batch
	for left > 0 {
		n := int(min(left, chunkRows))
		for _, c := range columns {
			if err := c.fill(n); err != nil {
				return f.broken(err)
			}
		}
		for i := range n {
			if b == nil {
				b = r.pool.Get(r.schema)
			}
			b.Begin()
			for k := range cells {
				if err := columns[k].put(b, i); err != nil {
					return fmt.Errorf("%s: row %d: %w", path, mark.Rows+1, err)
				}
			}
			b.End()
			mark.Rows++
			if len(b.Data) < batchBytes {
				continue
			}
			if err := r.hand(ctx, b, path, *mark); err != nil {
				return err
			}
			b = nil
		}
		left -= int64(n)
	}
	if b == nil {
		return nil
	}
	return r.hand(ctx, b, path, *mark)
}

func (r *reader) hand(ctx context.Context, b *row.Batch, path string, mark files.Mark) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.rows += int64(b.Len())
	if err := r.out.Write(b); err != nil {
		return err
	}
	r.marks.Files[path] = mark
	return r.position()
}

func (r *reader) position() error {
	value, err := r.marks.Value()
	if err != nil {
		return err
	}
	return r.out.Position(taps.Position{Stream: r.entity.Entity, Value: value, Exact: true, Rows: r.rows})
}
