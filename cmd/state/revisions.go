package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// summary is a list of changes in a few words.
func summary(changes []singer.Difference) string {
	switch len(changes) {
	case 0:
		return "nothing"
	case 1:
		return changes[0].Path
	}
	return fmt.Sprintf("%s and %d more", changes[0].Path, len(changes)-1)
}
