package load

import (
	"encoding/json"

	"elt/targets"
)

// TypeStats is Stats.Type.
const TypeStats = "ELT_STATS"

// Stats is one line for the runner: every second while rows move, and at the
// end. Before it come SCHEMA messages, of streams whose schema is new.
type Stats struct {
	Type    string        `json:"type"`
	Streams []StreamStats `json:"streams"`
}

// StreamStats is what one stream has moved so far. WaitTap and WaitTarget say
// which side the run is waiting for.
type StreamStats struct {
	Stream     string           `json:"stream"`
	Rows       int64            `json:"rows"`
	Bytes      int64            `json:"bytes"`
	Seconds    float64          `json:"seconds"`
	Bookmark   json.RawMessage  `json:"bookmark,omitempty"`
	Rejected   int64            `json:"rejected,omitempty"`
	WaitTap    int64            `json:"wait_tap_ms"`
	WaitTarget int64            `json:"wait_target_ms"`
	Error      string           `json:"error,omitempty"`
	Changes    []targets.Change `json:"changes,omitempty"`
}
