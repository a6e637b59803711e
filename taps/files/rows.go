package files

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

// 2000-01-01 UTC in Unix microseconds.
const epochMicros = 946684800 * 1_000_000

// stamps are the columns that say where a row comes from.
var stamps = []row.Column{
	{Name: "_file", Kind: row.Text, Wire: row.WireText, Nullable: true},
	{Name: "_line", Kind: row.Int64, Wire: row.WireInt8, Nullable: true},
	{Name: "_modified", Kind: row.TimestampTZ, Wire: row.WireTimestampTZ, Nullable: true},
	{Name: "_synced", Kind: row.TimestampTZ, Wire: row.WireTimestampTZ, Nullable: true},
}

// stampSetting asks for the columns.
func stampSetting() spec.Setting {
	return spec.Setting{Name: "add_file_columns", Type: spec.Boolean, Default: false, Example: "true",
		Help: "Adds to each row _file (its path or URL), _line (which record of the file it is, from 1, header and empty lines not counted), _modified (the file's time) and _synced (the start of the run)."}
}

// StampNames are the columns' names.
func StampNames() (names []string) {
	for _, c := range stamps {
		names = append(names, c.Name)
	}
	return names
}

// Stamped is s with the columns behind its own, or those that are wanted (nil: all).
func Stamped(s *row.Schema, wanted []string) (*row.Schema, error) {
	out := *s
	out.Columns, out.Source = slices.Clone(s.Columns), nil
	for _, c := range stamps {
		if s.Index(c.Name) >= 0 {
			return nil, fault.New(fault.BadConfig, "stream %s has a column %s of its own, so add_file_columns cannot add it", s.Stream, c.Name)
		}
		if wanted == nil || slices.Contains(wanted, c.Name) {
			out.Columns = append(out.Columns, c)
		}
	}
	return &out, nil
}

// Rows is a stream of rows that come from files, with or without the columns.
type Rows struct {
	taps.Stream
	stamped *row.Schema // nil: without
	wanted  []string
	pool    *row.Pool
	path    string
	line    int64   // of the last record
	gaps    []int64 // records that no row came of
	mtime   int64
	now     int64
}

// StampedJSON is Stamped for a stream's JSON Schema, for a catalog.
func StampedJSON(schema json.RawMessage) (json.RawMessage, error) {
	var whole, properties map[string]json.RawMessage
	if err := json.Unmarshal(schema, &whole); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(whole["properties"], &properties); err != nil {
		return nil, err
	}
	added, err := singer.SchemaOf(&row.Schema{Columns: stamps}, false)
	if err != nil {
		return nil, err
	}
	var more struct{ Properties map[string]json.RawMessage }
	if err := json.Unmarshal(added, &more); err != nil {
		return nil, err
	}
	maps.Copy(properties, more.Properties)
	if whole["properties"], err = json.Marshal(properties); err != nil {
		return nil, err
	}
	return json.Marshal(whole)
}

// OpenRows opens a stream. Its Schema and Write take rows without the columns;
// wanted are the columns that are selected, nil for all.
func OpenRows(ctx context.Context, out taps.Output, s *row.Schema, stamp bool, wanted []string) (*Rows, error) {
	r := &Rows{wanted: wanted}
	if stamp {
		var err error
		if r.stamped, err = Stamped(s, wanted); err != nil {
			return nil, err
		}
		s, r.pool, r.now = r.stamped, row.NewPool(2*blockSize), time.Now().UnixMicro()-epochMicros
	}
	var err error
	r.Stream, err = out.Stream(ctx, s)
	return r, err
}

// From says which file the next rows come from, and how many of its records
// an earlier run has delivered.
func (r *Rows) From(f File, skip int64) {
	r.path, r.mtime, r.line = f.Path, f.Modified.UnixMicro()-epochMicros, skip
	r.gaps = r.gaps[:0]
}

// Gap says that no row comes of a file's n-th record. It may be called before
// rows of earlier records are written.
func (r *Rows) Gap(n int64) {
	if r.stamped != nil {
		r.gaps = append(r.gaps, n)
	}
}

// Rejected adds to what the run's summary counts, where somebody counts.
func (r *Rows) Rejected(n int64) {
	if counter, ok := r.Stream.(taps.Rejecter); ok && n > 0 {
		counter.Rejected(n)
	}
}

// Schema implements taps.Stream.
func (r *Rows) Schema(s *row.Schema) (err error) {
	if r.stamped == nil {
		return r.Stream.Schema(s)
	}
	if r.stamped, err = Stamped(s, r.wanted); err != nil {
		return err
	}
	return r.Stream.Schema(r.stamped)
}

// Write implements taps.Stream.
func (r *Rows) Write(b *row.Batch) error {
	if r.stamped == nil {
		return r.Stream.Write(b)
	}
	out := r.pool.Get(r.stamped)
	for i := range b.Len() {
		r.line++
		for len(r.gaps) > 0 && r.gaps[0] == r.line {
			r.line, r.gaps = r.line+1, r.gaps[1:]
		}
		out.Begin()
		out.Data = append(out.Data, b.Row(i)[2:]...) // behind the count of fields
		for _, c := range r.stamped.Columns[len(b.Schema.Columns):] {
			switch c.Name {
			case "_file":
				out.Str(r.path)
			case "_line":
				out.Int8(r.line)
			case "_modified":
				out.Int8(r.mtime)
			default:
				out.Int8(r.now)
			}
		}
		out.End()
	}
	out.Unset = b.Unset
	b.Release()
	return r.Stream.Write(out)
}
