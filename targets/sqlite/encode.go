package sqlite

import (
	"bytes"
	"encoding/binary"
	"math"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

// encoder turns rows into what bind.c takes.
type encoder struct {
	schema  *row.Schema
	columns []sqltarget.Column // those that are loaded: the schema's, then metadata
	fields  []field            // one per column of the schema
	meta    []string           // the added columns
	metaAt  [][2][]byte        // their values in this batch: of rows alive, of deleted ones
	scratch []byte
}

type field struct {
	skip    bool
	key     bool
	marker  bool // the schema's own DeletedAt
	as      row.Column
	convert row.Convert // nil: the bytes are as's already
}

func newEncoder(schema *row.Schema, into []sqltarget.Column, meta []row.Column) (*encoder, error) {
	e := &encoder{schema: schema}
	keys := map[int]bool{}
	for _, k := range schema.KeyIndexes() {
		keys[k] = true
	}
	for i, c := range schema.Columns {
		to := into[i]
		f := field{skip: to.Name == "", key: keys[i], marker: to.Name == sqltarget.DeletedAt, as: c}
		if f.skip {
			e.fields = append(e.fields, f)
			continue
		}
		if c.Kind != to.Kind && !(to.Kind == row.Text && c.Kind != row.JSON) { // AppendText of c is c's text
			convert, ok := row.Converter(c, to.Column)
			if !ok {
				return nil, fault.New(fault.BadInput, "stream %q: column %q: a %s cannot go into a column of type %s", schema.Stream, c.Name, c.Kind, to.Type)
			}
			f.convert, f.as = convert, to.Column
		} else if to.Kind == row.Text {
			f.as.Precision = 0 // a decimal in a TEXT column stays text
		}
		e.fields = append(e.fields, f)
		e.columns = append(e.columns, to)
	}
	for i := range meta {
		if to := into[len(schema.Columns)+i]; to.Name != "" {
			e.meta = append(e.meta, to.Name)
			e.columns = append(e.columns, to)
		}
	}
	e.metaAt = make([][2][]byte, len(e.meta))
	return e, nil
}

// begin prepares the metadata of a batch.
func (e *encoder) begin(now, started, version int64) {
	for i, name := range e.meta {
		alive, dead := e.metaAt[i][0][:0], e.metaAt[i][1][:0]
		switch name {
		case sqltarget.DeletedAt:
			alive, dead = append(alive, tagNull), appendMicros(dead, now)
		case sqltarget.Sequence:
			alive = appendInt(alive, unixMillis(now))
		case sqltarget.SyncStartedAt:
			alive = appendInt(alive, unixMillis(started))
		case sqltarget.TableVersion:
			if version == 0 {
				alive = append(alive, tagNull)
			} else {
				alive = appendInt(alive, version)
			}
		default:
			alive = appendMicros(alive, now)
		}
		if name != sqltarget.DeletedAt {
			dead = append(dead, alive...)
		}
		e.metaAt[i] = [2][]byte{alive, dead}
	}
}

// append adds those fields of row i that take asks for.
func (e *encoder) append(dst []byte, b *row.Batch, i int, take []bool, now int64) ([]byte, error) {
	at, op := 0, b.Op(i)
	fields := b.Fields(i)
	for c := range e.fields {
		f := &e.fields[c]
		v, state := fields.Next()
		if f.skip {
			continue
		}
		at++
		if state != row.Value && f.key {
			return dst, fault.New(fault.BadInput, "stream %q: key property %q of a record is null", e.schema.Stream, e.schema.Columns[c].Name).
				WithHint("every record needs its whole key")
		}
		if !take[at-1] {
			continue
		}
		if state != row.Value {
			if f.marker && op == row.Delete {
				dst = appendMicros(dst, now)
			} else {
				dst = append(dst, tagNull)
			}
			continue
		}
		if f.convert != nil {
			var err error
			if e.scratch, err = f.convert(e.scratch[:0], v); err != nil {
				return dst, fault.Wrap(fault.BadInput, err, "stream %q, row with key %s", e.schema.Stream, sqltarget.KeyText(b, i))
			}
			v = e.scratch
		}
		if f.key {
			dst = appendKey(dst, &f.as, e.columns[at-1].Kind == row.Text, v)
			continue
		}
		dst = appendField(dst, &f.as, e.columns[at-1].Kind == row.Text, v)
	}
	for m, name := range e.meta {
		at++
		switch {
		case !take[at-1]:
		case name == sqltarget.ExtractedAt && b.Extracted != nil:
			dst = appendMicros(dst, b.Extracted[i])
		case op == row.Delete:
			dst = append(dst, e.metaAt[m][1]...)
		default:
			dst = append(dst, e.metaAt[m][0]...)
		}
	}
	return dst, nil
}

// appendKey adds the value of a key column. SQLite compares decimals and
// instants that it keeps as text by their spelling, so in keys each has one:
// no zeros behind the point, no zone but UTC.
func appendKey(dst []byte, c *row.Column, asText bool, v []byte) []byte {
	start := len(dst)
	switch c.Kind {
	case row.TimestampTZ:
		if c.Wire == row.WireTimestampExt {
			i := row.TimestampExt(v)
			i.Offset = 0
			var utc [16]byte
			v = row.AppendTimestampExt(utc[:0], i)
		}
	case row.Numeric:
		if dst = appendField(dst, c, asText, v); dst[start] != tagText {
			return dst
		}
		if text := dst[start+5:]; bytes.IndexByte(text, '.') >= 0 {
			dst = dst[:start+5+len(bytes.TrimRight(bytes.TrimRight(text, "0"), "."))]
			binary.NativeEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-5))
		}
		return dst
	}
	return appendField(dst, c, asText, v)
}

// appendField adds a value as SQLite is to keep it; asText: in its text form,
// whatever it is.
func appendField(dst []byte, c *row.Column, asText bool, v []byte) []byte {
	if asText {
		return appendText(dst, c, v)
	}
	switch c.Kind {
	case row.Bool:
		return appendInt(dst, int64(v[0]))
	case row.Int64:
		return appendInt(dst, row.Int(c, v))
	case row.Float64:
		f := row.Float(c, v)
		if math.IsNaN(f) {
			return append(dst, tagNull) // SQLite has no NaN
		}
		return appendDouble(dst, f)
	case row.Numeric:
		if f, ok := double(v); ok {
			return appendDouble(dst, f)
		}
	case row.Bytes:
		dst = append(dst, tagBlob)
		dst = binary.NativeEndian.AppendUint32(dst, uint32(len(v)))
		return append(dst, v...)
	case row.JSON:
		json := row.JSONText(c, v)
		dst = append(dst, tagText)
		dst = binary.NativeEndian.AppendUint32(dst, uint32(len(json)))
		return append(dst, json...)
	}
	return appendText(dst, c, v)
}

func appendText(dst []byte, c *row.Column, v []byte) []byte {
	dst = append(dst, tagText, 0, 0, 0, 0)
	start := len(dst)
	if c.Kind == row.Text {
		dst = append(dst, v...)
	} else {
		dst = row.AppendText(dst, c, v)
	}
	binary.NativeEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	return dst
}

func appendInt(dst []byte, v int64) []byte {
	return binary.NativeEndian.AppendUint64(append(dst, tagInt), uint64(v))
}

func appendDouble(dst []byte, v float64) []byte {
	return binary.NativeEndian.AppendUint64(append(dst, tagDouble), math.Float64bits(v))
}

func appendMicros(dst []byte, v int64) []byte {
	dst = append(dst, tagText, 0, 0, 0, 0)
	start := len(dst)
	dst = row.AppendTimestampText(dst, v, true)
	binary.NativeEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	return dst
}

// double is the decimal in numeric field v as the nearest double, if at most
// 15 digits make that a lossless thing to do: both the digits and the power
// of ten are then exact doubles, and one division rounds right.
func double(v []byte) (float64, bool) {
	groups := int(binary.BigEndian.Uint16(v))
	weight := int(int16(binary.BigEndian.Uint16(v[2:])))
	sign := binary.BigEndian.Uint16(v[4:])
	if groups > 5 || sign != 0 && sign != 0x4000 {
		return 0, false
	}
	digits := int64(0)
	for g := range groups {
		digits = digits*10000 + int64(binary.BigEndian.Uint16(v[8+2*g:]))
	}
	shift := groups - 1 - weight // groups after the point
	if groups == 0 {
		return 0, true
	}
	if digits >= 1<<53 || shift > 5 || shift < -3 {
		return 0, false
	}
	f := float64(digits)
	for ; shift < 0; shift++ {
		if f *= 10000; f >= 1<<53 {
			return 0, false
		}
	}
	f /= powers[shift]
	if sign != 0 {
		f = -f
	}
	return f, true
}

var powers = [...]float64{1, 1e4, 1e8, 1e12, 1e16, 1e20}

// unixMillis turns µs since 2000 into ms since 1970.
func unixMillis(micros int64) int64 { return (micros + 946684800_000_000) / 1000 }
