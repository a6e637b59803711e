package engine

import (
	"context"
	"encoding/json"
	"io"

	"elt/internal/fake/snowflake/sql"
)

// stageRelation reads staged files in a query, which gives $1, $2 …
func (s *Session) stageRelation(ref *sql.StageRef) (*relation, error) {
	st, shown, err := s.find(ref.Stage)
	if err != nil {
		return nil, err
	}
	f, err := s.format(ref.Format, st)
	if ref.Format == nil || len(ref.Format) == 0 {
		f, err = s.format(nil, st)
	}
	if err != nil {
		return nil, err
	}
	t := textType
	if f.json {
		t = variantType
	}
	r := &relation{cols: metadataColumns(ref.Alias), positional: &t}
	r.each = func(ctx context.Context, _ *env, yield func([]Value) error) error {
		files, err := st.matching(ref.Stage.Path, ref.Pattern)
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := s.readStaged(ctx, f, file, shown+file.name, yield); err != nil {
				return err
			}
		}
		return nil
	}
	return r, nil
}

func (s *Session) readStaged(ctx context.Context, f *format, file *stagedFile, name string, yield func([]Value) error) error {
	in, err := file.plain(f.compression)
	if err != nil {
		return err
	}
	defer in.Close()
	number := int64(0)
	if f.json {
		d := json.NewDecoder(in)
		d.UseNumber()
		for {
			var t any
			if err := d.Decode(&t); err == io.EOF {
				return nil
			} else if err != nil {
				return rowError(100069, "22P02", "Error parsing JSON: %v", err)
			}
			list := []any{t}
			if a, ok := t.([]any); ok && f.stripArray {
				list = a
			}
			for _, x := range list {
				number++
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := yield([]Value{text(name), integer(number), variant(normal(x))}); err != nil {
					return err
				}
			}
		}
	}
	r := newCSV(f, in)
	var row []Value
	for {
		err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if number++; number&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		row = append(row[:0], text(name), integer(number))
		for _, fl := range r.fields {
			if r.null(fl) {
				row = append(row, null)
			} else {
				row = append(row, text(string(r.data[fl.from:fl.to])))
			}
		}
		if err := yield(row); err != nil {
			return err
		}
	}
}

// stagedBinds reads the rows of an array binding that the driver put into a
// stage of its own, beyond CLIENT_STAGE_ARRAY_BINDING_THRESHOLD values.
func (s *Session) stagedBinds(ctx context.Context, text string) (rows [][]sql.Expr, err error) {
	ref, err := sql.ParseStage(text)
	if err != nil {
		return nil, err
	}
	st, _, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	f, err := s.format(nil, st)
	if err != nil {
		return nil, err
	}
	files, err := st.matching(ref.Path, "")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		err := s.readStaged(ctx, f, file, file.name, func(row []Value) error {
			var binds []sql.Expr
			for _, v := range row[2:] { // behind the metadata columns
				binds = append(binds, v)
			}
			rows = append(rows, binds)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}
