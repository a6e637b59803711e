package row

import (
	"encoding/binary"
	"sync"
)

// Op is what a row does at the destination.
type Op uint8

const (
	Insert Op = iota // insert, or replace the row of the same key
	Update           // as Insert; unset fields keep what the destination has
	Delete           // only the key and the deletion marker are meaningful
)

const (
	null  = -1
	unset = -2

	keepBytes = 4 << 20 // a pool keeps no bigger batch
)

// Batch is some rows of one stream, all of one schema. It is built by one
// goroutine with Begin, field calls and End, then handed on; whoever
// consumes it calls Release.
type Batch struct {
	Schema *Schema
	// Data holds the rows back to back, each a COPY tuple.
	Data []byte
	// Offsets[i] is where row i starts in Data.
	Offsets []int32
	// Ops is nil when every row is an Insert, else one per row.
	Ops []Op
	// Unset says that some field of some row is unset, so Data is no COPY stream.
	Unset bool
	// Version is the table version (ACTIVATE_VERSION) of all rows, 0 for none.
	Version int64
	// Extracted is when the source handed out each row (µs since 2000-01-01
	// UTC), nil when unknown.
	Extracted []int64

	at        int // where the open field's length goes
	pool      *Pool
	ops       []Op    // memory kept over Reset
	extracted []int64 // memory kept over Reset
}

// Len is the number of complete rows.
func (b *Batch) Len() int { return len(b.Offsets) }

// Reset empties b for rows of schema s and keeps its memory.
func (b *Batch) Reset(s *Schema) {
	if b.Ops != nil {
		b.ops = b.Ops[:0]
	}
	if b.Extracted != nil {
		b.extracted = b.Extracted[:0]
	}
	b.Schema, b.Data, b.Offsets, b.Ops, b.Extracted = s, b.Data[:0], b.Offsets[:0], nil, nil
	b.Unset, b.Version = false, 0
}

// Release gives b back to the pool it came from; the caller must not touch it
// again. A batch that came from no pool, or that a giant row made big, is left
// to the garbage collector.
func (b *Batch) Release() {
	if b.pool != nil && cap(b.Data) <= keepBytes {
		b.pool.pool.Put(b)
	}
}

// Begin opens a row; exactly len(Schema.Columns) field calls follow.
func (b *Batch) Begin() {
	b.Offsets = append(b.Offsets, int32(len(b.Data)))
	b.Data = binary.BigEndian.AppendUint16(b.Data, uint16(len(b.Schema.Columns)))
}

// Null appends a NULL field.
func (b *Batch) Null() { b.Data = append(b.Data, 0xff, 0xff, 0xff, 0xff) }

// SkipField appends an unset field: the source sent no value for it.
func (b *Batch) SkipField() {
	b.Data = append(b.Data, 0xff, 0xff, 0xff, 0xfe)
	b.Unset = true
}

// Field appends a field whose bytes are already in the column's wire.
func (b *Batch) Field(v []byte) {
	b.Data = binary.BigEndian.AppendUint32(b.Data, uint32(len(v)))
	b.Data = append(b.Data, v...)
}

// Str is Field for a string.
func (b *Batch) Str(v string) {
	b.Data = binary.BigEndian.AppendUint32(b.Data, uint32(len(v)))
	b.Data = append(b.Data, v...)
}

// Open starts a field of unknown length: append its bytes to b.Data, then Close.
func (b *Batch) Open() {
	b.at = len(b.Data)
	b.Data = append(b.Data, 0, 0, 0, 0)
}

// Close ends the field that Open started.
func (b *Batch) Close() {
	binary.BigEndian.PutUint32(b.Data[b.at:], uint32(len(b.Data)-b.at-4))
}

// Bool, Int8, Int4, Int2, Float8Bits append a field of that wire.

func (b *Batch) Bool(v bool) {
	x := byte(0)
	if v {
		x = 1
	}
	b.Data = append(b.Data, 0, 0, 0, 1, x)
}

func (b *Batch) Int8(v int64) {
	b.Data = append(b.Data, 0, 0, 0, 8)
	b.Data = binary.BigEndian.AppendUint64(b.Data, uint64(v))
}

func (b *Batch) Int4(v int32) {
	b.Data = append(b.Data, 0, 0, 0, 4)
	b.Data = binary.BigEndian.AppendUint32(b.Data, uint32(v))
}

func (b *Batch) Int2(v int16) { b.Data = append(b.Data, 0, 0, 0, 2, byte(v>>8), byte(v)) }

func (b *Batch) Float8Bits(v uint64) {
	b.Data = append(b.Data, 0, 0, 0, 8)
	b.Data = binary.BigEndian.AppendUint64(b.Data, v)
}

// End closes the row as an Insert.
func (b *Batch) End() {
	if b.Ops != nil {
		b.Ops = append(b.Ops, Insert)
	}
}

// EndAs closes the row with an operation.
func (b *Batch) EndAs(op Op) {
	if b.Ops == nil && op != Insert {
		b.Ops = b.ops[:0]
		for range len(b.Offsets) - 1 {
			b.Ops = append(b.Ops, Insert)
		}
		if b.Ops == nil {
			b.Ops = make([]Op, 0, 64)
		}
	}
	if b.Ops != nil {
		b.Ops = append(b.Ops, op)
	}
}

// ExtractedAt says when the source handed out the row begun last (µs since
// 2000-01-01 UTC). Call it for every row of a batch or for none.
func (b *Batch) ExtractedAt(micros int64) {
	if b.Extracted == nil {
		b.Extracted = b.extracted[:0]
	}
	b.Extracted = append(b.Extracted, micros)
}

// Drop takes back the row that Begin opened (or the last closed one, before
// anything else is begun); used when a value turns out not to fit the schema.
func (b *Batch) Drop() {
	last := len(b.Offsets) - 1
	b.Data, b.Offsets = b.Data[:b.Offsets[last]], b.Offsets[:last]
	if len(b.Ops) > last {
		b.Ops = b.Ops[:last]
	}
	if len(b.Extracted) > last {
		b.Extracted = b.Extracted[:last]
	}
}

// Split keeps the first n rows and returns the others as a batch of their own.
func (b *Batch) Split(n int) *Batch {
	rest := &Batch{}
	if b.pool != nil {
		rest = b.pool.Get(b.Schema)
	}
	base := b.Offsets[n]
	rest.Schema, rest.Unset, rest.Version = b.Schema, b.Unset, b.Version
	rest.Data = append(rest.Data, b.Data[base:]...)
	for _, at := range b.Offsets[n:] {
		rest.Offsets = append(rest.Offsets, at-base)
	}
	if b.Ops != nil {
		rest.Ops = append(rest.ops[:0], b.Ops[n:]...)
		b.Ops = b.Ops[:n]
	}
	if b.Extracted != nil {
		rest.Extracted = append(rest.extracted[:0], b.Extracted[n:]...)
		b.Extracted = b.Extracted[:n]
	}
	b.Data, b.Offsets = b.Data[:base], b.Offsets[:n]
	return rest
}

// Take copies the rows of o behind those of b. It says false, and does
// nothing, when they cannot lie in one batch.
func (b *Batch) Take(o *Batch) bool {
	if b.Len() > 0 && (b.Schema != o.Schema || b.Version != o.Version || (b.Extracted == nil) != (o.Extracted == nil)) {
		return false
	}
	if b.Len() == 0 {
		b.Schema, b.Version = o.Schema, o.Version
	}
	if o.Ops != nil && b.Ops == nil {
		if b.Ops = b.ops[:0]; b.Ops == nil {
			b.Ops = make([]Op, 0, 64)
		}
		for range b.Offsets {
			b.Ops = append(b.Ops, Insert)
		}
	}
	if b.Ops != nil {
		for i := range o.Offsets {
			b.Ops = append(b.Ops, o.Op(i))
		}
	}
	base := int32(len(b.Data))
	for _, at := range o.Offsets {
		b.Offsets = append(b.Offsets, at+base)
	}
	if o.Extracted != nil {
		b.Extracted = append(b.Extracted, o.Extracted...)
	}
	b.Data = append(b.Data, o.Data...)
	b.Unset = b.Unset || o.Unset
	return true
}

// Op is the operation of row i.
func (b *Batch) Op(i int) Op {
	if b.Ops == nil {
		return Insert
	}
	return b.Ops[i]
}

// Row is the bytes of row i, a COPY tuple.
func (b *Batch) Row(i int) []byte {
	if i+1 < len(b.Offsets) {
		return b.Data[b.Offsets[i]:b.Offsets[i+1]]
	}
	return b.Data[b.Offsets[i]:]
}

// Fields is a cursor over the fields of row i.
func (b *Batch) Fields(i int) Fields { return Fields{rest: b.Row(i)[2:]} }

// Fields walks the fields of one row in column order.
type Fields struct{ rest []byte }

// State of a field.
type State uint8

const (
	Value State = iota
	IsNull
	IsUnset
)

// Next is the next field's bytes, valid as long as the batch, and its state.
// It must not be called more often than the schema has columns.
func (f *Fields) Next() ([]byte, State) {
	n := int32(binary.BigEndian.Uint32(f.rest))
	switch n {
	case null:
		f.rest = f.rest[4:]
		return nil, IsNull
	case unset:
		f.rest = f.rest[4:]
		return nil, IsUnset
	}
	v := f.rest[4 : 4+n : 4+n]
	f.rest = f.rest[4+n:]
	return v, Value
}

// Pool recycles batches, so that the row path allocates nothing once warm.
type Pool struct{ pool sync.Pool }

// NewPool makes a pool whose fresh batches have room for size bytes.
func NewPool(size int) *Pool {
	return &Pool{sync.Pool{New: func() any { return &Batch{Data: make([]byte, 0, size)} }}}
}

// Get is an empty batch of schema s.
func (p *Pool) Get(s *Schema) *Batch {
	b := p.pool.Get().(*Batch)
	b.pool = p
	b.Reset(s)
	return b
}
