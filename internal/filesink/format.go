package filesink

import (
	"io"

	"elt/internal/row"
)

// Format is how rows look in a kind of file.
type Format interface {
	// Layout is the columns that a file for rows of this schema has, given
	// those that it already has (nil: a new file). A kind of file without a
	// head has none, and returns nil.
	Layout(have []string, s *row.Schema) []string
	// Encoder writes rows of a schema into a file of a layout.
	Encoder(s *row.Schema, layout []string) Encoder
	// Head is what a file of that layout begins with.
	Head(layout []string) []byte
	// ReadHead is the inverse; it returns the length of the head, too.
	ReadHead(r io.Reader) (layout []string, length int64, err error)
	// Convert copies rows (no head) from one layout to another.
	Convert(dst io.Writer, src io.Reader, from, to []string) error
}

// Encoder appends all rows of a batch to dst.
type Encoder interface {
	Append(dst []byte, b *row.Batch) ([]byte, error)
}

// Headless is the part of a Format whose files have rows only.
type Headless struct{}

func (Headless) Layout([]string, *row.Schema) []string       { return nil }
func (Headless) Encoder(*row.Schema, []string) Encoder       { return nil }
func (Headless) Head([]string) []byte                        { return nil }
func (Headless) ReadHead(io.Reader) ([]string, int64, error) { return nil, 0, nil }
func (Headless) Convert(dst io.Writer, src io.Reader, _, _ []string) error {
	_, err := io.Copy(dst, src)
	return err
}

// filtered leaves out columns before its Encoder sees the rows.
type filtered struct {
	to      Encoder
	kept    *row.Schema
	keep    []bool
	scratch row.Batch
}

func newFiltered(to Encoder, schema, kept *row.Schema) *filtered {
	f := &filtered{to: to, kept: kept}
	for _, c := range schema.Columns {
		f.keep = append(f.keep, kept.Index(c.Name) >= 0)
	}
	return f
}

func (f *filtered) Append(dst []byte, b *row.Batch) ([]byte, error) {
	f.scratch.Reset(f.kept)
	for i := range b.Len() {
		f.scratch.Begin()
		fields := b.Fields(i)
		for _, keep := range f.keep {
			field, state := fields.Next()
			switch {
			case !keep:
			case state == row.Value:
				f.scratch.Field(field)
			case state == row.IsNull:
				f.scratch.Null()
			default:
				f.scratch.SkipField()
			}
		}
		f.scratch.EndAs(b.Op(i))
	}
	return f.to.Append(dst, &f.scratch)
}
