package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps/files"
)

// chunkRows is how many values of each column are decoded at a time.
const chunkRows = 1024

// kindsKey is where target-parquet notes which columns are text because no
// Parquet type holds their values: a JSON object of column to row.Kind.
const kindsKey = "elt.kinds"

// rowGroup is one of a file.
type rowGroup struct {
	parquet.RowGroup
	at int // which, from 0
}

// file is an open Parquet file.
type file struct {
	path   string
	bytes  *files.Random
	in     *parquet.File
	leaves []leaf
}

// leaf is a top-level column of a file.
type leaf struct {
	column row.Column
	file   *parquet.Column
	at     int          // among the file's leaf columns
	nested func() *node // nil: it is plain. Each row group has its own
	// decode appends a value that is not NULL in the column's wire.
	decode func(dst []byte, v parquet.Value) ([]byte, error)
	// constant: all rows have the value that the file's path says (nil: NULL).
	constant bool
	value    []byte
	vague    bool // it is NULL, and of no type that is known
}

// remoteBuffer is how much of a column is asked for at once.
const remoteBuffer = 256 << 10

func (e *entity) open(ctx context.Context, from files.File) (*file, error) {
	f := &file{path: from.Path}
	var err error
	if f.bytes, err = from.Random(ctx); err != nil {
		return nil, fmt.Errorf("open a Parquet file: %w", err)
	}
	if err := f.read(); err != nil {
		f.close()
		return nil, f.broken(err)
	}
	if e.hive {
		if err := f.partition(from, e.types); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

// read reads the footer.
func (f *file) read() error {
	options := []parquet.FileOption{parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true)}
	if f.bytes.Remote {
		options = append(options, parquet.ReadBufferSize(remoteBuffer))
	}
	if err := guarded(func() (err error) {
		f.in, err = parquet.OpenFile(f.bytes, f.bytes.Size, options...)
		return err
	}); err != nil {
		return err
	}
	kinds := map[string]string{}
	if note, ok := f.in.Lookup(kindsKey); ok {
		if err := json.Unmarshal([]byte(note), &kinds); err != nil {
			return fmt.Errorf("its key %s: %w", kindsKey, err)
		}
	}
	for _, c := range f.in.Root().Columns() {
		l := leaf{nested: func() *node { return treeOf(c) }, column: row.Column{Name: c.Name(), Kind: row.JSON, Wire: row.WireJSON}}
		if c.Leaf() && !c.Repeated() {
			l = leafOf(c, row.KindByName(kinds[c.Name()]))
		}
		l.column.Name, l.column.Nullable = c.Name(), true
		f.leaves = append(f.leaves, l)
	}
	return nil
}

func (f *file) close() { f.bytes.Close() } // only reads

func (f *file) groups() (out []rowGroup) {
	for i, g := range f.in.RowGroups() {
		out = append(out, rowGroup{g, i})
	}
	return out
}

// chunk opens a leaf's values in a row group, from row skip on.
func (f *file) chunk(group rowGroup, l *leaf, skip int64) (one chunk, err error) {
	if l.file.Type().Kind() == parquet.Boolean {
		one, err = f.booleans(group.at, l.file)
	} else {
		one = pages{group.ColumnChunks()[l.at].Pages()}
	}
	if err != nil || skip == 0 {
		return one, err
	}
	return one, one.seek(skip)
}

// broken names the file of what cannot be read.
func (f *file) broken(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fault.Wrap(fault.BadInput, err, "%s cannot be read as Parquet", f.path).
		WithHint("is it complete, and a Parquet file?")
}

// guarded makes an error of a panic, with which the library answers some
// files that are damaged.
func guarded(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file is damaged: %v", r)
		}
	}()
	return do()
}

// cell is where a column of the stream comes from.
type cell struct {
	leaf    *leaf       // nil: the file has no such column
	convert row.Convert // nil: as it is
	value   []byte      // of a leaf that is constant, in the stream's type; nil: NULL
}

// cells matches the stream's columns with the file's.
func (f *file) cells(s *row.Schema) ([]cell, error) {
	out := make([]cell, len(s.Columns))
	for i, c := range s.Columns {
		for n := range f.leaves {
			l := &f.leaves[n]
			if l.column.Name != c.Name {
				continue
			}
			convert, ok := row.Converter(l.column, c)
			if !ok {
				return nil, fault.New(fault.BadInput, "%s: column %q is %s, which does not go with %s in other files", f.path, c.Name, l.column.Kind, c.Kind)
			}
			out[i] = cell{leaf: l, convert: convert}
			if err := out[i].fix(); err != nil {
				return nil, fmt.Errorf("%s: column %q: %w", f.path, c.Name, err)
			}
		}
	}
	return out, nil
}

// fix converts a constant once for all rows.
func (c *cell) fix() (err error) {
	if c.value = c.leaf.value; c.value != nil && c.convert != nil {
		c.value, err = c.convert([]byte{}, c.leaf.value)
	}
	return err
}

// column reads one column of a row group.
type column struct {
	cell
	nested  *node // nil: it is plain
	pages   chunk
	values  parquet.ValueReader // of the open page
	buf     []parquet.Value
	scratch []byte
	text    []byte
}

// columns opens those that are wanted, at row skip; no other is read.
func (f *file) columns(group rowGroup, cells []cell, skip int64) (out []*column, err error) {
	for _, c := range cells {
		one := &column{cell: c}
		out = append(out, one)
		if c.leaf == nil || c.leaf.constant {
			continue
		}
		if err := guarded(func() error { return one.open(f, group, skip) }); err != nil {
			return out, f.broken(err)
		}
	}
	return out, nil
}

// open opens the column's values at row skip.
func (c *column) open(f *file, group rowGroup, skip int64) (err error) {
	if c.leaf.nested == nil {
		c.pages, err = f.chunk(group, c.leaf, skip)
		return err
	}
	c.nested = c.leaf.nested()
	for _, l := range c.nested.leaves {
		l.cursor = &cursor{}
		if l.cursor.pages, err = f.chunk(group, l.leaf, skip); err != nil {
			return err
		}
	}
	return nil
}

func closeAll(columns []*column) {
	for _, c := range columns {
		if c.nested != nil {
			for _, l := range c.nested.leaves {
				if l.cursor != nil && l.cursor.pages != nil {
					l.cursor.pages.Close() // only reads
				}
			}
		}
		if c.pages != nil {
			c.pages.Close() // only reads
		}
	}
}

// fill reads n values.
func (c *column) fill(n int) error {
	if c.leaf == nil || c.leaf.constant || c.nested != nil {
		return nil
	}
	if cap(c.buf) < n {
		c.buf = make([]parquet.Value, n)
	}
	c.buf = c.buf[:n]
	return guarded(func() error {
		for got := 0; got < n; {
			if c.values == nil {
				var err error
				if c.values, err = c.pages.next(); errors.Is(err, io.EOF) {
					return io.ErrUnexpectedEOF
				} else if err != nil {
					return err
				}
			}
			m, err := c.values.ReadValues(c.buf[got:n])
			got += m
			switch {
			case errors.Is(err, io.EOF):
				c.values = nil
			case err != nil:
				return err
			}
		}
		return nil
	})
}

// putNested appends the next value of a nested column.
func (c *column) putNested(b *row.Batch) error {
	v, err := c.nested.must()
	if err != nil {
		return err
	}
	if v.DefinitionLevel() < c.nested.def {
		b.Null()
		return c.nested.pass()
	}
	b.Open()
	if c.convert == nil {
		b.Data, err = c.nested.append(b.Data, &c.scratch)
	} else if c.text, err = c.nested.append(c.text[:0], &c.scratch); err == nil {
		b.Data, err = c.convert(b.Data, c.text)
	}
	b.Close()
	if err != nil {
		return fmt.Errorf("column %q: %w", c.leaf.column.Name, err)
	}
	return nil
}

// put appends value i to a row.
func (c *column) put(b *row.Batch, i int) (err error) {
	if c.nested != nil {
		return guarded(func() error { return c.putNested(b) })
	}
	switch {
	case c.leaf != nil && c.leaf.constant && c.value != nil:
		b.Field(c.value)
		return nil
	case c.leaf == nil, c.leaf.constant, c.buf[i].IsNull():
		b.Null()
		return nil
	}
	b.Open()
	if c.convert == nil {
		b.Data, err = c.leaf.decode(b.Data, c.buf[i])
	} else if c.scratch, err = c.leaf.decode(c.scratch[:0], c.buf[i]); err == nil {
		b.Data, err = c.convert(b.Data, c.scratch)
	}
	b.Close()
	if err != nil {
		return fmt.Errorf("column %q: %w", c.leaf.column.Name, err)
	}
	return nil
}
