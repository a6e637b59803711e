package runner

import (
	"context"
	"strings"

	"elt/internal/fault"
)

// destination is what the store notes of a destination and a state id.
type destination struct {
	had  bool   // it keeps a position with the rows: if it has lost it, it is refused
	kept string // what the last run, which succeeded, said it left; "" once another has started
}

func destinationScope(stateID string) string { return "destination:" + stateID }

func (d destination) String() string {
	word := ""
	if d.had {
		word = "kept"
	}
	return strings.TrimSuffix(word+" "+d.kept, " ")
}

func parseDestination(text string) destination {
	word, kept, _ := strings.Cut(text, " ")
	return destination{word == "kept", kept}
}

func (s *set) destination(ctx context.Context) (destination, error) {
	text, _, err := s.Store.Setting(ctx, destinationScope(s.plan.StateID), s.target().Plugin.Name)
	if err != nil {
		return destination{}, fault.Wrap(fault.StoreAway, err, "cannot read what is known of the destination")
	}
	return parseDestination(text), nil
}

// noteDestination replaces what is noted where it is another.
func (s *set) noteDestination(ctx context.Context, was, is destination) error {
	if was == is {
		return nil
	}
	if err := s.Store.PutSetting(ctx, destinationScope(s.plan.StateID), s.target().Plugin.Name, is.String()); err != nil {
		return fault.Wrap(fault.StoreAway, err, "cannot note what the destination keeps")
	}
	return nil
}
