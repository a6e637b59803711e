package singer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Merge is what a tap resumes from: partial laid over completed. Objects
// merge, everything else is replaced; no number is read on the way. Either
// may be empty.
func Merge(completed, partial json.RawMessage) (json.RawMessage, error) {
	if NewBookmarks(completed).IsZero() {
		return NewBookmarks(partial).Raw(), nil
	}
	if NewBookmarks(partial).IsZero() {
		return NewBookmarks(completed).Raw(), nil
	}
	for _, v := range []json.RawMessage{completed, partial} {
		if !json.Valid(v) {
			return nil, fmt.Errorf("a state value is no JSON: %.80q", v)
		}
	}
	return mergeValue(completed, partial), nil
}

func mergeValue(under, over json.RawMessage) json.RawMessage {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(under, &a) != nil || json.Unmarshal(over, &b) != nil || a == nil || b == nil {
		return over
	}
	var o object
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if v, both := b[key]; both {
			o.set(key, mergeValue(a[key], v))
		} else {
			o.set(key, a[key])
		}
	}
	o.keep(b)
	return o.bytes()
}
