package jdbc

import (
	"slices"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
)

// column is one of a result or a table, as the bridge announces it.
type column struct {
	row.Column
	sqlType string
	unknown bool // a type that nobody knows here, taken as text
}

var kinds = map[string]struct {
	kind row.Kind
	wire row.Wire
}{
	"bool": {row.Bool, row.WireBool}, "int2": {row.Int64, row.WireInt2}, "int4": {row.Int64, row.WireInt4}, "int8": {row.Int64, row.WireInt8},
	"numeric": {row.Numeric, row.WireNumeric}, "float4": {row.Float64, row.WireFloat4}, "float8": {row.Float64, row.WireFloat8},
	"text": {row.Text, row.WireText}, "bytes": {row.Bytes, row.WireBytea}, "date": {row.Date, row.WireDate}, "time": {row.Time, row.WireTime},
	"timestamp": {row.Timestamp, row.WireTimestamp}, "timestamp_ext": {row.Timestamp, row.WireTimestampExt},
	"timestamptz": {row.TimestampTZ, row.WireTimestampTZ}, "timestamptz_ext": {row.TimestampTZ, row.WireTimestampExt},
	"uuid": {row.UUID, row.WireUUID}, "json": {row.JSON, row.WireJSON},
}

// columnsOf reads a frame 'T'. Two columns of one name are a mistake in the query.
func columnsOf(payload []byte) ([]column, error) {
	words := texts(payload)
	out := make([]column, 0, len(words)/7)
	for ; len(words) >= 7; words = words[7:] {
		k := kinds[words[1]]
		c := column{Column: row.Column{Name: words[0], Kind: k.kind, Wire: k.wire, Nullable: words[4] != ""}, sqlType: words[5], unknown: words[6] != ""}
		if k.kind == row.Numeric {
			precision, _ := strconv.Atoi(words[2])
			scale, _ := strconv.Atoi(words[3])
			// Drivers say 0, -1 or a number beyond every limit for "unlimited".
			if precision > 0 && precision <= 1000 && scale >= 0 && scale <= precision {
				c.Precision, c.Scale = precision, scale
			}
		}
		if slices.ContainsFunc(out, func(o column) bool { return o.Name == c.Name }) {
			return nil, fault.New(fault.BadConfig, "two columns of the result are called %q", c.Name).WithHint("give one of them another name in the query: … AS %s_2", c.Name)
		}
		out = append(out, c)
	}
	return out, nil
}

// named is the column that a user means: of that very name, else the only one
// of that name in other case; nil when there is none.
func named(columns []column, name string) *column {
	var near *column
	for i := range columns {
		switch {
		case columns[i].Name == name:
			return &columns[i]
		case strings.EqualFold(columns[i].Name, name):
			if near != nil {
				return nil
			}
			near = &columns[i]
		}
	}
	return near
}

func missing(columns []column, what, name string) error {
	e := fault.New(fault.BadConfig, "%s %q is no column", what, name)
	names, folded := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i], folded[i] = c.Name, strings.ToLower(c.Name)
	}
	if at := slices.Index(folded, fault.Nearest(strings.ToLower(name), folded)); at >= 0 {
		return e.WithHint("did you mean %q?", names[at])
	}
	if len(names) > 12 {
		names = append(names[:12], "…")
	}
	return e.WithHint("there are %s", strings.Join(names, ", "))
}

// canonical: equal values have equal bytes, so that a change of the bytes is a
// change of the value and the position between two rows is exact.
func canonical(c *row.Column) bool {
	switch c.Wire {
	case row.WireInt2, row.WireInt4, row.WireInt8, row.WireDate, row.WireTimestamp, row.WireTimestampTZ, row.WireUUID:
		return true
	}
	return false
}

// temporal: the column can be windowed by dates.
func temporal(c *row.Column) bool {
	return c.Kind == row.Date || c.Kind == row.Timestamp || c.Kind == row.TimestampTZ
}

// kindName is what a parameter for the column is bound as.
func kindName(c *row.Column) string {
	for name, k := range kinds {
		if k.kind == c.Kind && k.wire == c.Wire {
			name, _, _ = strings.Cut(name, "_ext")
			return name
		}
	}
	return "text"
}
