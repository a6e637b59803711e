package postgres

import "testing"

// What a column held before it was widened is the same afterwards, digit for digit.
func TestWideningKeepsValues(t *testing.T) {
	for _, c := range []struct{ from, value, to, want string }{
		{"float64", "0.30000000000000004", "numeric", "0.30000000000000004"},
		{"float64", "0.1", "text", "0.1"},
		{"bool", "true", "text", "true"},
		{"timestamptz", "2024-01-01T00:00:00.5Z", "text", "2024-01-01T00:00:00.5+00:00"},
		{"timestamptz", "infinity", "text", "infinity"},
		{"timestamp", "2024-01-01T00:00:00", "text", "2024-01-01T00:00:00"},
		{"timestamp", "2024-01-01T00:00:00", "timestamptz", "2024-01-01 00:00:00+00"},
		{"date", "2024-01-01", "timestamptz", "2024-01-01 00:00:00+00"},
		{"date", "2024-01-01", "timestamp", "2024-01-01 00:00:00"},
		{"bytes", "\x01\xff", "text", `\x01ff`},
		{"bytes", "\x01\xff", "json", `"Af8="`},
		{"text", "x", "json", "x"}, // text stays text
		{"int64", "9007199254740993", "json", "9007199254740993"},
		{"uuid", "123e4567-e89b-12d3-a456-426614174000", "text", "123e4567-e89b-12d3-a456-426614174000"},
	} {
		t.Run(c.from+" "+c.to, func(t *testing.T) {
			d := newDB(t)
			d.load(nil, schema("t", "", "c "+c.from), []any{c.value})
			d.load(nil, schema("t", "", "c "+c.to))
			d.exec("set timezone = 'UTC'")
			d.want("select c from raw.t", c.want)
		})
	}
}
