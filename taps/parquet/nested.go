package parquet

import (
	"errors"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"elt/internal/row"
)

// node is a part of a nested column, which becomes JSON: a group an object, a
// LIST or what is repeated an array, a MAP an object whose keys are texts. How
// levels say what is there is the format's "Nested Encoding".
type node struct {
	name     string
	what     shape
	def      int     // the definition level at which it is there
	rep      int     // of an array or map: the repetition level of its elements
	children []*node // of an object: its members; an array: its element; a map: key and value
	leaf     *leaf   // of a scalar
	cursor   *cursor
	leaves   []*node // scalars at or below it
}

type shape uint8

const (
	scalar shape = iota
	object
	array
	mapping
)

// treeOf is the shape of a column of a file.
func treeOf(c *parquet.Column) *node {
	if c.Repeated() { // without a group around it: an array that is never NULL
		return arrayOf(c, c.MaxDefinitionLevel()-1, c)
	}
	n := nodeOf(c)
	n.name = c.Name()
	return n
}

// arrayOf is an array whose elements are the repeated column; def is where the
// array itself is there.
func arrayOf(named *parquet.Column, def int, repeated *parquet.Column) *node {
	element := repeated
	if !repeated.Leaf() && named != repeated && !isElement(named, repeated) {
		element = repeated.Columns()[0]
	}
	return (&node{name: named.Name(), what: array, def: def, rep: repeated.MaxRepetitionLevel(), children: []*node{nodeOf(element)}}).complete()
}

// isElement: old writers left out the group between list and element; the
// rules to tell are those of "LogicalTypes.md", Lists.
func isElement(list, repeated *parquet.Column) bool {
	return len(repeated.Columns()) != 1 || repeated.Name() == "array" || repeated.Name() == list.Name()+"_tuple"
}

func nodeOf(c *parquet.Column) *node {
	n := &node{name: c.Name(), def: c.MaxDefinitionLevel()}
	if c.Leaf() {
		l := leafOf(c, 0)
		n.leaf = &l
		return n.complete()
	}
	inner := c.Columns()
	if len(inner) == 1 && inner[0].Repeated() {
		switch kind := annotation(c); {
		case kind == "LIST":
			return arrayOf(c, n.def, inner[0])
		case kind == "MAP" && len(inner[0].Columns()) == 2:
			n.what, n.rep = mapping, inner[0].MaxRepetitionLevel()
			inner = inner[0].Columns()
			n.children = []*node{treeOf(inner[0]), treeOf(inner[1])}
			return n.complete()
		}
	}
	n.what = object
	for _, member := range inner {
		n.children = append(n.children, treeOf(member))
	}
	return n.complete()
}

// annotation is LIST, MAP or "" of a group.
func annotation(c *parquet.Column) string {
	t := c.Type()
	if t == nil {
		return ""
	}
	if logical := t.LogicalType(); logical != nil {
		switch logical.Value.(type) {
		case *format.ListType:
			return "LIST"
		case *format.MapType:
			return "MAP"
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(t.String(), "_KEY_VALUE"), "()")
}

func (n *node) complete() *node {
	if n.leaf != nil {
		n.leaves = []*node{n}
	}
	for _, child := range n.children {
		n.leaves = append(n.leaves, child.leaves...)
	}
	return n
}

// cursor reads a leaf's values one by one.
type cursor struct {
	pages  chunk
	values parquet.ValueReader
	buf    [256]parquet.Value
	at, n  int
}

// peek is the next value, false at the end of the row group.
func (c *cursor) peek() (parquet.Value, bool, error) {
	for c.at == c.n {
		if c.values == nil {
			var err error
			if c.values, err = c.pages.next(); errors.Is(err, io.EOF) {
				c.values = nil
				return parquet.Value{}, false, nil
			} else if err != nil {
				return parquet.Value{}, false, err
			}
		}
		n, err := c.values.ReadValues(c.buf[:])
		c.at, c.n = 0, n
		if errors.Is(err, io.EOF) {
			c.values = nil
		} else if err != nil {
			return parquet.Value{}, false, err
		}
	}
	return c.buf[c.at], true, nil
}

// must is peek where a value has to be.
func (n *node) must() (parquet.Value, error) {
	v, ok, err := n.leaves[0].cursor.peek()
	if err == nil && !ok {
		err = io.ErrUnexpectedEOF
	}
	return v, err
}

// pass moves all leaves on by one value, that of something that is not there.
func (n *node) pass() error {
	for _, l := range n.leaves {
		if _, err := l.must(); err != nil {
			return err
		}
		l.cursor.at++
	}
	return nil
}

// append writes the next value as JSON.
func (n *node) append(dst []byte, scratch *[]byte) ([]byte, error) {
	v, err := n.must()
	if err != nil {
		return dst, err
	}
	if v.DefinitionLevel() < n.def {
		return append(dst, "null"...), n.pass()
	}
	switch n.what {
	case object:
		dst = append(dst, '{')
		for i, child := range n.children {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(row.AppendJSONString(dst, []byte(child.name)), ':')
			if dst, err = child.append(dst, scratch); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	case array, mapping:
		return n.elements(dst, v, scratch)
	}
	n.cursor.at++
	if *scratch, err = n.leaf.decode((*scratch)[:0], v); err != nil {
		return dst, err
	}
	return row.AppendJSON(dst, &n.leaf.column, *scratch), nil
}

// elements writes an array or a map, whose first value is v.
func (n *node) elements(dst []byte, v parquet.Value, scratch *[]byte) ([]byte, error) {
	open, end := byte('['), byte(']')
	if n.what == mapping {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	if v.DefinitionLevel() == n.def { // there, and empty
		return append(dst, end), n.pass()
	}
	for first := true; ; first = false {
		if !first {
			next, ok, err := n.leaves[0].cursor.peek()
			if err != nil {
				return dst, err
			}
			if !ok || next.RepetitionLevel() < n.rep {
				return append(dst, end), nil
			}
			dst = append(dst, ',')
		}
		var err error
		if n.what == mapping {
			if dst, err = n.key(dst, scratch); err != nil {
				return dst, err
			}
			dst = append(dst, ':')
		}
		if dst, err = n.children[len(n.children)-1].append(dst, scratch); err != nil {
			return dst, err
		}
	}
}

// key writes a map's key, as text whatever its type.
func (n *node) key(dst []byte, scratch *[]byte) ([]byte, error) {
	start := len(dst)
	dst, err := n.children[0].append(dst, scratch)
	if err != nil || dst[start] == '"' {
		return dst, err
	}
	text := append([]byte(nil), dst[start:]...)
	return row.AppendJSONString(dst[:start], text), nil
}
