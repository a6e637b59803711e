package backfill

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elt/internal/fault"
)

// streamsOf are the streams of the plan that a backfill began with.
func streamsOf(plan json.RawMessage) (names []string, err error) {
	var p Plan
	if err := json.Unmarshal(plan, &p); err != nil {
		return nil, fmt.Errorf("read the plan of the backfill: %w", err)
	}
	for _, s := range p.Streams {
		names = append(names, s.Name)
	}
	return names, nil
}

// restrict holds a backfill that goes on to the streams that it began with:
// they are loaded to the end, and no others.
func (p *Plan) restrict() error {
	if p.only == nil || p.catalog == nil {
		return nil
	}
	var there []string
	for _, cs := range p.catalog.Selected() {
		there = append(there, cs.ID())
		if !slices.Contains(p.only, cs.ID()) {
			cs.SetMeta("selected", false)
		}
	}
	gone := slices.DeleteFunc(slices.Clone(p.only), func(name string) bool { return slices.Contains(there, name) })
	if len(gone) > 0 {
		return fault.New(fault.Failed, "streams that the backfill began with are not there or not selected any more: %s", strings.Join(gone, ", ")).
			WithHint("select them again, or cancel this backfill and start a new one")
	}
	return nil
}
