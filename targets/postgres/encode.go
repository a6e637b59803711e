package postgres

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

// encoder turns rows of one schema into COPY tuples of one table. Where the
// wires are equal the bytes go as they are: whole batches when nothing is
// added, whole rows with the metadata behind them otherwise, and field by
// field only where some column needs it.
type encoder struct {
	schema  *row.Schema
	columns []sqltarget.Column // in COPY order: the schema's that are loaded, then metadata
	fields  []field            // one per column of the schema
	meta    []metaField        // the added columns, ExtractedAt last if present
	same    bool               // every field goes as it is
	marker  int                // the schema's own DeletedAt column, or -1
	mark    metaField          // how a deletion's time gets there
	keys    []int              // the schema's key columns
	ops     bool               // append OpColumn and MaskColumn

	alive, dead []byte // the metadata of this batch's rows, without ExtractedAt
	extracted   bool   // ExtractedAt is added per row
	now         []byte // DeletedAt for a delete that brings none, in the marker column's wire
	mask        []byte
	buf         []byte
}

type field struct {
	skip    bool
	convert row.Convert
}

type metaField struct {
	name    string
	convert row.Convert
	raw     *[8]byte // what convert reads from
}

// newMeta is how the value of a metadata column reaches the table's column.
func newMeta(to sqltarget.Column) (metaField, error) {
	convert, ok := converter(sqltarget.MetaColumn(to.Name), to)
	if !ok {
		return metaField{}, fault.New(fault.BadConfig, "metadata column %q has type %s in the table", to.Name, to.Type)
	}
	return metaField{to.Name, convert, new([8]byte)}, nil
}

// newEncoder needs one entry of into per column of schema and of meta.
func newEncoder(schema *row.Schema, into []sqltarget.Column, meta []row.Column) (*encoder, error) {
	e := &encoder{schema: schema, same: true, marker: -1, keys: schema.KeyIndexes()}
	for i, c := range schema.Columns {
		to := into[i]
		if to.Name == "" {
			e.fields, e.same = append(e.fields, field{skip: true}), false
			continue
		}
		convert, ok := converter(c, to)
		if !ok {
			return nil, fault.New(fault.BadInput, "stream %q: column %q: a %s cannot go into a column of type %s", schema.Stream, c.Name, c.Kind, to.Type)
		}
		e.same = e.same && convert == nil
		if to.Name == sqltarget.DeletedAt {
			var err error
			if e.mark, err = newMeta(to); err != nil {
				return nil, err
			}
			e.marker = i
		}
		e.fields = append(e.fields, field{convert: convert})
		e.columns = append(e.columns, to)
	}
	for i := range meta {
		if to := into[len(schema.Columns)+i]; to.Name != "" {
			m, err := newMeta(to)
			if err != nil {
				return nil, err
			}
			e.meta = append(e.meta, m)
			e.columns = append(e.columns, to)
		}
	}
	return e, nil
}

// converter is row.Converter, with what PostgreSQL refuses in JSON repaired.
func converter(from row.Column, to sqltarget.Column) (row.Convert, bool) {
	if to.Cast {
		text := to.Column
		text.Kind, text.Wire = row.Text, row.WireText
		return row.Converter(from, text)
	}
	convert, ok := row.Converter(from, to.Column)
	if convert == nil || to.Wire != row.WireJSONB && to.Wire != row.WireJSON || from.Kind != row.JSON && from.Kind != row.Text {
		return convert, ok
	}
	return func(dst, f []byte) ([]byte, error) {
		at := len(dst)
		dst, err := convert(dst, f)
		replaceEscapedNUL(dst[at:])
		return dst, err
	}, ok
}

// replaceEscapedNUL turns \u0000, which jsonb has no place for, into \ufffd.
func replaceEscapedNUL(json []byte) {
	for rest := json; ; {
		i := bytes.Index(rest, []byte(`\u0000`))
		if i < 0 {
			return
		}
		slashes := 0
		for i-slashes > 0 && rest[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 { // the backslash is not itself escaped
			copy(rest[i+2:], "fffd")
			rest = rest[i+6:]
		} else {
			rest = rest[i+1:]
		}
	}
}

// raw says that a batch's bytes are the COPY tuples already.
func (e *encoder) raw(b *row.Batch) bool {
	return e.same && len(e.meta) == 0 && !e.ops && !b.Unset && b.Ops == nil
}

// casts says that some value must be cast from text on its way into the table.
func (e *encoder) casts() bool {
	return slices.ContainsFunc(e.columns, func(c sqltarget.Column) bool { return c.Cast })
}

// stamp are the metadata values that rows of one batch share.
type stamp struct {
	now, started, version int64
}

// begin prepares the metadata of a batch.
func (e *encoder) begin(b *row.Batch, s stamp) error {
	e.alive, e.dead, e.extracted = e.alive[:0], e.dead[:0], false
	for _, to := range e.meta {
		var err error
		switch to.name {
		case sqltarget.ExtractedAt:
			if e.extracted = b.Extracted != nil; e.extracted {
				continue
			}
			fallthrough
		case sqltarget.ReceivedAt, sqltarget.BatchedAt:
			err = e.both(to, s.now)
		case sqltarget.DeletedAt:
			e.alive = appendNull(e.alive)
			e.dead, err = to.append(e.dead, s.now)
		case sqltarget.Sequence:
			err = e.both(to, unixMillis(s.now))
		case sqltarget.SyncStartedAt:
			err = e.both(to, unixMillis(s.started))
		case sqltarget.TableVersion:
			if s.version == 0 {
				e.alive, e.dead = appendNull(e.alive), appendNull(e.dead)
			} else {
				err = e.both(to, s.version)
			}
		}
		if err != nil {
			return err
		}
	}
	if e.marker >= 0 {
		var err error
		e.now, err = e.mark.append(e.now[:0], s.now)
		return err
	}
	return nil
}

func (e *encoder) both(to metaField, v int64) (err error) {
	if e.alive, err = to.append(e.alive, v); err == nil {
		e.dead, err = to.append(e.dead, v)
	}
	return err
}

// append adds row i of b as a COPY tuple.
func (e *encoder) append(dst []byte, b *row.Batch, i int) ([]byte, error) {
	op, source := b.Op(i), b.Row(i)
	count := len(e.columns)
	if e.ops {
		count += 2
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(count))
	var err error
	masked := false
	if e.same && !b.Unset && (op != row.Delete || e.marker < 0) {
		dst = append(dst, source[2:]...)
	} else if dst, masked, err = e.appendFields(dst, b, i, op); err != nil {
		return dst, err
	}
	if op == row.Delete {
		dst = append(dst, e.dead...)
	} else {
		dst = append(dst, e.alive...)
	}
	if e.extracted {
		if dst, err = e.meta[len(e.meta)-1].append(dst, b.Extracted[i]); err != nil {
			return dst, err
		}
	}
	if e.ops {
		dst = append(dst, 0, 0, 0, 2, 0, byte(op))
		if masked {
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.mask)))
			dst = append(dst, e.mask...)
		} else {
			dst = appendNull(dst)
		}
	}
	return dst, nil
}

func (e *encoder) appendFields(dst []byte, b *row.Batch, i int, op row.Op) ([]byte, bool, error) {
	masked, at := false, -1
	fields := b.Fields(i)
	for c, f := range e.fields {
		v, state := fields.Next()
		if f.skip {
			continue
		}
		at++
		switch {
		case state != row.Value && op == row.Delete && c == e.marker:
			dst = append(dst, e.now...)
		case state == row.IsUnset:
			if !masked {
				masked = true
				e.mask = append(e.mask[:0], make([]byte, (len(e.columns)+7)/8)...)
			}
			e.mask[at/8] |= 1 << (at % 8)
			dst = appendNull(dst)
		case state == row.IsNull:
			dst = appendNull(dst)
		case f.convert == nil:
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
			dst = append(dst, v...)
		default:
			start := len(dst)
			dst = append(dst, 0, 0, 0, 0)
			var err error
			if dst, err = f.convert(dst, v); err != nil {
				return dst, masked, fault.Wrap(fault.BadInput, err, "stream %q, row with key %s", e.schema.Stream, sqltarget.KeyText(b, i))
			}
			binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
		}
	}
	return dst, masked, nil
}

// key is a hash of row i's key, and which key property is null or missing.
func (e *encoder) key(seed maphash.Seed, b *row.Batch, i int) (uint64, error) {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, k := range e.keys {
		fields := b.Fields(i)
		for range k {
			fields.Next()
		}
		v, state := fields.Next()
		if state != row.Value {
			return 0, fault.New(fault.BadInput, "stream %q: key property %q of a record is null", e.schema.Stream, e.schema.Columns[k].Name).
				WithHint("every record needs its whole key")
		}
		e.buf = binary.BigEndian.AppendUint32(e.buf[:0], uint32(len(v)))
		h.Write(e.buf)
		h.Write(v)
	}
	return h.Sum64(), nil
}

func appendNull(dst []byte) []byte { return append(dst, 0xff, 0xff, 0xff, 0xff) }

// append adds a metadata value: an integer, or µs since 2000.
func (m metaField) append(dst []byte, v int64) ([]byte, error) {
	if m.convert == nil {
		return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(v)), nil
	}
	binary.BigEndian.PutUint64(m.raw[:], uint64(v))
	start := len(dst)
	dst, err := m.convert(append(dst, 0, 0, 0, 0), m.raw[:])
	if err != nil {
		return dst, err
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, nil
}

// unixMillis turns µs since 2000 into ms since 1970.
func unixMillis(micros int64) int64 { return (micros + 946684800_000_000) / 1000 }
