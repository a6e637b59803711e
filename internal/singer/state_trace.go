package singer

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
)

// exactTraces is how many distinct stream values a Trace remembers exactly;
// of later ones it keeps a Bloom filter, so that its memory has a bound and
// no genuine value is ever refused.
const exactTraces = 1 << 17

// Trace knows which STATE values a run may acknowledge (invariant 5): each
// per-stream value must have been in the starting state or forwarded to the
// target. It is safe for concurrent use.
type Trace struct {
	mu     sync.Mutex
	seed   maphash.Seed
	exact  map[uint64]struct{}
	filter []uint64        // nil until exact is full
	always map[string]bool // streams that every known STATE had; nil: none seen
	known  bool            // something other than {} was seen
}

// NewTrace starts with the state that the tap was given.
func NewTrace(start Bookmarks) *Trace {
	t := &Trace{seed: maphash.MakeSeed(), exact: map[uint64]struct{}{}}
	if !start.IsZero() {
		t.whole(start.Raw())
	}
	return t
}

// Forwarded takes note of a STATE value that is on its way to the target.
func (t *Trace) Forwarded(value json.RawMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.whole(value)
}

// whole learns a value that has all of its parts.
func (t *Trace) whole(value json.RawMessage) {
	parts := t.learn(value)
	if t.always == nil {
		t.always = map[string]bool{}
		for name := range parts {
			t.always[name] = true
		}
	}
	maps.DeleteFunc(t.always, func(name string, _ bool) bool { _, ok := parts[name]; return !ok })
}

// Moved takes note of a STATE value by which a tap of ours moves one stream;
// the others are not in it, and stay as they were.
func (t *Trace) Moved(stream string, value json.RawMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	parts := t.learn(value)
	if _, ok := parts[stream]; !ok {
		delete(t.always, stream) // it was taken back
	}
}

// learn remembers the parts of a value.
func (t *Trace) learn(value json.RawMessage) (parts map[string]json.RawMessage) {
	parts = stateParts(value)
	t.known = t.known || !emptyState(parts)
	for name, v := range parts {
		t.remember(t.hash(name, v))
	}
	return parts
}

// Check judges an acknowledged STATE value; nil means that it counts. The
// error names the stream whose value was invented, changed or lost.
func (t *Trace) Check(acked json.RawMessage) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !json.Valid(acked) {
		return fmt.Errorf("the target acknowledged something that is no JSON: %.80q", acked)
	}
	parts := stateParts(acked)
	if t.known && emptyState(parts) && !t.sent(parts) {
		return fmt.Errorf("the target acknowledged an empty state although bookmarks are known")
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if !t.recalls(t.hash(name, parts[name])) {
			return fmt.Errorf("the target acknowledged a bookmark of %q that the tap never sent in this run", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.always)) {
		if _, ok := parts[name]; !ok {
			return fmt.Errorf("the target acknowledged a state that has lost the bookmark of %q", name)
		}
	}
	return nil
}

// sent says that parts are some, and that each was in the starting state or
// forwarded in this run: a tap may take a bookmark back, as with that of a
// table which it has read to the end.
func (t *Trace) sent(parts map[string]json.RawMessage) bool {
	for name, v := range parts {
		if !t.recalls(t.hash(name, v)) {
			return false
		}
	}
	return len(parts) > 0
}

// stateParts splits a STATE value into what is judged by itself: each stream
// under "bookmarks", and each other member of the top level. What is no
// object is one part without a name.
func stateParts(value json.RawMessage) map[string]json.RawMessage {
	var top map[string]json.RawMessage
	if json.Unmarshal(value, &top) != nil {
		return map[string]json.RawMessage{"": value}
	}
	parts := map[string]json.RawMessage{}
	for key, v := range top {
		var marks map[string]json.RawMessage
		switch {
		case key == "currently_syncing":
		case key == "bookmarks" && json.Unmarshal(v, &marks) == nil:
			for stream, mark := range marks {
				parts[stream] = mark
			}
		default:
			parts["state."+key] = v
		}
	}
	return parts
}

func emptyState(parts map[string]json.RawMessage) bool {
	for _, v := range parts {
		if s := string(v); s != "null" && s != "{}" && s != `""` {
			return false
		}
	}
	return true
}

func (t *Trace) hash(name string, value json.RawMessage) uint64 {
	var buf [256]byte
	canon, err := appendCanonical(append(append(buf[:0], name...), 0), value)
	if err != nil {
		canon = append(canon, value...)
	}
	return maphash.Bytes(t.seed, canon)
}

func (t *Trace) remember(h uint64) {
	if t.recalls(h) {
		return
	}
	if len(t.exact) < exactTraces {
		t.exact[h] = struct{}{}
		return
	}
	if t.filter == nil {
		t.filter = make([]uint64, 1<<18) // 2 MiB: one in 400 wrong after a million values
	}
	for _, bit := range filterBits(h) {
		t.filter[bit>>6] |= 1 << (bit & 63)
	}
}

func (t *Trace) recalls(h uint64) bool {
	if _, ok := t.exact[h]; ok {
		return true
	}
	if t.filter == nil {
		return false
	}
	for _, bit := range filterBits(h) {
		if t.filter[bit>>6]&(1<<(bit&63)) == 0 {
			return false
		}
	}
	return true
}

// filterBits are four places in 2^24 bits, by double hashing.
func filterBits(h uint64) (bits [4]uint32) {
	step := uint32(h>>32) | 1
	for i := range bits {
		bits[i] = (uint32(h) + uint32(i)*step) & (1<<24 - 1)
	}
	return bits
}
