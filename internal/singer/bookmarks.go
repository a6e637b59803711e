package singer

import (
	"bytes"
	"encoding/json"
)

// Bookmarks is a Singer state value: the object a tap gets as --state and a
// target prints. The zero value is "nothing known".
type Bookmarks struct{ raw json.RawMessage }

// NewBookmarks wraps a state value; null, empty and {} are the zero value.
func NewBookmarks(value json.RawMessage) Bookmarks {
	v := bytes.TrimSpace(value)
	if len(v) == 0 || string(v) == "null" || string(v) == "{}" {
		return Bookmarks{}
	}
	return Bookmarks{raw: json.RawMessage(v)}
}

// Raw is the state value, nil for the zero value.
func (b Bookmarks) Raw() json.RawMessage { return b.raw }

// IsZero says that nothing is known.
func (b Bookmarks) IsZero() bool { return b.raw == nil }

// SkipsNothing says that no stream has a position in b, so a tap that is given
// it reads every stream from the beginning, as after {"bookmarks":{"t":{}}}.
func (b Bookmarks) SkipsNothing() bool {
	if b.IsZero() {
		return true
	}
	var whole, marks map[string]json.RawMessage
	if json.Unmarshal(b.raw, &whole) != nil {
		return false
	}
	for key, value := range whole {
		if key != "bookmarks" && key != "currently_syncing" || key == "bookmarks" && json.Unmarshal(value, &marks) != nil {
			return false
		}
	}
	for _, position := range marks {
		if !NewBookmarks(position).IsZero() {
			return false
		}
	}
	return true
}

type singerState struct {
	Bookmarks        map[string]json.RawMessage `json:"bookmarks"`
	CurrentlySyncing *string                    `json:"currently_syncing"`
}

// Interrupted is the stream in which a tap of PipelineWise's was broken off
// (currently_syncing), "" for none. It is where the next run begins; our own
// taps keep a position of each stream, and say no such thing.
func (b Bookmarks) Interrupted() string {
	var s singerState
	if b.raw == nil || json.Unmarshal(b.raw, &s) != nil || s.CurrentlySyncing == nil {
		return ""
	}
	return *s.CurrentlySyncing
}

// Stream is the object under bookmarks.<stream>, nil when there is none.
func (b Bookmarks) Stream(stream string) json.RawMessage {
	var s singerState
	if b.raw == nil || json.Unmarshal(b.raw, &s) != nil {
		return nil
	}
	return s.Bookmarks[stream]
}

// With is b with the given streams' positions replaced (a nil value removes
// one); everything else in the state value stays as it is.
func (b Bookmarks) With(streams map[string]json.RawMessage) (Bookmarks, error) {
	if len(streams) == 0 {
		return b, nil
	}
	m := NewMarks(b)
	for stream, value := range streams {
		if err := m.Set(stream, value); err != nil {
			return Bookmarks{}, err
		}
	}
	return Bookmarks{raw: m.Raw()}, nil
}
