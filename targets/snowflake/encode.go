package snowflake

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"math"
	"strconv"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

// encoder writes rows of one layout as CSV, as the COPY of this package reads
// it: an empty field is NULL, text is always quoted, nothing is escaped but
// the quote. It allocates nothing per row.
type encoder struct {
	*layout
	fields  []field
	meta    []string // the metadata columns that are loaded, by their plain names
	metaAt  []int    // their positions in figures
	alive   [][]byte // metadata of rows that live, in this batch
	dead    [][]byte
	seen    []figures // per column of schema and metadata
	rows    int64     // numbered
	scratch []byte
	mask    []byte

	// Rows with unset fields: the keys of the segment at hand.
	segment int64
	keys    map[uint64]struct{}
	seed    maphash.Seed
}

type field struct {
	skip, key, marker bool
	form              form
	from              row.Column
	convert           row.Convert // nil: none
}

// form is how a value is written.
type form uint8

const (
	plainText form = iota // AppendText, no quotes needed
	quotedText
	rawText // the field is the text
	number  // figures are taken
	float
	hexBytes
	day
	clock
	instantUTC
	instantZoned
	instantNaive
	jsonText // any value as JSON
)

// keysMost bounds the memory of a segment's keys.
const keysMost = 100_000

func newEncoder(l *layout) (*encoder, error) {
	e := &encoder{layout: l, seen: make([]figures, len(l.into)), seed: maphash.MakeSeed()}
	keys := map[int]bool{}
	for _, k := range l.schema.KeyIndexes() {
		keys[k] = l.keyed
	}
	for i, c := range l.schema.Columns {
		to := l.into[i]
		f := field{skip: to.Name == "", key: keys[i], marker: c.Name == sqltarget.DeletedAt, from: c}
		if !f.skip {
			if err := f.settle(l.schema.Stream, to); err != nil {
				return nil, err
			}
		}
		e.fields = append(e.fields, f)
	}
	for i, m := range l.meta {
		if l.into[len(l.schema.Columns)+i].Name != "" {
			e.meta, e.metaAt = append(e.meta, m.Name), append(e.metaAt, len(l.schema.Columns)+i)
		}
	}
	e.alive, e.dead = make([][]byte, len(e.meta)), make([][]byte, len(e.meta))
	if l.masked {
		e.keys = map[uint64]struct{}{}
	}
	return e, nil
}

// settle chooses the form of values that go into a column.
func (f *field) settle(stream string, to sqltarget.Column) error {
	c := &f.from
	switch {
	case to.Kind == row.JSON:
		f.form = jsonText
		return nil
	case to.Kind == row.Text && c.Kind == row.JSON:
		f.form = quotedText
		if c.Mixed {
			convert, ok := row.Converter(*c, to.Column)
			if ok {
				f.convert, f.form = convert, rawText
			}
		}
		return nil
	case to.Kind == row.Text && c.Kind == row.Text:
		f.form = rawText
		return nil
	case to.Kind == row.Text && c.Kind != row.Numeric:
		f.form = quotedText
		return nil
	}
	switch c.Kind {
	case row.Numeric:
		f.form = number // text too: whether it is a number of 38 digits turns out later
	case row.Float64:
		f.form = float
	case row.Bytes:
		f.form = hexBytes
	case row.Date:
		f.form = day
	case row.Time:
		f.form = clock
	case row.Timestamp, row.TimestampTZ:
		switch {
		case to.Kind == row.Timestamp && c.Kind == row.TimestampTZ:
			f.form = instantUTC
		case to.Kind == row.TimestampTZ:
			f.form = instantZoned
		default:
			f.form = instantNaive
		}
	case row.Text, row.JSON, row.UUID:
		return f.into(stream, to)
	default:
		if c.Kind != to.Kind && !(c.Kind == row.Int64 && (to.Kind == row.Numeric || to.Kind == row.Float64)) {
			return f.into(stream, to)
		}
		f.form = plainText
	}
	return nil
}

// into is for columns that on_schema_change keeps as they are: values that are
// of the column's kind are converted, others end the stream.
func (f *field) into(stream string, to sqltarget.Column) error {
	convert, ok := row.Converter(f.from, to.Column)
	if !ok {
		return fault.New(fault.BadInput, "stream %q: column %q: a %s cannot go into a column of type %s", stream, f.from.Name, f.from.Kind, to.Type)
	}
	f.convert = convert
	f.from = to.Column
	return f.settle(stream, to)
}

// begin prepares the metadata of a batch.
func (e *encoder) begin(now, started, version int64) {
	for i, name := range e.meta {
		alive, dead := e.alive[i][:0], e.dead[i][:0]
		to := e.into[e.metaAt[i]]
		switch name {
		case sqltarget.DeletedAt:
			dead = appendMicros(dead, now, to.Kind)
		case sqltarget.Sequence:
			alive = strconv.AppendInt(alive, unixMillis(now), 10)
		case sqltarget.SyncStartedAt:
			alive = strconv.AppendInt(alive, unixMillis(started), 10)
		case sqltarget.TableVersion:
			if version != 0 {
				alive = strconv.AppendInt(alive, version, 10)
			}
		default:
			alive = appendMicros(alive, now, to.Kind)
		}
		if name != sqltarget.DeletedAt {
			dead = append(dead, alive...)
		}
		e.alive[i], e.dead[i] = alive, dead
	}
}

// append adds row i of b as a line. now is for the mark of a deleted row.
func (e *encoder) append(dst []byte, b *row.Batch, i int, now int64) (_ []byte, err error) {
	op := b.Op(i)
	fields := b.Fields(i)
	first, unset := true, false
	e.mask = e.mask[:0]
	for c := range e.fields {
		f := &e.fields[c]
		v, state := fields.Next()
		if f.skip {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if e.masked {
			bit := byte('0')
			if state == row.IsUnset && !f.key {
				bit, unset = '1', true
			}
			e.mask = append(e.mask, bit)
		}
		if state != row.Value {
			switch {
			case f.key:
				return dst, fault.New(fault.BadInput, "stream %q: key property %q of a record is null", e.schema.Stream, e.schema.Columns[c].Name).
					WithHint("every record needs its whole key")
			case f.marker && op == row.Delete:
				dst = appendMicros(dst, now, e.into[c].Kind)
			}
			continue
		}
		if f.convert != nil {
			if e.scratch, err = f.convert(e.scratch[:0], v); err != nil {
				return dst, fault.Wrap(fault.BadInput, err, "stream %q, row with key %s", e.schema.Stream, sqltarget.KeyText(b, i))
			}
			v = e.scratch
		}
		dst = f.append(dst, v, &e.seen[c])
	}
	for m, name := range e.meta {
		dst = append(dst, ',')
		switch {
		case name == sqltarget.ExtractedAt && b.Extracted != nil:
			dst = appendMicros(dst, b.Extracted[i], e.into[e.metaAt[m]].Kind)
		case op == row.Delete:
			dst = append(dst, e.dead[m]...)
		default:
			dst = append(dst, e.alive[m]...)
		}
		if e.masked {
			e.mask = append(e.mask, '0')
		}
	}
	if e.keyed {
		e.rows++
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, e.rows, 10)
		if e.ops {
			dst = append(dst, ',', '0'+byte(op))
		}
		if e.masked {
			e.note(b, i, unset)
			dst = append(dst, ',', '"')
			dst = append(dst, e.mask...)
			dst = append(dst, '"', ',')
			dst = strconv.AppendInt(dst, e.segment, 10)
		}
	}
	return append(dst, '\n'), nil
}

// note starts a new segment where a row with unset fields meets its key again:
// merged together the last row would win, and take what it does not say along.
func (e *encoder) note(b *row.Batch, i int, unset bool) {
	var h maphash.Hash
	h.SetSeed(e.seed)
	fields := b.Fields(i)
	for c := range e.fields {
		v, _ := fields.Next()
		if e.fields[c].key {
			var size [4]byte
			binary.BigEndian.PutUint32(size[:], uint32(len(v)))
			h.Write(size[:])
			h.Write(v)
		}
	}
	key := h.Sum64()
	if _, again := e.keys[key]; again && unset || len(e.keys) >= keysMost {
		e.segment++
		clear(e.keys)
	}
	e.keys[key] = struct{}{}
}

// append writes a value. What the column's type has no value for is written
// all the same, and seen: the column it then goes into is text.
func (f *field) append(dst, v []byte, seen *figures) []byte {
	switch f.form {
	case rawText:
		return appendQuoted(dst, v)
	case plainText:
		return row.AppendText(dst, &f.from, v)
	case number:
		seen.see(v)
		return row.AppendNumericText(dst, v)
	case float:
		return appendFloat(dst, &f.from, v)
	case hexBytes:
		return hex.AppendEncode(dst, v)
	case day:
		days := int32(binary.BigEndian.Uint32(v))
		seen.special = seen.special || days < firstDay || days > lastDay
		return row.AppendDateText(dst, days)
	case clock:
		micros := int64(binary.BigEndian.Uint64(v))
		seen.special = seen.special || micros >= 86400_000_000 // 24:00
		return row.AppendTimeText(dst, micros)
	case instantUTC, instantZoned, instantNaive:
		return f.instant(dst, v, seen)
	case jsonText:
		return quoteTail(row.AppendJSON(append(dst, '"'), &f.from, v), len(dst)+1)
	}
	return quoteTail(row.AppendText(append(dst, '"'), &f.from, v), len(dst)+1)
}

// The first and the last day that Snowflake has, since 2000-01-01.
const (
	firstDay = -730119 // 0001-01-01
	lastDay  = 2921939 // 9999-12-31
)

func (f *field) instant(dst, v []byte, seen *figures) []byte {
	var i row.Instant
	if f.from.Wire == row.WireTimestampExt {
		i = row.TimestampExt(v)
	} else {
		i = row.InstantOf(int64(binary.BigEndian.Uint64(v)), f.from.Wire == row.WireTimestampTZ)
	}
	switch {
	case f.form != instantZoned: // a naive column holds instants in UTC
		i.Offset = row.NoOffset
	case i.Offset == row.NoOffset:
		i.Offset = 0
	default:
		i.Offset -= i.Offset % 60 // no offset has seconds
	}
	const day, epoch = 86400, 946684800
	local := i.Sec
	if i.Offset != row.NoOffset && i.Sec != math.MinInt64 && i.Sec != math.MaxInt64 {
		local += int64(i.Offset)
	}
	seen.special = seen.special || local < firstDay*day+epoch || local >= (lastDay+1)*day+epoch
	return row.AppendInstantText(dst, i)
}

// appendFloat writes NaN and the infinities as Snowflake spells them.
func appendFloat(dst []byte, c *row.Column, v []byte) []byte {
	switch x := row.Float(c, v); {
	case math.IsNaN(x):
		return append(dst, "NaN"...)
	case math.IsInf(x, 1):
		return append(dst, "inf"...)
	case math.IsInf(x, -1):
		return append(dst, "-inf"...)
	}
	return row.AppendText(dst, c, v)
}

// appendQuoted writes text in quotes, its own quotes doubled.
func appendQuoted(dst, v []byte) []byte {
	dst = append(dst, '"')
	for {
		at := bytes.IndexByte(v, '"')
		if at < 0 {
			dst = append(dst, v...)
			return append(dst, '"')
		}
		dst = append(dst, v[:at+1]...)
		dst = append(dst, '"')
		v = v[at+1:]
	}
}

// quoteTail doubles the quotes of what lies in dst from start on, and closes it.
func quoteTail(dst []byte, start int) []byte {
	quotes := bytes.Count(dst[start:], []byte{'"'})
	if quotes > 0 {
		end := len(dst)
		for range quotes {
			dst = append(dst, 0)
		}
		for from, to := end-1, len(dst)-1; from >= start; from, to = from-1, to-1 {
			dst[to] = dst[from]
			if dst[from] == '"' {
				to--
				dst[to] = '"'
			}
		}
	}
	return append(dst, '"')
}

func appendMicros(dst []byte, v int64, into row.Kind) []byte {
	i := row.InstantOf(v, into == row.TimestampTZ)
	return row.AppendInstantText(dst, i)
}

// unixMillis turns µs since 2000 into ms since 1970.
func unixMillis(micros int64) int64 { return (micros + 946684800_000_000) / 1000 }
