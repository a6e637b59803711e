package sqltarget

import (
	"fmt"

	"elt/internal/row"
)

// SQLite is SQLite's dialect. Its types are affinities: a declared type only
// decides whether text that looks like a number becomes one, so exact
// decimals are TEXT unless a double holds them.
type SQLite struct{}

// doubleDigits is how many decimal digits every double keeps.
const doubleDigits = 15

func (SQLite) Store(c row.Column) row.Column {
	if c.Mixed { // scalars of several types show as they are
		c.Kind, c.Mixed = row.Text, false
	}
	switch c.Kind {
	case row.Numeric:
		if c.Precision > 0 && c.Precision <= doubleDigits {
			c.Wire = row.WireNumeric
			return c
		}
		c.Kind, c.Wire = row.Text, row.WireText
	case row.UUID:
		c.Kind, c.Wire = row.Text, row.WireText
	case row.Timestamp, row.TimestampTZ:
		c.Wire = row.WireTimestampExt
	default:
		c.Wire = c.Kind.DefaultWire()
	}
	c.Precision, c.Scale = 0, 0
	return c
}

func (SQLite) Type(c row.Column) string {
	switch c.Kind {
	case row.Bool:
		return "BOOLEAN"
	case row.Int64:
		return "INTEGER"
	case row.Float64:
		return "REAL"
	case row.Numeric:
		return fmt.Sprintf("NUMERIC(%d,%d)", c.Precision, c.Scale)
	case row.Bytes:
		return "BLOB"
	case row.Date:
		return "DATE"
	case row.Time:
		return "TIME"
	case row.Timestamp:
		return "TIMESTAMP"
	case row.TimestampTZ:
		return "TIMESTAMPTZ"
	case row.JSON:
		return "JSON TEXT"
	}
	return "TEXT"
}

func (SQLite) Convert(expr string, from, to row.Column) string {
	asText := "cast(" + expr + " as text)"
	switch from.Kind {
	case row.Bool:
		asText = "case " + expr + " when 0 then 'false' when 1 then 'true' else " + asText + " end"
	case row.Float64: // a cast keeps 15 digits only
		asText = "case when cast(" + asText + " as real) = " + expr + " then " + asText + " else printf('%!.17g', " + expr + ") end"
	case row.Bytes:
		asText = "'\\x' || lower(hex(" + expr + "))"
	}
	finite := func(suffix string) string {
		return "case when " + expr + " like '%infinity' then " + expr + " else " + expr + " || '" + suffix + "' end"
	}
	switch {
	case to.Kind == row.Text:
		return asText
	case to.Kind == row.JSON && (from.Kind == row.Bool || from.Kind == row.Int64 || from.Kind == row.Float64 || from.Kind == row.Numeric):
		return asText
	case to.Kind == row.JSON:
		return "json_quote(" + asText + ")"
	case to.Kind == row.TimestampTZ && from.Kind == row.Timestamp:
		return finite("+00:00")
	case to.Kind == row.TimestampTZ && from.Kind == row.Date:
		return finite("T00:00:00+00:00")
	case to.Kind == row.Timestamp && from.Kind == row.Date:
		return finite("T00:00:00")
	}
	return expr
}

func (SQLite) Distinct(_ Column, a, b string) string { return a + " is not " + b }
