package sqlite

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
)

// bookmark is a stream's position. The first two members are those of the
// Meltano SDK: every row with a smaller replication key has been read. The
// others stand there while a whole read is under way: the row that was read
// last, and, when it is named by a rowid, the version of the schema, which
// VACUUM moves on when it hands out new rowids.
type bookmark struct {
	Key    string                     `json:"replication_key,omitempty"`
	Value  json.RawMessage            `json:"replication_key_value,omitempty"`
	Last   map[string]json.RawMessage `json:"last_pk_fetched,omitempty"`
	Schema int64                      `json:"schema_version,omitempty"`
	Done   bool                       `json:"initial_full_table_complete,omitempty"` // as PipelineWise's taps call it
}

func parseBookmark(raw json.RawMessage) (bookmark, error) {
	var b bookmark
	if len(raw) == 0 {
		return b, nil
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return b, fault.Wrap(fault.BadInput, err, "its bookmark cannot be read").
			WithHint("it should look like {\"replication_key\": \"updated_at\", \"replication_key_value\": \"2024-01-01 00:00:00\"}")
	}
	if string(b.Value) == "null" {
		b.Value = nil
	}
	return b, nil
}

// literal is a value of a bookmark in SQL; text is that of a string.
func literal(value json.RawMessage) (sql string, text []byte, err error) {
	misfit := fault.New(fault.BadInput, "its bookmark holds %s, which is no single value", value).WithHint("see elt state get; --full-refresh starts over")
	switch value[0] {
	case '{', '[':
		return "", nil, misfit
	case 't':
		return "1", nil, nil
	case 'f':
		return "0", nil, nil
	case '"':
		if text, err = row.AppendJSONUnquoted(nil, value); err != nil {
			return "", nil, misfit
		}
		return textLiteral(text), text, nil
	}
	if string(value) == "-9223372036854775808" { // SQLite reads the sign by itself, and what follows is too big
		return "(-9223372036854775807 - 1)", nil, nil
	}
	if _, ok := row.AppendNumeric(nil, value); !ok {
		return "", nil, misfit
	}
	return string(value), nil, nil
}

// textLiteral is text in SQL, which ends at a NUL.
func textLiteral(text []byte) string {
	if bytes.IndexByte(text, 0) >= 0 {
		return "cast(x'" + hex.EncodeToString(text) + "' as text)"
	}
	return "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
}

// markValue is the JSON of a value from which literal makes the same value;
// false for a blob, of which there is none.
func markValue(tag byte, v []byte) (json.RawMessage, bool) {
	switch tag {
	case tagInt:
		return strconv.AppendInt(nil, integer(v), 10), true
	case tagDouble:
		d := double(v)
		switch {
		case math.IsInf(d, 1):
			return json.RawMessage("9e999"), true
		case math.IsInf(d, -1):
			return json.RawMessage("-9e999"), true
		}
		text := strconv.AppendFloat(nil, d, 'g', -1, 64)
		if !bytes.ContainsAny(text, ".e") {
			text = append(text, ".0"...)
		}
		return text, true
	case tagText:
		return row.AppendJSONString(nil, v), true
	}
	return nil, false
}

// mustJSON encodes what cannot fail: our own structs of strings and numbers.
func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
