package row

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// described is a batch's rows with all that belongs to them.
func described(b *Batch) []string {
	var out []string
	for i := range b.Len() {
		f := b.Fields(i)
		v, state := f.Next()
		at := int64(-1)
		if b.Extracted != nil {
			at = b.Extracted[i]
		}
		out = append(out, fmt.Sprint(v, state, b.Op(i), at))
	}
	return out
}

// What is split and taken together again in any pieces, from a pool or not,
// is what it was.
func TestSplitAndTakeLoseNothing(t *testing.T) {
	s := &Schema{Columns: []Column{{Name: "n", Kind: Int64, Wire: WireInt8}}}
	rapid.Check(t, func(r *rapid.T) {
		b := &Batch{}
		if rapid.Bool().Draw(r, "pooled") {
			b = NewPool(0).Get(s)
		}
		b.Schema = s
		timed := rapid.Bool().Draw(r, "timed")
		ops := rapid.SliceOfN(rapid.SampledFrom([]Op{Insert, Insert, Update, Delete}), 1, 20).Draw(r, "ops")
		for i, op := range ops {
			b.Begin()
			if timed {
				b.ExtractedAt(int64(i))
			}
			if op == Update {
				b.SkipField()
			} else {
				b.Int8(int64(i))
			}
			b.EndAs(op)
		}
		want, unset := described(b), b.Unset
		whole := &Batch{}
		for b.Len() > 1 {
			rest := b.Split(rapid.IntRange(1, b.Len()-1).Draw(r, "at"))
			if !whole.Take(b) {
				r.Fatal("not taken")
			}
			b = rest
		}
		if !whole.Take(b) {
			r.Fatal("not taken")
		}
		if got := described(whole); strings.Join(got, "\n") != strings.Join(want, "\n") || whole.Unset != unset {
			r.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestTakeKeepsApartWhatDiffers(t *testing.T) {
	s := &Schema{Columns: []Column{{Name: "n", Kind: Int64, Wire: WireInt8}}}
	one := func(s *Schema, version int64, timed bool) *Batch {
		b := &Batch{Schema: s, Version: version}
		b.Begin()
		if timed {
			b.ExtractedAt(1)
		}
		b.Int8(1)
		b.End()
		return b
	}
	for name, other := range map[string]*Batch{
		"schema": one(&Schema{}, 0, false), "version": one(s, 1, false), "times": one(s, 0, true),
	} {
		if b := one(s, 0, false); b.Take(other) || b.Len() != 1 {
			t.Errorf("another %s was taken", name)
		}
	}
}
