package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

func (c *copying) jsonFile(in io.Reader, name string, each rowFunc) error {
	d := json.NewDecoder(in)
	d.UseNumber()
	if c.f.stripArray {
		if t, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil || t != json.Delim('[') {
			return rowError(100069, "22P02", "Error parsing JSON: an array is expected with STRIP_OUTER_ARRAY")
		}
	}
	number := int64(0)
	for {
		if c.f.stripArray && !d.More() {
			return nil
		}
		var t any
		err := d.Decode(&t)
		if err == io.EOF {
			return nil
		}
		number++
		if err != nil {
			var syntax *json.SyntaxError
			if !errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			each(number, d.InputOffset(), fmt.Sprintf("%q[%q:1]", c.t.name, c.w.cols[0].name), func() (*record, error) {
				return nil, rowError(100069, "22P02", "Error parsing JSON: %v", err)
			})
			return nil
		}
		if c.f.stripNulls {
			t = stripNulls(t)
		}
		ok := each(number, 1, fmt.Sprintf("%q[%q:1]", c.t.name, c.w.cols[0].name), func() (*record, error) {
			doc := variant(normal(t))
			switch {
			case c.items != nil:
				return c.transformed([]Value{text(name), integer(number), doc})
			case c.byName != "":
				return c.jsonByName(t)
			}
			c.cells[0] = doc
			return c.stored()
		})
		if !ok {
			return nil
		}
	}
}

func normal(t any) any {
	if t == nil {
		return jsonNull{}
	}
	return t
}

func stripNulls(t any) any {
	switch t := t.(type) {
	case map[string]any:
		for k, v := range t {
			if v == nil {
				delete(t, k)
			} else {
				t[k] = stripNulls(v)
			}
		}
	case []any:
		for i := range t {
			t[i] = stripNulls(t[i])
		}
	}
	return t
}

func (c *copying) jsonByName(t any) (*record, error) {
	m, ok := t.(map[string]any)
	if !ok {
		return nil, rowError(100071, "22000", "Failed to cast variant value to OBJECT for MATCH_BY_COLUMN_NAME")
	}
	for i, col := range c.w.cols {
		c.cells[i] = null
		for k, v := range m {
			if v != nil && (k == col.name || c.byName == "i" && strings.EqualFold(k, col.name)) {
				c.cells[i] = variant(v)
			}
		}
	}
	return c.stored()
}
