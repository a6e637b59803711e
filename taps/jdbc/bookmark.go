package jdbc

import (
	"encoding/json"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
)

// bookmark is a stream's position, in the shape of the Meltano SDK: all rows
// whose replication key is smaller have been read.
type bookmark struct {
	Key   string          `json:"replication_key,omitempty"`
	Value json.RawMessage `json:"replication_key_value,omitempty"`
}

func parseBookmark(raw json.RawMessage) (bookmark, error) {
	var b bookmark
	if len(raw) == 0 {
		return b, nil
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return b, fault.Wrap(fault.BadInput, err, "its bookmark cannot be read").
			WithHint("it should look like {\"replication_key\": \"UPDATED\", \"replication_key_value\": \"2024-01-01T00:00:00\"}")
	}
	if string(b.Value) == "null" {
		b.Value = nil
	}
	return b, nil
}

// bound is the bookmark as a parameter for column c, earlier by lookback. With
// a lookback, floor is where the bookmark itself stands.
func (b bookmark) bound(c *row.Column, lookback time.Duration) (text string, floor *row.Instant, err error) {
	misfit := func() error {
		return fault.New(fault.BadInput, "its bookmark %s does not fit the replication key %q, a %s", b.Value, c.Name, c.Kind).
			WithHint("see elt state get; --full-refresh starts over")
	}
	value := []byte(b.Value)
	switch b.Value[0] {
	case '{', '[':
		return "", nil, misfit()
	case '"':
		if value, err = row.AppendJSONUnquoted(nil, b.Value); err != nil {
			return "", nil, err
		}
	}
	if !temporal(c) {
		if c.Kind == row.Int64 || c.Kind == row.Numeric {
			if _, ok := row.AppendNumeric(nil, value); !ok {
				return "", nil, misfit()
			}
		}
		return string(value), nil, nil
	}
	at, ok := row.ParseTimestamp(value)
	if !ok {
		return "", nil, misfit()
	}
	if lookback > 0 {
		bookmark := at
		floor = &bookmark
		at.Sec -= int64(lookback / time.Second)
	}
	return instantText(c, at), floor, nil
}

// instantText is an instant as a parameter of a temporal column.
func instantText(c *row.Column, at row.Instant) string {
	switch at.Offset = row.NoOffset; c.Kind {
	case row.TimestampTZ:
		at.Offset = 0
	case row.Date:
		return string(row.AppendInstantText(nil, at)[:len("2006-01-02")])
	}
	return string(row.AppendInstantText(nil, at))
}

// dateBound is a border of a window as a parameter, "" for none. A date lies
// within a half-open window when its midnight does.
func dateBound(c *row.Column, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	at = at.UTC()
	if c.Kind == row.Date {
		if midnight := at.Truncate(24 * time.Hour); midnight.Before(at) {
			at = midnight.Add(24 * time.Hour)
		}
	}
	return instantText(c, row.Instant{Sec: at.Unix(), Nano: int32(at.Nanosecond())})
}

// earlier compares instants.
func earlier(a, b row.Instant) bool { return a.Sec < b.Sec || a.Sec == b.Sec && a.Nano < b.Nano }

// before compares two parameters of one temporal column.
func before(a, b string) bool {
	x, ok1 := row.ParseTimestamp([]byte(a))
	y, ok2 := row.ParseTimestamp([]byte(b))
	return ok1 && ok2 && earlier(x, y)
}

// position is where the stream stands when the next row, or without exact the
// last one, has the replication key that field holds; nil: none was read.
func (p *plan) position(c *row.Column, field []byte, rows int64, exact bool) taps.Position {
	pos := taps.Position{Stream: p.id, Rows: rows, Exact: exact && canonical(c), Value: json.RawMessage("{}")}
	switch {
	case p.method == singer.FullTable || field == nil || p.behind(c, field):
		if p.prior != nil {
			pos.Value = p.prior
		}
	default:
		pos.Value = mustJSON(bookmark{p.key, keyValue(c, field)})
	}
	return pos
}

// behind: a look-back reads rows from before the bookmark, which must not move it back.
func (p *plan) behind(c *row.Column, field []byte) bool {
	if p.floor == nil {
		return false
	}
	at, ok := row.ParseTimestamp(row.AppendText(nil, c, field))
	return ok && earlier(at, *p.floor)
}

// keyValue is the JSON of a replication key: a number as a number with its
// exact digits, everything else as text.
func keyValue(c *row.Column, field []byte) json.RawMessage {
	switch c.Kind {
	case row.Bool, row.Int64, row.Float64, row.Numeric:
		return row.AppendJSON(nil, c, field)
	}
	return row.AppendJSONString(nil, row.AppendText(nil, c, field))
}

// mustJSON encodes what cannot fail: our own structs of strings and numbers.
func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
