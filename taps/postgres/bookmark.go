package postgres

import (
	"encoding/json"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
)

// bookmark is a stream's position. MeltanoLabs' taps write the first two
// members, PipelineWise's all of them; xmin, by which PipelineWise resumes an
// interrupted table, is never resumed from: its order is that of text. LSN is
// PipelineWise's place in the log; MeltanoLabs' has it as value of the
// replication key _sdc_lsn.
type bookmark struct {
	Key     string          `json:"replication_key,omitempty"`
	Value   json.RawMessage `json:"replication_key_value,omitempty"`
	Version int64           `json:"version,omitempty"`
	Method  string          `json:"last_replication_method,omitempty"`
	Partial *partial        `json:"elt_partial,omitempty"`
	Late    *late           `json:"elt_late,omitempty"`
	LSN     uint64          `json:"lsn,omitempty"`
	Xmin    json.RawMessage `json:"xmin,omitempty"`
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

// position is where the stream stands when the next row, or without exact the
// last one, has the replication key that field holds; nil: none was read.
func (p *plan) position(field []byte, rows int64, exact bool) taps.Position {
	pos := taps.Position{Stream: p.id, Rows: rows, Exact: exact && p.keyReading.canonical}
	value, text := p.mark.Value, p.from // as they were, nil in a first run
	if field != nil {
		value, text = keyValue(&p.keyReading.Column, field), string(row.AppendText(nil, &p.keyReading.Column, field))
	}
	pos.Value = p.encode(value, p.lateBelow(text))
	return pos
}

// reached is where a table that is read in ranges stands.
func (p *plan) reached(at partial, rows int64) taps.Position {
	at.Version = p.version
	mark := bookmark{Partial: &at}
	if p.dialect == transferwise {
		mark.Method, mark.Version = p.method, p.version
	}
	if p.log != nil {
		mark.Method, mark.LSN = singer.LogBased, uint64(p.log.at)
	}
	return taps.Position{Stream: p.id, Value: mustJSON(mark), Rows: rows}
}

// encode is the bookmark in the dialect's shape; value is nil without one.
func (p *plan) encode(value json.RawMessage, late *late) json.RawMessage {
	if p.log != nil {
		return p.logMark(p.log.at)
	}
	if p.dialect == transferwise {
		type full struct {
			Method  string  `json:"last_replication_method"`
			Version int64   `json:"version"`
			Xmin    *string `json:"xmin"`
		}
		if p.method == singer.FullTable {
			return mustJSON(full{p.method, p.version, nil})
		}
		return mustJSON(bookmark{Key: p.key.name, Value: value, Version: p.version, Method: p.method, Late: late})
	}
	switch {
	case p.method == singer.FullTable && p.prior != nil && !p.interrupted:
		return p.prior
	case p.method == singer.FullTable || value == nil:
		return json.RawMessage("{}")
	}
	return mustJSON(bookmark{Key: p.key.name, Value: value, Late: late})
}

// mustJSON encodes what cannot fail: our own structs of strings and numbers.
func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
