package xactly

import (
	"encoding/json"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps/httpapi"
)

// moment is a date as the service wrote it, and as it is.
type moment struct {
	text string
	at   time.Time // zero: the text is no date that we know
	zone bool      // the text says which zone it is of
}

// momentOf reads a JSON value.
func momentOf(cell []byte) moment {
	if string(cell) == "null" {
		return moment{}
	}
	m := moment{text: zoneName(httpapi.Text(cell))}
	if i, ok := row.ParseTimestamp([]byte(m.text)); ok && i.Sec > -1<<40 && i.Sec < 1<<40 {
		m.at, m.zone = time.Unix(i.Sec, int64(i.Nano)).UTC(), i.Offset != row.NoOffset
	}
	return m
}

// bookmark is where a stream stands: in the shape of the Meltano SDK, with
// two members of our own.
type bookmark struct {
	Key   string          `json:"replication_key"`
	Value json.RawMessage `json:"replication_key_value"`
	// After is the key of the last row read, in a run that was broken off:
	// the next one goes on behind it. A complete run leaves it out, since rows
	// of the same date may come later.
	After []json.RawMessage `json:"after,omitempty"`
	// Undated says that the rows without a date were read.
	Undated bool `json:"undated_read,omitempty"`

	moment moment
}

// readBookmark reads ours, the SDK's, and {"MODIFIED_DATE": "…"}, which
// singer-python writes and the original tap kept.
func readBookmark(raw json.RawMessage, key string) (bookmark, error) {
	var b bookmark
	if len(raw) == 0 {
		return b, nil
	}
	var older map[string]json.RawMessage
	if err := json.Unmarshal(raw, &b); err != nil || json.Unmarshal(raw, &older) != nil {
		return b, fault.New(fault.BadInput, "its bookmark cannot be read").
			WithHint("it should look like {\"replication_key\": %q, \"replication_key_value\": \"2024-01-01T00:00:00Z\"}", key)
	}
	if b.Key != "" && b.Key != key {
		return bookmark{}, nil // a position by another column says nothing here
	}
	if b.Value == nil {
		b.Value = older[key]
	}
	if len(b.Value) > 0 && string(b.Value) != "null" {
		b.moment = momentOf(b.Value)
	}
	return b, nil
}

// position tells the output how far the stream is read.
func (r *reader) position() error {
	if r.mark.moment.text == "" {
		return nil
	}
	r.mark.Key, r.mark.Value = r.columns[r.date].name, row.AppendJSONString(nil, []byte(r.mark.moment.text))
	value, err := json.Marshal(r.mark)
	if err != nil {
		return err
	}
	return r.rows.Place(value, false)
}
