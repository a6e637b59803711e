package engine

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

func (c *copying) csvFile(in io.Reader, name string, each rowFunc) error {
	r := newCSV(c.f, in)
	var places []int
	if c.f.parseHeader {
		if err := r.next(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if c.byName != "" {
			places = c.headerPlaces(r)
		}
	}
	var row []Value
	number := int64(0)
	for {
		err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			var e *sql.Error
			if errors.As(err, &e) {
				each(int64(r.line), int64(r.at), fmt.Sprintf("%q[%q:%d]", c.t.name, c.w.cols[min(len(r.fields), len(c.w.cols)-1)].name, len(r.fields)+1), func() (*record, error) { return nil, err })
				return nil
			}
			return err
		}
		number++
		ok := each(int64(r.line), 1, fmt.Sprintf("%q[%q:1]", c.t.name, c.w.cols[0].name), func() (*record, error) {
			if c.items != nil {
				row = append(row[:0], text(name), integer(number))
				for _, f := range r.fields {
					if r.null(f) {
						row = append(row, null)
					} else {
						row = append(row, text(string(r.data[f.from:f.to])))
					}
				}
				return c.transformed(row)
			}
			return c.csvRow(r, places)
		})
		if !ok {
			return nil
		}
	}
}

// headerPlaces maps the table's columns to the file's, by name.
func (c *copying) headerPlaces(r *csvReader) []int {
	places := make([]int, len(c.w.cols))
	for i, col := range c.w.cols {
		places[i] = -1
		for j, f := range r.fields {
			h := string(r.data[f.from:f.to])
			if h == col.name || c.byName == "i" && strings.EqualFold(h, col.name) {
				places[i] = j
			}
		}
	}
	return places
}

// transformed runs the SELECT of a COPY over a row.
func (c *copying) transformed(row []Value) (*record, error) {
	e := &env{row: row}
	for i, it := range c.items {
		v, err := it.eval(e)
		if err != nil {
			return nil, c.locate(err, i, 1)
		}
		if v.K == Text && isVariant(c.w.cols[i].t.K) {
			v = toVariant(v)
		}
		c.cells[i] = v
	}
	return c.stored()
}

func (c *copying) locate(err error, i, character int) error {
	return &located{err, int64(character), fmt.Sprintf("%q[%q:%d]", c.t.name, c.w.cols[i].name, i+1)}
}

// stored makes the row, finding the column at fault if it cannot.
func (c *copying) stored() (*record, error) {
	rec, err := c.w.record(c.cells)
	if err != nil {
		for i, col := range c.w.cols {
			if _, bad := c.w.cell(col, c.cells[i]); bad != nil {
				return nil, c.locate(bad, i, 1)
			}
		}
	}
	return rec, err
}

func (c *copying) csvRow(r *csvReader, places []int) (*record, error) {
	if places == nil && c.f.countMismatch && len(r.fields) != len(c.w.cols) {
		return nil, rowError(100080, "22000", "Number of columns in file (%d) does not match that of the corresponding table (%d), use file format option error_on_column_count_mismatch=false to ignore this error", len(r.fields), len(c.w.cols))
	}
	for i, col := range c.w.cols {
		at := i
		if places != nil {
			at = places[i]
		}
		if at < 0 || at >= len(r.fields) {
			c.cells[i] = null
			continue
		}
		f := r.fields[at]
		if r.null(f) {
			c.cells[i] = null
			continue
		}
		v, err := c.convert(col, string(r.data[f.from:f.to]))
		if err != nil {
			return nil, c.locate(err, i, f.column)
		}
		c.cells[i] = v
	}
	rec, err := c.w.record(c.cells)
	if err != nil {
		for i, col := range c.w.cols {
			if _, bad := c.w.cell(col, c.cells[i]); bad != nil {
				at := min(i, len(r.fields)-1)
				return nil, c.locate(bad, i, r.fields[at].column)
			}
		}
	}
	return rec, err
}

// convert reads a field's text as a column's type. Text for a VARIANT is
// parsed as JSON.
func (c *copying) convert(col *column, s string) (Value, error) {
	if c.f.replaceInvalid {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	switch {
	case col.t.K == Text:
		if !c.f.replaceInvalid && !validUTF8(s) {
			return null, rowError(100144, "22000", "Invalid UTF8 detected in string '%s'", clip(fmt.Sprintf("%x", s)))
		}
		if c.trunc {
			return truncated(s, col.t), nil
		}
		return text(s), nil
	case isVariant(col.t.K):
		v, err := parseJSON(s)
		if err != nil {
			return v, err
		}
		return cast(v, col.t, c.how)
	}
	return cast(text(s), col.t, c.how)
}
