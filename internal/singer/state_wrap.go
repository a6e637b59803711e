package singer

import (
	"encoding/json"
	"fmt"
)

// Meltano keeps a STATE value inside {"singer_state": …}, in its database, its
// state files and on its command line.
type wrappedState struct {
	Singer json.RawMessage `json:"singer_state"`
}

// WrapState is a STATE value as Meltano keeps it; {} for none.
func WrapState(value json.RawMessage) json.RawMessage {
	b := NewBookmarks(value)
	if b.IsZero() {
		return json.RawMessage("{}")
	}
	raw, err := json.Marshal(wrappedState{b.Raw()})
	if err != nil {
		return json.RawMessage("{}") // the value was no JSON
	}
	return raw
}

// UnwrapState is the STATE value in what Meltano keeps; nil for none. What
// has other members only is refused.
func UnwrapState(kept json.RawMessage) (json.RawMessage, error) {
	if NewBookmarks(kept).IsZero() {
		return nil, nil
	}
	var w wrappedState
	if err := json.Unmarshal(kept, &w); err != nil {
		return nil, fmt.Errorf("a kept state must be a JSON object: %w", err)
	}
	if w.Singer == nil {
		return nil, fmt.Errorf(`a kept state must have the key "singer_state"`)
	}
	b := NewBookmarks(w.Singer)
	if b.IsZero() {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(b.Raw(), &object); err != nil {
		return nil, fmt.Errorf(`"singer_state" must be a JSON object`)
	}
	return b.Raw(), nil
}
