package singer

import (
	"bytes"
	"encoding/json"
)

// Moved says whether a stream's bookmark shows how far its rows have come
// since start: it differs by a value that a tap resumes from. One that counts
// versions or names methods says nothing of rows, and what the Meltano SDK
// puts under progress_markers is thrown away by the next run.
func Moved(start, now json.RawMessage) bool {
	if bytes.Contains(now, []byte(`"progress_markers"`)) {
		return false
	}
	mark := resumed(now)
	return mark != nil && !EqualJSON(mark, resumed(start))
}

// resumed is a bookmark without what says nothing of rows; nil for nothing.
func resumed(value json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return NewBookmarks(value).Raw()
	}
	for _, key := range []string{"version", "last_replication_method", "replication_method", "replication_key", "starting_replication_value"} {
		delete(fields, key)
	}
	raw, err := json.Marshal(fields)
	if err != nil || len(fields) == 0 {
		return nil
	}
	return raw
}
