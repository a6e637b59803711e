package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"elt/internal/row"
)

// declaredKind is what a column of that declared type holds where its values
// keep to it: first the names that people use, then the affinity that SQLite
// itself gives the name (sqlite.org/datatype3.html). False: the type says nothing.
func declaredKind(declared string) (row.Column, bool) {
	upper := strings.ToUpper(declared)
	base, limits, _ := strings.Cut(upper, "(")
	base = strings.TrimSpace(base)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(upper, p) })
	}
	kind := row.Kind(0)
	switch {
	case has("JSON"):
		kind = row.JSON
	case has("TIMESTAMPTZ", "WITH TIME ZONE", "DATETIMEOFFSET"):
		kind = row.TimestampTZ
	case has("TIMESTAMP", "DATETIME"):
		kind = row.Timestamp
	case base == "DATE":
		kind = row.Date
	case base == "TIME":
		kind = row.Time
	case has("BOOL"):
		kind = row.Bool
	case has("UUID", "UNIQUEIDENTIFIER"):
		kind = row.UUID
	case has("INTERVAL", "POINT"):
		kind = row.Text
	case has("INT"):
		kind = row.Int64
	case has("CHAR", "CLOB", "TEXT", "STRING"):
		kind = row.Text
	case has("BLOB", "BINARY", "BYTEA"):
		kind = row.Bytes
	case has("REAL", "FLOA", "DOUB"):
		kind = row.Float64
	case has("DEC", "NUM", "MONEY"):
		c := column(row.Numeric)
		var p, s int
		if n, _ := fmt.Sscanf(limits, "%d,%d", &p, &s); n > 0 && p > 0 && p <= 1000 && s >= 0 && s <= p {
			c.Precision, c.Scale = p, s
		}
		return c, true
	default:
		return row.Column{}, false
	}
	return column(kind), true
}

// column is a column of a kind. Instants keep their digits and their offset.
func column(kind row.Kind) row.Column {
	c := row.Column{Kind: kind, Wire: kind.DefaultWire(), Nullable: true}
	if kind == row.Timestamp || kind == row.TimestampTZ {
		c.Wire = row.WireTimestampExt
	}
	return c
}

// storedKind is what a column without a telling type holds when its first
// values are of these storage classes, as typeof() calls them.
func storedKind(classes []string) row.Column {
	classes = slices.DeleteFunc(slices.Clone(classes), func(c string) bool { return c == "null" })
	slices.Sort(classes)
	switch strings.Join(classes, " ") {
	case "integer":
		return column(row.Int64)
	case "real":
		return column(row.Float64)
	case "integer real":
		return column(row.Numeric)
	case "blob":
		return column(row.Bytes)
	}
	return column(row.Text)
}
