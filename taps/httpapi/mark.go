package httpapi

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
)

func unquote(literal []byte) (string, error) {
	text, err := row.AppendJSONUnquoted(nil, literal)
	return string(text), err
}

// Mark is a value of a replication key: a time, a number or a text.
type Mark struct {
	JSON json.RawMessage // as the source wrote it
	At   time.Time       // zero: it is no time
	num  *big.Rat        // nil: it is no number
	text string
}

// ParseMark reads a value. unit says what a number counts: "s" or "ms" since
// 1970, "" for no time. A time without zone is taken for UTC. The zero Mark
// stands for null.
func ParseMark(value []byte, unit string) Mark {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || string(value) == "null" {
		return Mark{}
	}
	m := Mark{JSON: bytes.Clone(value), text: Text(value)}
	if value[0] == '"' {
		if i, ok := row.ParseTimestamp([]byte(m.text)); ok && i.Sec > -1<<40 && i.Sec < 1<<40 {
			m.At = time.Unix(i.Sec, int64(i.Nano)).UTC()
		}
	}
	plain := strings.Trim(m.text, " ")
	if m.At.IsZero() && plain != "" && strings.Trim(plain, "0123456789.-+eE") == "" {
		if n, ok := new(big.Rat).SetString(plain); ok {
			m.num = n
			if unit != "" {
				ms := new(big.Rat).Mul(n, big.NewRat(map[string]int64{"s": 1e9, "ms": 1e6}[unit], 1))
				nanos := new(big.Int).Quo(ms.Num(), ms.Denom())
				if nanos.IsInt64() {
					m.At = time.Unix(0, nanos.Int64()).UTC()
				}
			}
		}
	}
	return m
}

// IsZero says that there is no value.
func (m Mark) IsZero() bool { return m.JSON == nil }

// Text is the value as plain text.
func (m Mark) Text() string { return m.text }

// Less orders values: times by time, numbers by size, else texts by bytes.
func (m Mark) Less(o Mark) bool {
	switch {
	case m.JSON == nil || o.JSON == nil:
		return m.JSON == nil && o.JSON != nil
	case !m.At.IsZero() && !o.At.IsZero():
		return m.At.Before(o.At)
	case m.num != nil && o.num != nil:
		return m.num.Cmp(o.num) < 0
	}
	return m.text < o.text
}

// bookmark is a stream's position in the shape of the Meltano SDK.
type bookmark struct {
	Key   string          `json:"replication_key"`
	Value json.RawMessage `json:"replication_key_value"`
}

// ReadBookmark is where a stream stands; the zero Mark for nowhere, also
// when the bookmark is of another replication key.
func ReadBookmark(raw json.RawMessage, key, unit string) (Mark, error) {
	var b bookmark
	if len(raw) == 0 {
		return Mark{}, nil
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return Mark{}, fault.Wrap(fault.BadInput, err, "its bookmark cannot be read").
			WithHint("it should look like {\"replication_key\": \"updated_at\", \"replication_key_value\": \"2024-01-01T00:00:00Z\"}")
	}
	if b.Key != "" && b.Key != key {
		return Mark{}, nil
	}
	return ParseMark(b.Value, unit), nil
}

// Bookmark is the position at m.
func Bookmark(key string, m Mark) (json.RawMessage, error) {
	return json.Marshal(bookmark{key, m.JSON})
}

// ParseTime reads a date or time of the settings; without zone it is UTC.
func ParseTime(setting, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	m := ParseMark(row.AppendJSONString(nil, []byte(text)), "")
	if m.At.IsZero() {
		return time.Time{}, fault.New(fault.BadConfig, "%s is %q, which is no date", setting, text).WithHint("write it like 2024-01-31 or 2024-01-31T00:00:00Z")
	}
	return m.At, nil
}
