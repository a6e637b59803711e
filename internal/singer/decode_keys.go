package singer

import (
	"maps"
	"slices"
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
