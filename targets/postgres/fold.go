package postgres

import (
	"bytes"

	"elt/internal/row"
	"elt/internal/sqltarget"
)

// folding makes one row of the rows of a batch that share a key, as a merge
// after each of them would: no key may be twice in a stage with operations,
// and a merge for every change of a busy row is slow.
type folding struct {
	hashes []uint64
	last   map[uint64]int32 // by hash: the last row of the key
	prev   []int32          // the row before it with the same key, -1 for none
	chain  []int32
	cells  []cell
	out    row.Batch
}

type cell struct {
	value []byte
	state row.State
}

// fold returns b, or a batch with one row per key that is valid until the next
// call. Where rows cannot be folded it returns b: they are merged one by one.
func (ld *loader) fold(b *row.Batch) (*row.Batch, error) {
	f := &ld.folding
	if f.last == nil {
		f.last = map[uint64]int32{}
	}
	clear(f.last)
	f.hashes, f.prev = f.hashes[:0], f.prev[:0]
	twice := false
	for i := range b.Len() {
		hash, err := ld.encoder.key(ld.seed, b, i)
		if err != nil {
			return nil, err
		}
		before, again := f.last[hash]
		switch {
		case !again:
			before = -1
		case !ld.encoder.sameKey(b, i, int(before)): // two keys share a hash
			return b, nil
		}
		twice = twice || again
		f.last[hash] = int32(i)
		f.hashes, f.prev = append(f.hashes, hash), append(f.prev, before)
	}
	if !twice {
		return b, nil
	}
	f.out.Reset(b.Schema)
	f.out.Version = b.Version
	for i, hash := range f.hashes {
		if f.last[hash] == int32(i) && !ld.foldKey(b, i) {
			return b, nil
		}
	}
	return &f.out, nil
}

// foldKey adds the row that stands for all rows of a key up to its last; false
// if there is none that does.
func (ld *loader) foldKey(b *row.Batch, last int) bool {
	f, hard, marker := &ld.folding, ld.sink.set.HardDelete, ld.encoder.marker
	f.chain = f.chain[:0]
	alive, dead := false, false
	for i := int32(last); i >= 0; i = f.prev[i] { // from the last on, to the one that all before it are forgotten for
		f.chain = append(f.chain, i)
		deletes := b.Op(int(i)) == row.Delete
		alive, dead = alive || !deletes, dead || deletes
		if deletes && hard || !deletes && whole(b, int(i)) {
			break
		}
	}
	first := f.chain[len(f.chain)-1]
	switch {
	case !alive:
		f.copy(b, int(first)) // of two deletions the earlier one counts
		return true
	case len(f.chain) == 1:
		f.copy(b, last)
		return true
	case dead && (hard || marker < 0):
		return false
	}
	f.cells = f.cells[:0]
	for range b.Schema.Columns {
		f.cells = append(f.cells, cell{state: row.IsUnset})
	}
	for n := len(f.chain) - 1; n >= 0; n-- {
		i := int(f.chain[n])
		deletes := b.Op(i) == row.Delete
		fields := b.Fields(i)
		for c := range f.cells {
			v, state := fields.Next()
			switch {
			case deletes && c == marker && state != row.Value:
				return false
			case state == row.IsUnset, deletes && !sqltarget.Marker(b.Schema.Columns[c].Name):
			default:
				f.cells[c] = cell{v, state}
			}
		}
	}
	f.write(b, last)
	return true
}

// write adds the gathered cells as a row of the time of row i.
func (f *folding) write(b *row.Batch, i int) {
	op := row.Insert
	f.out.Begin()
	for _, c := range f.cells {
		switch c.state {
		case row.Value:
			f.out.Field(c.value)
		case row.IsNull:
			f.out.Null()
		default:
			f.out.SkipField()
			op = row.Update
		}
	}
	f.end(b, i, op)
}

// copy adds row i as it is.
func (f *folding) copy(b *row.Batch, i int) {
	f.out.Offsets = append(f.out.Offsets, int32(len(f.out.Data)))
	f.out.Data = append(f.out.Data, b.Row(i)...)
	f.out.Unset = f.out.Unset || b.Unset
	f.end(b, i, b.Op(i))
}

func (f *folding) end(b *row.Batch, i int, op row.Op) {
	f.out.EndAs(op)
	if b.Extracted != nil {
		f.out.ExtractedAt(b.Extracted[i])
	}
}

// whole says that no field of row i is unset.
func whole(b *row.Batch, i int) bool {
	if !b.Unset {
		return true
	}
	fields := b.Fields(i)
	for range b.Schema.Columns {
		if _, state := fields.Next(); state == row.IsUnset {
			return false
		}
	}
	return true
}

// sameKey compares the keys of two rows byte by byte.
func (e *encoder) sameKey(b *row.Batch, i, j int) bool {
	for _, k := range e.keys {
		one, other := b.Fields(i), b.Fields(j)
		for range k {
			one.Next()
			other.Next()
		}
		v, _ := one.Next()
		w, _ := other.Next()
		if !bytes.Equal(v, w) {
			return false
		}
	}
	return true
}
