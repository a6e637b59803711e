package sqlite

import "testing"

// What a column held before it was widened is the same afterwards, digit for digit.
func TestWideningKeepsValues(t *testing.T) {
	for _, c := range []struct{ from, value, to, want string }{
		{"float64", "0.30000000000000004", "numeric", "0.30000000000000004"},
		{"float64", "0.1", "text", "0.1"},
		{"bool", "true", "text", "true"},
		{"int64", "9007199254740993", "text", "9007199254740993"},
		{"int64", "9007199254740993", "json", "9007199254740993"},
		{"timestamp", "2024-01-01T00:00:00", "timestamptz", "2024-01-01T00:00:00+00:00"},
		{"timestamp", "infinity", "timestamptz", "infinity"},
		{"date", "2024-01-01", "timestamptz", "2024-01-01T00:00:00+00:00"},
		{"bytes", "\x01\xff", "text", `\x01ff`},
		{"date", "2024-01-01", "json", `"2024-01-01"`},
	} {
		t.Run(c.from+" "+c.to, func(t *testing.T) {
			f := newFile(t)
			f.load(nil, schema("t", "", "c "+c.from), []any{c.value})
			f.load(nil, schema("t", "", "c "+c.to))
			f.want("select cast(c as text) from t", c.want)
		})
	}
}
