package filesink

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/targets"
)

// loader writes one stream.
type loader struct {
	l       *lane
	stream  string
	file    string
	part    *part
	layout  []string // columns of the file, nil where it has no head
	columns []string // names seen, for freeze and fail
	kept    *row.Schema
	texts   []string // columns of a whole file that had to become text
	parted  *partitioned
	enc     Encoder
	ended   bool
}

// readLayout takes over the columns of the visible file.
func (d *loader) readLayout() error {
	if _, err := d.l.s.dir.root.Stat(d.file); err != nil {
		return nil // no file yet; a real failure shows at the commit
	}
	layout, _, err := d.l.s.dir.headOf(publication{file: d.file, part: d.part})
	if err != nil {
		return err
	}
	d.layout, d.columns = layout, layout
	return nil
}

func (d *loader) Schema(_ context.Context, schema *row.Schema) error { return d.shape(schema) }

// shape prepares for rows of a schema.
func (d *loader) shape(schema *row.Schema) error {
	kept := schema
	if d.columns != nil {
		var err error
		if kept, err = d.changed(schema); err != nil {
			return err
		}
	}
	var names []string
	for _, c := range kept.Columns {
		names = append(names, c.Name)
	}
	d.columns = union(d.columns, names)
	switch {
	case d.parted != nil && kept.Same(d.kept) && bytes.Equal(kept.Source, d.kept.Source):
		d.enc = d.parted // said again
	case d.l.s.o.Whole != nil:
		if d.parted != nil { // its rows have the shape before
			if err := d.parted.drain(); err != nil {
				return err
			}
		}
		d.kept = kept
		enc, err := d.wholeEncoder()
		if err != nil {
			return err
		}
		d.enc = enc
	default:
		d.kept = kept
		d.layout = d.l.s.o.Format.Layout(d.layout, kept)
		d.enc = d.l.s.o.Format.Encoder(kept, d.layout)
	}
	if kept != schema {
		d.enc = newFiltered(d.enc, schema, kept)
	}
	return nil
}

// changed applies on_schema_change to columns that were not there before.
func (d *loader) changed(schema *row.Schema) (*row.Schema, error) {
	var added []string
	kept := *schema
	kept.Columns = nil
	for _, c := range schema.Columns {
		if slices.Contains(d.columns, c.Name) {
			kept.Columns = append(kept.Columns, c)
		} else {
			added = append(added, c.Name)
		}
	}
	if len(added) == 0 {
		return schema, nil
	}
	change := targets.Change{Stream: d.stream, Kind: "add", Column: strings.Join(added, ", "), Detail: d.file}
	switch d.l.s.o.OnSchemaChange {
	case "fail":
		return nil, fault.New(fault.Failed, "stream %s has new columns: %s", d.stream, change.Column).
			WithHint("on_schema_change is fail; evolve would write them")
	case "freeze":
		change.Kind = "ignore"
		d.l.s.report(change)
		return &kept, nil
	}
	d.l.s.report(change)
	return schema, nil
}

func (d *loader) Write(_ context.Context, b *row.Batch) error {
	defer b.Release()
	if d.parted == nil {
		if err := d.part.open(d.layout); err != nil {
			return err
		}
	}
	return d.part.append(d.enc, b)
}

// Activate does nothing: a file has no versions.
func (d *loader) Activate(context.Context, int64) error { return nil }

func (d *loader) End(context.Context) error {
	d.ended = true
	return nil
}

// publication is what a commit now does with the stream's file.
func (d *loader) publication(ctx context.Context) (publication, bool, error) {
	s := d.l.s
	s.mu.Lock()
	fresh := s.o.Replace && !s.replaced[d.file]
	s.mu.Unlock()
	if s.o.Replace && !d.ended {
		return publication{}, false, nil
	}
	if d.parted != nil {
		if err := d.parted.drain(); err != nil {
			return publication{}, false, err
		}
	}
	empty := len(d.part.segments) == 0
	if empty && d.parted != nil { // nothing to write, perhaps something to take away
		return publication{stream: d.stream, file: d.file, part: d.part, replace: true}, fresh, nil
	}
	if empty && !d.ended || empty && !fresh && !s.o.Empty {
		return publication{}, false, nil
	}
	if empty {
		if !fresh {
			if there, err := s.has(ctx, d.file); there || err != nil {
				return publication{}, false, err
			}
		}
		if err := d.part.open(d.layout); err != nil {
			return publication{}, false, err
		}
	}
	return publication{stream: d.stream, file: d.file, part: d.part, replace: fresh}, true, nil
}
