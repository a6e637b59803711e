package filesink

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"elt/internal/hive"
	"elt/internal/row"
	"elt/targets"
)

// Whole is a kind of file that has an end, as Parquet's footer, so that
// nothing can be appended: each commit makes a new file, and so does each new
// shape of the rows. A file appears complete or not at all.
type Whole interface {
	// Layout tells shapes apart that need files of their own.
	Layout(s *row.Schema) []string
	// Begin starts a file for rows of a shape; partition is the values of the
	// columns that the file does not have, where it is one of a partition.
	Begin(w io.Writer, s *row.Schema, partition []hive.Value) (File, error)
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
		if !errors.As(err, &misfit) || !w.d.widen(misfit.Column) {
			return dst, w.d.l.s.dir.full(err)
		}
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

// widen makes a column text from now on. It says false when it is text already.
func (d *loader) widen(column string) bool {
	if slices.Contains(d.texts, column) {
		return false
	}
	d.texts = append(d.texts, column)
	d.l.s.report(targets.Change{Stream: d.stream, Kind: "widen", Column: column, Detail: "text, in a file of its own: a value does not fit the column"})
	d.reshape()
	return true
}

// reshape sets what the next file looks like.
func (d *loader) reshape() {
	schema := d.kept
	if d.parted != nil {
		schema = d.parted.rest
	}
	d.part.schema = asText(schema, d.texts)
	d.layout = d.l.s.o.Whole.Layout(d.part.schema)
}

// wholeEncoder writes rows of the schema d.kept into files with an end.
func (d *loader) wholeEncoder() (Encoder, error) {
	columns := d.l.s.o.partitions(d.stream)
	if len(columns) == 0 {
		d.reshape()
		return whole{d}, nil
	}
	parted, err := newPartitioned(d, columns, d.kept)
	if err != nil {
		return nil, err
	}
	d.parted = parted
	d.reshape()
	return parted, nil
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
		var names numbers
		used := map[string]bool{}
		for _, segment := range p.part.segments {
			one := p
			one.only = segment
			for one.file = names.next(p.file, segment.folder); !p.replace && s.taken(one.file, out); {
				one.file = names.next(p.file, segment.folder)
			}
			if err := s.own(p.stream, one.file); err != nil {
				return nil, err
			}
			used[one.file] = true
			out = append(out, one)
		}
		if !p.replace {
			continue
		}
		old, err := s.older(p, used)
		if err != nil {
			return nil, err
		}
		for _, file := range old {
			if !used[file] {
				out = append(out, publication{file: file, part: p.part, replace: true, remove: true})
			}
		}
	}
	return out, nil
}

// older are the files that earlier runs wrote of what p replaces; some of
// their names are used again.
func (s *Sink) older(p publication, used map[string]bool) (out []string, _ error) {
	if len(s.o.partitions(p.stream)) == 0 {
		for n := 1; ; n++ {
			file := numbered(p.file, n)
			if !used[file] && !s.taken(file, nil) {
				return out, nil
			}
			out = append(out, file)
		}
	}
	top := parent(p.file)
	err := fs.WalkDir(s.dir.root.FS(), top, func(file string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case e.IsDir() && file != top && !hive.IsFolder(e.Name()):
			return fs.SkipDir
		case !e.IsDir() && isOf(p.file, file):
			out = append(out, file)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for what an earlier run left in %s: %w", s.dir.path(top), err)
	}
	return out, nil
}

func (s *Sink) taken(file string, list []publication) bool {
	_, err := s.dir.root.Lstat(file)
	return !errors.Is(err, fs.ErrNotExist) || slices.ContainsFunc(list, func(p publication) bool { return p.file == file })
}

// inFolder is the name of a stream's file in a partition's folder.
func inFolder(file, folder string) string { return path.Join(parent(file), folder, path.Base(file)) }

// isOf says whether a name is one that a stream's files may have, in a folder
// of any partition or in none.
func isOf(file, name string) bool {
	rest, ok := strings.CutPrefix(name, parent(file)+"/")
	if ok = ok || parent(file) == "."; !ok {
		return false
	}
	if parent(file) == "." {
		rest = name
	}
	folders := strings.Split(rest, "/")
	for _, folder := range folders[:len(folders)-1] {
		if !hive.IsFolder(folder) {
			return false
		}
	}
	base := folders[len(folders)-1]
	stem, ext := cutSuffix(path.Base(file))
	number, ok := strings.CutPrefix(strings.TrimSuffix(base, ext), stem)
	if !ok || !strings.HasSuffix(base, ext) {
		return false
	}
	if number == "" {
		return true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(number, ".part"))
	return err == nil && base == numbered(path.Base(file), n)
}

// numbers counts the files of a stream in each folder.
type numbers map[string]int

// next is the next name.
func (n *numbers) next(file, folder string) string {
	if *n == nil {
		*n = numbers{}
	}
	(*n)[folder]++
	return numbered(inFolder(file, folder), (*n)[folder])
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
