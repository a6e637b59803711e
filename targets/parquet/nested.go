package parquet

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"elt/internal/row"
	"elt/internal/singer"
)

// nested takes a JSON document apart into the values of its column's leaves,
// with levels that say what is there (the format's "Nested Encoding").
type nested struct {
	*shape
	def     int // the level at which it is there
	rep     int // of elements
	members []*nested
	element *nested
	key     *column // of a map
	leaf    *column // of a scalar
	leaves  []*column
	seen    []bool // members of the object at hand
}

// errMisfit: the document does not have the declared shape.
var errMisfit = errors.New("the value has another shape")

// newNested makes the writer of a shape, whose leaves it appends to columns.
func newNested(s *shape, def, rep int, columns *[]*column) *nested {
	n := &nested{shape: s, def: def + 1, rep: rep + 1}
	first := len(*columns)
	switch {
	case s.leaf != 0:
		n.leaf = &column{name: s.name}
		*columns = append(*columns, n.leaf)
	case s.element != nil:
		if s.mapping {
			n.key = &column{name: "key"}
			*columns = append(*columns, n.key)
		}
		n.element = newNested(s.element, n.def+1, n.rep, columns)
	default:
		for _, m := range s.members {
			n.members = append(n.members, newNested(m, n.def, rep, columns))
		}
		n.seen = make([]bool, len(n.members))
	}
	n.leaves = (*columns)[first:len(*columns):len(*columns)]
	return n
}

// absent writes for all leaves that there is nothing from level def on.
func (n *nested) absent(rep, def int) {
	for _, c := range n.leaves {
		c.values = append(c.values, parquet.Value{}.Level(rep, def, c.index))
	}
}

// write appends a JSON value, whose first leaf has the repetition level rep.
func (n *nested) write(raw []byte, rep int) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return errMisfit
	case raw[0] == 'n':
		n.absent(rep, n.def-1)
		return nil
	case n.leaf != nil:
		v, ok := n.leaf.scalar(n.shape.leaf, raw)
		if !ok {
			return errMisfit
		}
		n.leaf.size += int64(len(raw))
		n.leaf.values = append(n.leaf.values, v.Level(rep, n.def, n.leaf.index))
		return nil
	case n.members != nil:
		return n.object(raw, rep)
	}
	if want := byte('['); n.mapping {
		if want = '{'; raw[0] != want {
			return errMisfit
		}
	} else if raw[0] != want {
		return errMisfit
	}
	count := 0
	level := func() int {
		if count++; count == 1 {
			return rep
		}
		return n.rep
	}
	var err error
	if n.mapping {
		err = singer.Members(raw, func(key, value []byte) error {
			at := level()
			n.key.values = append(n.key.values, n.key.bytes(key).Level(at, n.def+1, n.key.index))
			return n.element.write(value, at)
		})
	} else {
		err = singer.EachElement(raw, func(value []byte) error { return n.element.write(value, level()) })
	}
	if err == nil && count == 0 {
		n.absent(rep, n.def)
	}
	return err
}

func (n *nested) object(raw []byte, rep int) error {
	if raw[0] != '{' {
		return errMisfit
	}
	clear(n.seen)
	err := singer.Members(raw, func(key, value []byte) error {
		for i, m := range n.members {
			if m.name != string(key) {
				continue
			}
			if n.seen[i] {
				return errMisfit
			}
			n.seen[i] = true
			return m.write(value, rep)
		}
		return errMisfit // a member that is not declared
	})
	if err != nil {
		return err
	}
	for i, m := range n.members {
		if !n.seen[i] {
			m.absent(rep, m.def-1)
		}
	}
	return nil
}

// bytes keeps a text until the batch is written.
func (c *column) bytes(text []byte) parquet.Value {
	start := len(c.arena)
	c.arena = append(c.arena, text...)
	return parquet.ByteArrayValue(c.arena[start:len(c.arena):len(c.arena)])
}

// scalar is a JSON scalar as a value that reads back the same.
func (c *column) scalar(t leafType, raw []byte) (parquet.Value, bool) {
	none := parquet.Value{}
	switch t {
	case leafBool:
		return parquet.BooleanValue(raw[0] == 't'), raw[0] == 't' || raw[0] == 'f'
	case leafInt:
		i, err := strconv.ParseInt(string(raw), 10, 64)
		return parquet.Int64Value(i), err == nil
	case leafDouble:
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || raw[0] == '"' {
			return none, false
		}
		return parquet.DoubleValue(f), c.exact(f, raw)
	}
	if raw[0] != '"' {
		return none, false
	}
	start := len(c.arena)
	var err error
	if c.arena, err = row.AppendJSONUnquoted(c.arena, raw); err != nil {
		return none, false
	}
	text := c.arena[start:len(c.arena):len(c.arena)]
	if t == leafText {
		return parquet.ByteArrayValue(text), true
	}
	days, ok := row.ParseDate(text)
	if !ok || string(row.AppendDateText(nil, days)) != string(text) {
		return none, false
	}
	return parquet.Int32Value(days + epochDays), true
}

// exact says whether a double has the very value of a JSON number, however
// many zeros that ends with.
func (c *column) exact(f float64, raw []byte) bool {
	const dscale = 6 // bytes of a numeric before the number of digits behind the point
	var ok, same bool
	if c.number, ok = row.AppendNumeric(c.number[:0], raw); !ok {
		return false
	}
	split := len(c.number)
	c.digits = strconv.AppendFloat(c.digits[:0], f, 'f', -1, 64)
	c.number, same = row.AppendNumeric(c.number, c.digits)
	a, b := c.number[:split], c.number[split:]
	return same && bytes.Equal(a[:dscale], b[:dscale]) && bytes.Equal(a[dscale+2:], b[dscale+2:])
}
