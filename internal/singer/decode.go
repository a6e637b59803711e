package singer

import (
	"errors"
	"slices"

	"elt/internal/row"
)

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
	blank       bool        // an empty string is NULL
	text        bool        // JSON comes as a string that holds it
	fromNumeric row.Convert // of an integer column
	noted       notice
}

// decoderOptions are what a Reader sets for all its decoders.
type decoderOptions struct {
	keep bool
	nul  NULPolicy
	hex  map[string]bool // columns of bytes that come as base16
	// blank: an empty string is no value, but in columns of text and those
	// whose schema allows any string.
	blank bool
	plain map[string]bool
	text  map[string]bool // columns of JSON that come as strings (EltText)
	note  func(field string, n notice)
}

// newDecoder compiles a decoder for schema, whose columns root's slots index.
func newDecoder(schema *row.Schema, root *keys, o decoderOptions) *decoder {
	d := &decoder{schema: schema, root: root, keep: o.keep, nul: o.nul, note: o.note, direct: true, spans: make([]span, len(schema.Columns))}
	for n, c := range schema.Columns {
		col := column{Column: c, index: n, marker: c.Name == DeletedAt, key: slices.Contains(schema.Key, c.Name), hex: o.hex[c.Name], text: o.text[c.Name]}
		col.blank = o.blank && !col.key && c.Nullable && c.Kind != row.Text && c.Kind != row.JSON && c.Kind != row.Bytes && !o.plain[c.Name]
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
		if c.key || !c.Nullable && !d.keep { // it may still come
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
