package filesink

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"elt/internal/row"
	"elt/targets"
)

// Whole is a kind of file that has an end, as Parquet's footer, so that
// nothing can be appended: each commit makes a new file, and so does each new
// shape of the rows. A file appears complete or not at all.
type Whole interface {
	// Layout tells shapes apart that need files of their own.
	Layout(s *row.Schema) []string
	// Begin starts a file for rows of a shape.
	Begin(w io.Writer, s *row.Schema) (File, error)
}

// File is one that is being written. Batches may have narrower columns than
// the file: one that is text there takes the text of any value.
type File interface {
	// Write adds all rows of a batch. It fails with a Misfit, and has written
	// nothing, when a value cannot stand in its column.
	Write(b *row.Batch) error
	Close() error
}

// Misfit names a column that cannot take a value; it becomes text.
type Misfit struct{ Column string }

func (m Misfit) Error() string { return "column " + m.Column + " cannot take a value" }

// asText is a schema some of whose columns are text.
func asText(s *row.Schema, columns []string) *row.Schema {
	if len(columns) == 0 {
		return s
	}
	out := *s
	out.Columns = slices.Clone(s.Columns)
	for i, c := range out.Columns {
		if slices.Contains(columns, c.Name) {
			out.Columns[i].Wire, out.Columns[i].Precision, out.Columns[i].Scale = row.WireText, 0, 0
		}
	}
	return &out
}

// whole hands batches to the file of the part's open segment.
type whole struct{ d *loader }

// Append writes to the file and leaves dst alone.
func (w whole) Append(dst []byte, b *row.Batch) ([]byte, error) {
	for {
		last := w.d.part.segments[len(w.d.part.segments)-1]
		err := last.whole.Write(b)
		if err == nil {
			last.rows += int64(b.Len())
			return dst, nil
		}
		var misfit Misfit
		if !errors.As(err, &misfit) || slices.Contains(w.d.texts, misfit.Column) {
			return dst, w.d.l.s.dir.full(err)
		}
		w.d.texts = append(w.d.texts, misfit.Column)
		w.d.l.s.report(targets.Change{Stream: w.d.stream, Kind: "widen", Column: misfit.Column, Detail: "text, in a file of its own: a value does not fit the column"})
		w.d.reshape()
		if last.rows == 0 {
			w.d.part.segments = w.d.part.segments[:len(w.d.part.segments)-1]
			if err := w.d.part.discard(last); err != nil {
				return dst, err
			}
		}
		if err := w.d.part.open(w.d.layout); err != nil {
			return dst, err
		}
	}
}

// reshape sets what the next file looks like.
func (d *loader) reshape() {
	d.part.schema = asText(d.kept, d.texts)
	d.layout = d.l.s.o.Whole.Layout(d.part.schema)
}

// spread gives each segment of a publication a file name of its own. Appended
// ones take names that are free, a replacing one removes what an earlier run
// wrote beyond it. The directory is locked.
func (s *Sink) spread(list []publication) ([]publication, error) {
	if s.o.Whole == nil {
		return list, nil
	}
	var out []publication
	for _, p := range list {
		if p.part.schema == nil { // rejects
			out = append(out, p)
			continue
		}
		n := 0
		for _, segment := range p.part.segments {
			one := p
			one.only = segment
			for {
				n++
				one.file = numbered(p.file, n)
				if p.replace || !s.taken(one.file, out) {
					break
				}
			}
			if err := s.own(p.stream, one.file); err != nil {
				return nil, err
			}
			out = append(out, one)
		}
		for p.replace {
			n++
			if old := numbered(p.file, n); s.taken(old, nil) {
				out = append(out, publication{file: old, part: p.part, replace: true, remove: true})
			} else {
				break
			}
		}
	}
	return out, nil
}

func (s *Sink) taken(file string, list []publication) bool {
	_, err := s.dir.root.Lstat(file)
	return !errors.Is(err, fs.ErrNotExist) || slices.ContainsFunc(list, func(p publication) bool { return p.file == file })
}

// numbered is the name of a stream's n-th file: "a.parquet", "a.part2.parquet".
func numbered(file string, n int) string {
	if n == 1 {
		return file
	}
	stem, ext := cutSuffix(file)
	return fmt.Sprintf("%s.part%d%s", stem, n, ext)
}

// cutSuffix cuts ".csv.gz" off.
func cutSuffix(file string) (stem, suffix string) {
	for _, c := range []Compression{Gzip, Zstd} {
		if strings.HasSuffix(file, c.Suffix()) {
			suffix = c.Suffix()
		}
	}
	suffix = path.Ext(strings.TrimSuffix(file, suffix)) + suffix
	return strings.TrimSuffix(file, suffix), suffix
}
