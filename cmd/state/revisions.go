package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/state"
)

// revisionPair is the two revisions that args name: none, FROM, or FROM TO.
func revisionPair(ctx context.Context, store state.Store, id string, args []string) (from, to state.Revision, err error) {
	newest, err := store.History(ctx, id, 2)
	if err != nil {
		return from, to, err
	}
	if len(newest) == 0 {
		return from, to, fault.New(fault.Failed, "state id %q has no history", id).WithHint("see: elt state list")
	}
	to = newest[0]
	switch len(args) {
	case 2:
		if to, err = revision(ctx, store, id, args[1]); err != nil {
			return from, to, err
		}
		fallthrough
	case 1:
		from, err = revision(ctx, store, id, args[0])
		return from, to, err
	}
	if len(newest) == 2 {
		from = newest[1]
	}
	return from, to, nil
}

func revision(ctx context.Context, store state.Store, id, number string) (state.Revision, error) {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return state.Revision{}, fault.New(fault.Usage, "%q is no revision", number).WithHint("elt state history %s lists them", id)
	}
	r, err := store.Revision(ctx, id, n)
	if errors.Is(err, state.ErrNotFound) {
		return r, fault.New(fault.Failed, "state id %q has no revision %d", id, n).WithHint("elt state history %s lists those that are kept", id)
	}
	return r, err
}

// merged is the state that a run would have begun with.
func merged(r state.Revision) json.RawMessage {
	v, err := singer.Merge(r.Completed, r.Partial)
	if err != nil {
		return nil
	}
	return v
}

// change is one value that differs.
type change struct {
	Path string          `json:"path"`
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}

// compare lists the values that differ, by path.
func compare(a, b json.RawMessage) []change {
	from, to := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	flatten("", a, from)
	flatten("", b, to)
	all := maps.Clone(from)
	maps.Copy(all, to)
	var out []change
	for _, path := range slices.Sorted(maps.Keys(all)) {
		x, y := from[path], to[path]
		if x == nil || y == nil || !singer.EqualJSON(x, y) {
			out = append(out, change{path, x, y})
		}
	}
	return out
}

// flatten lists the values below raw; lists are values.
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

// summary is a list of changes in a few words.
func summary(changes []change) string {
	switch len(changes) {
	case 0:
		return "nothing"
	case 1:
		return changes[0].Path
	}
	return fmt.Sprintf("%s and %d more", changes[0].Path, len(changes)-1)
}
