package parquet

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"elt/internal/fault"
	"elt/internal/filesink"
	"elt/internal/hive"
	"elt/internal/row"
)

// format is how files are written; it implements filesink.Whole.
type format struct {
	codec    compress.Codec
	rowGroup int64 // bytes of row data
	typed    bool  // objects and arrays of known shape are nested columns
}

const (
	pageBytes = 256 << 10
	// A dictionary that outgrows this does not pay: the column goes on without.
	dictionaryBytes = 1 << 20
	// kindsKey is a file's key for the columns that are text because no
	// Parquet type holds their values: a JSON object of column to row.Kind.
	// tap-parquet makes of them again what they were.
	kindsKey = "elt.kinds"
)

// Layout tells apart what needs files of their own.
func (f format) Layout(s *row.Schema) []string {
	var out []string
	for _, c := range s.Columns {
		if shape := f.shapeOf(s, c); shape != nil {
			out = append(out, fmt.Sprintf("%s %v", c.Name, shape.node()))
			continue
		}
		out = append(out, fmt.Sprintf("%s %s %v", c.Name, c.Kind, typeOf(c).node))
	}
	return out
}

// shapeOf is the shape of a column that is nested in the file, else nil.
func (f format) shapeOf(s *row.Schema, c row.Column) *shape {
	if !f.typed || c.Kind != row.JSON || c.Wire == row.WireText || c.Mixed {
		return nil
	}
	return shapeOf(s, c.Name)
}

// group is a parquet.Group that keeps its columns in order.
type group struct {
	parquet.Group
	fields []parquet.Field
}

func (g group) Fields() []parquet.Field { return g.fields }
func (g group) GoType() reflect.Type    { return reflect.TypeFor[struct{}]() }

type field struct {
	parquet.Node
	name string
}

func (f field) Name() string                        { return f.name }
func (f field) Value(v reflect.Value) reflect.Value { return v }

// Begin implements filesink.Whole.
func (f format) Begin(w io.Writer, s *row.Schema, partition []hive.Value) (filesink.File, error) {
	if len(s.Columns) == 0 {
		return nil, fault.New(fault.Failed, "stream %s has no columns, which a Parquet file must have", s.Stream)
	}
	out := &file{format: f, stream: s.Stream, marker: s.Index("_sdc_deleted_at")}
	root := group{Group: parquet.Group{}}
	kinds := map[string]string{}
	for i, c := range s.Columns {
		if shape := f.shapeOf(s, c); shape != nil {
			root.fields = append(root.fields, field{shape.node(), c.Name})
			out.columns = append(out.columns, &column{name: c.Name, at: i})
			out.nested = append(out.nested, newNested(shape, 0, 0, &out.leaves))
			continue
		}
		t := typeOf(c)
		root.fields = append(root.fields, field{parquet.Optional(t.node), c.Name})
		plain := &column{name: c.Name, at: i, typ: t}
		out.columns, out.nested, out.leaves = append(out.columns, plain), append(out.nested, nil), append(out.leaves, plain)
		if t.text && c.Kind != row.Text && c.Kind != row.JSON && !c.Mixed {
			kinds[c.Name] = c.Kind.String()
		}
	}
	options := []parquet.WriterOption{parquet.NewSchema(s.Stream, root), parquet.Compression(f.codec),
		parquet.PageBufferSize(pageBytes), parquet.DictionaryMaxBytes(dictionaryBytes)}
	if len(kinds) > 0 {
		text, err := json.Marshal(kinds)
		if err != nil {
			return nil, err
		}
		options = append(options, parquet.KeyValueMetadata(kindsKey, string(text)))
	}
	if len(partition) > 0 {
		text, err := json.Marshal(partition)
		if err != nil {
			return nil, err
		}
		options = append(options, parquet.KeyValueMetadata(hive.NoteKey, string(text)))
	}
	for i, leaf := range out.leaves {
		leaf.index = i
	}
	out.w = parquet.NewWriter(w, options...)
	return out, nil
}

// file is a Parquet file that is being written, column by column.
type file struct {
	format
	w       *parquet.Writer
	stream  string
	columns []*column   // of the stream
	nested  []*nested   // by column, nil: it is plain
	leaves  []*column   // of the file: the plain columns, and what nested ones are made of
	source  *row.Schema // of the batches that columns are ready for
	marker  int
	size    int64 // of row data in the open row group
}

// Write turns a batch by 90 degrees. Nothing is written before all of it fits.
func (f *file) Write(b *row.Batch) error {
	if b.Schema != f.source {
		for n, c := range f.columns {
			if f.nested[n] == nil {
				c.read(b.Schema.Columns[c.at])
			}
		}
		f.source = b.Schema
	}
	for _, c := range f.leaves {
		c.values, c.arena, c.size = c.values[:0], c.arena[:0], 0
	}
	for i := range b.Len() {
		if b.Op(i) == row.Delete && f.marker < 0 {
			return fault.New(fault.Failed, "stream %s has deleted rows, but no _sdc_deleted_at to mark them with", f.stream)
		}
		fields := b.Fields(i)
		for n, c := range f.columns {
			value, state := fields.Next()
			if nested := f.nested[n]; nested != nil {
				if state != row.Value {
					nested.absent(0, 0)
				} else if err := nested.write(row.JSONText(&b.Schema.Columns[c.at], value), 0); err != nil {
					return filesink.Misfit{Column: c.name}
				}
				continue
			}
			if state != row.Value {
				c.values = append(c.values, parquet.Value{}.Level(0, 0, c.index))
				continue
			}
			v, ok := c.value(value)
			if !ok {
				return filesink.Misfit{Column: c.name}
			}
			c.size += int64(len(value))
			c.values = append(c.values, v.Level(0, 1, c.index))
		}
	}
	for n, w := range f.w.ColumnWriters() {
		c := f.leaves[n]
		if _, err := w.WriteRowValues(c.values); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
		// A page of dictionary indexes is small, what they stand for may not be.
		if c.page += c.size; c.page >= pageBytes {
			c.page = 0
			if err := w.Flush(); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
	}
	if f.size += int64(len(b.Data)); f.size < f.rowGroup {
		return nil
	}
	f.size = 0
	return f.w.Flush()
}

// Close implements filesink.File.
func (f *file) Close() error { return f.w.Close() }
