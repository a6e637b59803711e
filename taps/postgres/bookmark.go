package postgres

import (
	"encoding/json"

	"elt/internal/fault"
	"elt/internal/row"
)

// bookmark is a stream's position. MeltanoLabs' taps write the first two
// members, PipelineWise's all of them; xmin, by which PipelineWise resumes an
// interrupted table, is never resumed from: its order is that of text.
type bookmark struct {
	Key     string          `json:"replication_key,omitempty"`
	Value   json.RawMessage `json:"replication_key_value,omitempty"`
	Version int64           `json:"version,omitempty"`
	Method  string          `json:"last_replication_method,omitempty"`
}

// parseBookmark reads what stands under bookmarks.<stream>.
func parseBookmark(raw json.RawMessage) (bookmark, error) {
	var b bookmark
	if len(raw) == 0 {
		return b, nil
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return b, fault.Wrap(fault.BadInput, err, "its bookmark cannot be read").
			WithHint("it should look like {\"replication_key\": \"updated_at\", \"replication_key_value\": \"2024-01-01T00:00:00+00:00\"}")
	}
	if string(b.Value) == "null" {
		b.Value = nil
	}
	return b, nil
}

// text is the bookmark's value as text for the server to parse, kept digit by
// digit; false when there is none.
func (b bookmark) text() (string, bool, error) {
	if b.Value == nil {
		return "", false, nil
	}
	switch b.Value[0] {
	case '{', '[':
		return "", false, fault.New(fault.BadInput, "its bookmark holds %s, which is no single value", b.Value)
	case '"':
		text, err := row.AppendJSONUnquoted(nil, b.Value)
		if err != nil {
			return "", false, err
		}
		for _, c := range text {
			if c == 0 {
				return "", false, fault.New(fault.BadInput, "its bookmark holds a NUL character, which PostgreSQL does not know")
			}
		}
		return string(text), true, nil
	}
	return string(b.Value), true, nil // a number or a truth value
}

// keyValue is the JSON of a replication key: a number as a number with its
// exact digits, everything else as text that the server reads back.
func keyValue(c *row.Column, field []byte) json.RawMessage {
	switch c.Kind {
	case row.Bool, row.Int64, row.Float64, row.Numeric:
		return row.AppendJSON(nil, c, field)
	}
	return row.AppendJSONString(nil, row.AppendText(nil, c, field))
}
