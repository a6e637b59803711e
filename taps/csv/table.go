package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps/files"
)

// Columns of add_metadata_columns.
const (
	sourceFile  = "_sdc_source_file"
	sourceMtime = "_sdc_source_file_mtime"
	sourceLine  = "_sdc_source_lineno"
)

// sampleRows is how many rows of a file types are inferred from; a later
// value that does not fit widens its column.
const sampleRows = 5000

// header reads a file's first record as column names: trimmed of nothing,
// empty ones numbered, repeated ones told apart.
func header(s *scanner) ([]string, error) {
	fields, err := s.record()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		name := strings.ToValidUTF8(string(f), "\ufffd")
		if name == "" {
			name = fmt.Sprintf("column_%d", i+1)
		}
		for base, n := name, 2; slices.Contains(names[:i], name); n++ {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		names[i] = name
	}
	return names, nil
}

// schema is the shape of an entity: the union of its files' columns, typed
// from a sample of each file where infer is on.
func (s *settings) schema(ctx context.Context, e *entity, found []files.File) (*row.Schema, error) {
	schema := &row.Schema{Stream: e.Entity, Key: e.Keys}
	for _, f := range found {
		if err := s.sample(ctx, e, f, schema); err != nil {
			return nil, err
		}
	}
	if s.AddMetadata {
		for _, c := range []row.Column{{Name: sourceFile, Kind: row.Text}, {Name: sourceMtime, Kind: row.TimestampTZ}, {Name: sourceLine, Kind: row.Int64}} {
			if schema.Index(c.Name) < 0 {
				c.Wire, c.Nullable = c.Kind.DefaultWire(), true
				schema.Columns = append(schema.Columns, c)
			}
		}
	}
	names := make([]string, len(schema.Columns))
	for i, c := range schema.Columns {
		names[i] = c.Name
	}
	for _, k := range e.Keys {
		if schema.Index(k) < 0 && len(names) > 0 {
			err := fault.New(fault.BadConfig, "tap-csv: key %q of %s is no column of %s", k, e, found[0].Path)
			if near := fault.Nearest(k, names); near != "" {
				return nil, err.WithHint("did you mean %q?", near)
			}
			return nil, err.WithHint("the columns are %s", strings.Join(names, ", "))
		}
	}
	return schema, nil
}

func (s *settings) sample(ctx context.Context, e *entity, from files.File, schema *row.Schema) error {
	src, err := e.set().Open(ctx, from)
	if err != nil {
		return err
	}
	defer src.Close()
	format, err := e.format()
	if err != nil {
		return err
	}
	scan := newScanner(src, format)
	names, err := header(scan)
	if errors.Is(err, io.EOF) {
		return nil // an empty file has no columns
	}
	if err != nil {
		return badLine(from.Path, scan.line, err)
	}
	passes := !s.BadRows(e.Entity).Fatal()
	seen := make([]row.Column, len(names)) // Kind 0: no value yet
	for n := 0; *e.Infer && n < sampleRows; n++ {
		fields, err := scan.record()
		if errors.Is(err, io.EOF) {
			break
		}
		if flawed(err) && passes {
			scan.pass()
			continue
		}
		if err != nil {
			return badLine(from.Path, scan.line, err)
		}
		for i, f := range fields[:min(len(fields), len(names))] {
			if len(f) == 0 || seen[i].Kind == row.Text {
				continue
			}
			if c := columnOf(names[i], f); seen[i].Kind == 0 {
				seen[i] = c
			} else {
				seen[i] = sampled(seen[i], c)
			}
		}
	}
	for i, name := range names {
		c := seen[i]
		if c.Kind == 0 {
			c = row.Column{Name: name, Kind: row.Text, Wire: row.WireText, Nullable: true}
		}
		if at := schema.Index(name); at < 0 {
			schema.Columns = append(schema.Columns, c)
		} else if *e.Infer && seen[i].Kind != 0 {
			schema.Columns[at] = sampled(schema.Columns[at], c)
		}
	}
	return nil
}

// badLine names file and line of what cannot be read.
func badLine(path string, line int64, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if !flawed(err) {
		return files.Torn(path, err)
	}
	return fault.Wrap(fault.BadInput, err, "the CSV cannot be read").WithPosition(fault.Position{File: path, Line: int(line)}, "").
		WithHint("check quotechar, escapechar and encoding of this file")
}
