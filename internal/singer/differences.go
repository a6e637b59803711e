package singer

import (
	"encoding/json"
	"maps"
	"slices"
)

// Difference is one value that differs between two states; nil: it is not there.
type Difference struct {
	Path string          `json:"path"` // names joined by dots
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}

// Differences lists the values that differ, by path; lists are values.
func Differences(a, b json.RawMessage) []Difference {
	from, to := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	flatten("", a, from)
	flatten("", b, to)
	all := maps.Clone(from)
	maps.Copy(all, to)
	var out []Difference
	for _, path := range slices.Sorted(maps.Keys(all)) {
		x, y := from[path], to[path]
		if x == nil || y == nil || !EqualJSON(x, y) {
			out = append(out, Difference{path, x, y})
		}
	}
	return out
}

func flatten(path string, raw json.RawMessage, into map[string]json.RawMessage) {
	if raw == nil {
		return
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || len(object) == 0 {
		into[path] = raw
		return
	}
	for key, v := range object {
		if path != "" {
			key = path + "." + key
		}
		flatten(key, v, into)
	}
}
