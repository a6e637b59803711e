package singer

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"elt/internal/row"
)

// slot is what a key of an object stands for.
type slot struct {
	column int   // index of a column, or one of the two below
	inner  *keys // of a group
	noted  bool  // of an unknown one: the user was told
}

const (
	groupSlot   = -1 // an object whose properties are columns
	unknownSlot = -2 // a property that the schema has not
)

// keys are the keys that an object of a record may have, and the order in
// which they came so far, so that the next one is guessed and compared by its
// bytes instead of being looked up.
type keys struct {
	slots  []slot
	names  []string
	byName map[string]int // index into slots
	order  []guess
	at     []int // slot -> index into order, -1 before it was seen
}

// guess is a key as it stood in the line, from the end of the value before it
// (or the brace) to the beginning of its own.
type guess struct {
	text  string
	slot  int
	first bool // it stood behind the brace, so there is no comma in it
}

// mostUnknown bounds what is remembered of properties that no schema has.
const mostUnknown = 1000

func newKeys() *keys { return &keys{byName: map[string]int{}} }

func (k *keys) add(name string, s slot) int {
	n := len(k.slots)
	k.slots, k.names, k.at = append(k.slots, s), append(k.names, name), append(k.at, -1)
	k.byName[name] = n
	return n
}

// learn puts slot n at place g of the order.
func (k *keys) learn(n, g int, text []byte, first bool) {
	k.order = slices.Insert(k.order, g, guess{string(text), n, first})
	for i := g; i < len(k.order); i++ {
		k.at[k.order[i].slot] = i
	}
}

var (
	// errMisfit: the value is good JSON, but not of the column's type;
	// decoder.misfit has the column and what it would have to hold.
	errMisfit = errors.New("does not fit its column")
	// errOrder: a column came after a later one; fields go through scratch.
	errOrder = errors.New("out of column order")
)

// decoder writes records of one schema into batches. It is compiled once per
// schema; a record allocates nothing.
type decoder struct {
	schema  *row.Schema
	columns []column
	root    *keys
	keep    bool // an absent property is unset instead of NULL
	nul     NULPolicy
	note    func(field string, n notice)

	// While a record is read:
	line    []byte
	dst     []byte // grows by a field, length first
	direct  bool   // fields go into the batch at once, since they come in column order
	next    int    // direct: the column whose field is due
	scratch []byte
	spans   []span // else: where the column's field is in scratch
	round   uint32
	deleted bool   // _sdc_deleted_at has a value
	unset   bool   // some field is
	text    []byte // a string without its escapes
	number  []byte // a number on its way to an integer
	walk    walker
	misfit  struct {
		column int
		want   row.Column
	}
}

// span is a field in scratch, of the record that had the same round.
type span struct {
	from, to int
	round    uint32
}

// column is a row.Column with what decoding needs.
type column struct {
	row.Column
	index       int
	key         bool
	marker      bool        // _sdc_deleted_at
	hex         bool        // bytes come as base16, not base64
	fromNumeric row.Convert // of an integer column
	noted       notice
}

// decoderOptions are what a Reader sets for all its decoders.
type decoderOptions struct {
	keep bool
	nul  NULPolicy
	hex  map[string]bool // columns of bytes that come as base16
	note func(field string, n notice)
}

// newDecoder compiles a decoder for schema, whose columns root's slots index.
func newDecoder(schema *row.Schema, root *keys, o decoderOptions) *decoder {
	d := &decoder{schema: schema, root: root, keep: o.keep, nul: o.nul, note: o.note, direct: true, spans: make([]span, len(schema.Columns))}
	for n, c := range schema.Columns {
		col := column{Column: c, index: n, marker: c.Name == DeletedAt, key: slices.Contains(schema.Key, c.Name), hex: o.hex[c.Name]}
		if c.Kind == row.Int64 {
			col.fromNumeric, _ = row.Converter(row.Column{Kind: row.Numeric, Wire: row.WireNumeric}, c)
		}
		d.columns = append(d.columns, col)
	}
	return d
}

// record appends the record at line[i] to b, but does not close its row; it
// returns the index after it. On error b is as it was.
func (d *decoder) record(b *row.Batch, line []byte, i int) (end int, err error) {
	d.line = line
	b.Begin()
	at := len(b.Data)
	if d.direct {
		d.start(b.Data)
		end, err = d.object(d.root, i)
		if err == nil {
			err = d.fill(len(d.columns), i)
		}
		b.Data = d.dst
		if err == nil {
			b.Unset = b.Unset || d.unset
			return end, nil
		}
		if err != errOrder {
			b.Drop()
			return end, err
		}
		b.Data = b.Data[:at]
		d.direct = false
	}
	d.start(d.scratch[:0])
	end, err = d.object(d.root, i)
	d.scratch = d.dst
	if err == nil {
		err = d.assemble(b, i)
	}
	if cap(d.scratch) > keepCarry {
		d.scratch = nil
	}
	if err != nil {
		b.Drop()
		return end, err
	}
	b.Unset = b.Unset || d.unset
	return end, nil
}

func (d *decoder) start(dst []byte) {
	d.dst, d.next, d.deleted, d.unset = dst, 0, false, false
	if d.round++; d.round == 0 { // it wrapped: old rounds must not match
		clear(d.spans)
		d.round = 1
	}
}

// assemble copies the fields from scratch into b in column order.
func (d *decoder) assemble(b *row.Batch, i int) error {
	d.dst = b.Data
	for n := range d.spans {
		if s := &d.spans[n]; s.round == d.round {
			d.dst = append(d.dst, d.scratch[s.from:s.to]...)
		} else if err := d.absent(&d.columns[n], i); err != nil {
			b.Data = d.dst
			return err
		}
	}
	b.Data = d.dst
	return nil
}

// fill writes the columns up to n that have not come (direct only).
func (d *decoder) fill(n, i int) error {
	for ; d.next < n; d.next++ {
		c := &d.columns[d.next]
		if c.key { // it may still come
			return errOrder
		}
		if err := d.absent(c, i); err != nil {
			return err
		}
	}
	return nil
}

// absent writes the field of a property that the record has not.
func (d *decoder) absent(c *column, i int) error {
	switch {
	case c.key:
		return &flaw{at: i, text: "key property " + quoted(c.Name) + " is missing"}
	case d.keep:
		d.unset = true
		d.dst = append(d.dst, 0xff, 0xff, 0xff, 0xfe)
		return nil
	case !c.Nullable:
		return d.wrong(c, row.Column{Kind: c.Kind, Wire: c.Wire, Precision: c.Precision, Scale: c.Scale, Unit: c.Unit, Mixed: c.Mixed, Nullable: true})
	}
	d.dst = append(d.dst, 0xff, 0xff, 0xff, 0xff)
	return nil
}

// wrong says that a value of column want does not fit c.
func (d *decoder) wrong(c *column, want row.Column) error {
	d.misfit.column, d.misfit.want = c.index, want
	return errMisfit
}

// object reads the object at line[i], whose keys are k, and returns the index
// after it.
func (d *decoder) object(k *keys, i int) (int, error) {
	line := d.line
	if peek(line, i) != '{' {
		return i, &flaw{at: i, text: "the record is no JSON object"}
	}
	i++
	g := 0 // where in the order the next key is guessed
	for first := true; ; first = false {
		var n int
		if g < len(k.order) && k.order[g].first == first && literal(line, i, k.order[g].text) {
			n = k.order[g].slot
			if i += len(k.order[g].text); i < len(line) && line[i] <= ' ' {
				i = space(line, i) // written in another style than before
			}
			g++
		} else {
			key, from, err := d.key(i, first)
			if err != nil || key == nil {
				return from, err
			}
			n = d.find(k, key)
			switch {
			case n < 0: // one of too many unknown keys
			case k.at[n] < 0:
				k.learn(n, g, line[i:from], first)
				g++
			default:
				g = k.at[n] + 1
			}
			i = from
		}
		var err error
		if i, err = d.member(k, n, i); err != nil {
			return i, err
		}
	}
}

// key reads from the end of a value (or from the brace) to the beginning of
// the next one. A nil key is the end of the object.
func (d *decoder) key(i int, first bool) (key []byte, value int, err error) {
	line := d.line
	i = space(line, i)
	switch c := peek(line, i); {
	case c == '}':
		return nil, i + 1, nil
	case c == ',' && !first:
		i = space(line, i+1)
	case !first:
		return nil, i, broken(i, "a comma or brace is missing")
	}
	if peek(line, i) != '"' {
		return nil, i, broken(i, "a key is missing")
	}
	end, flags := scanString(line, i+1)
	if end < 0 {
		return nil, i, broken(i, "a key does not end")
	}
	key = line[i+1 : end]
	if flags&strEscaped != 0 {
		if d.text, err = row.AppendJSONUnquoted(d.text[:0], line[i:end+1]); err != nil {
			return nil, i, broken(i, "a broken escape in a key")
		}
		key = d.text
	}
	if key == nil {
		key = line[i+1 : i+1]
	}
	if i = space(line, end+1); peek(line, i) != ':' {
		return nil, i, broken(i, "a colon is missing")
	}
	return key, space(line, i+1), nil
}

// find is the slot of a key, a new one for a property that the schema has
// not; -1 when there are too many of those.
func (d *decoder) find(k *keys, key []byte) int {
	if n, ok := k.byName[string(key)]; ok {
		return n
	}
	if len(k.slots) > len(d.columns)+mostUnknown {
		return -1
	}
	return k.add(string(bytes.ToValidUTF8(key, []byte("\ufffd"))), slot{column: unknownSlot})
}

// member reads the value at line[i], of the property in slot n.
func (d *decoder) member(k *keys, n, i int) (int, error) {
	if n < 0 {
		return skip(d.line, i)
	}
	s := &k.slots[n]
	switch {
	case s.column >= 0:
		return d.field(&d.columns[s.column], i)
	case s.column == groupSlot:
		if literal(d.line, i, "null") {
			return i + len("null"), nil
		}
		if peek(d.line, i) != '{' {
			return i, &flaw{at: i, text: "property " + quoted(k.names[n]) + " is no object, so it cannot be flattened"}
		}
		return d.object(s.inner, i)
	}
	end, err := skip(d.line, i)
	if err != nil || k.names[n] == DeletedAt && literal(d.line, i, "null") {
		return end, err
	}
	if k == d.root && k.names[n] == DeletedAt {
		// A delete must not become an upsert: the schema gets the marker.
		d.misfit.column = -1
		return i, errMisfit
	}
	if !s.noted {
		s.noted = true
		d.note(k.names[n], noticeUnknown)
	}
	return end, nil
}

// field reads the value of column c at line[i].
func (d *decoder) field(c *column, i int) (end int, err error) {
	if d.direct {
		if c.index != d.next {
			if c.index < d.next {
				return i, errOrder
			}
			if err := d.fill(c.index, i); err != nil {
				return i, err
			}
		}
		d.next++
		return d.value(c, i)
	}
	s := &d.spans[c.index]
	if s.round == d.round {
		return i, &flaw{at: i, text: "property " + quoted(c.Name) + " comes twice"}
	}
	from := len(d.dst)
	end, err = d.value(c, i)
	*s = span{from, len(d.dst), d.round}
	return end, err
}

// with is k with one more column.
func (k *keys) with(name string, column int) *keys {
	out := &keys{slots: slices.Clone(k.slots), names: slices.Clone(k.names), order: slices.Clone(k.order), at: slices.Clone(k.at), byName: maps.Clone(k.byName)}
	if n, ok := out.byName[name]; ok {
		out.slots[n] = slot{column: column}
		return out
	}
	out.add(name, slot{column: column})
	return out
}
