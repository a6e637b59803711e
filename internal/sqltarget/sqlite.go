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
	switch {
	case to.Kind == row.JSON && from.Kind == row.Bool:
		return "case " + expr + " when 0 then 'false' when 1 then 'true' end"
	case to.Kind == row.JSON && (from.Kind == row.Int64 || from.Kind == row.Float64 || from.Kind == row.Numeric):
		return "cast(" + expr + " as text)"
	case to.Kind == row.JSON:
		return "json_quote(" + expr + ")"
	case to.Kind == row.Text && from.Kind == row.Bool:
		return "case " + expr + " when 0 then 'false' when 1 then 'true' else cast(" + expr + " as text) end"
	case to.Kind == row.Text:
		return "cast(" + expr + " as text)"
	case to.Kind == row.TimestampTZ && from.Kind == row.Timestamp:
		return expr + " || 'Z'"
	case to.Kind == row.TimestampTZ && from.Kind == row.Date:
		return expr + " || 'T00:00:00Z'"
	case to.Kind == row.Timestamp && from.Kind == row.Date:
		return expr + " || 'T00:00:00'"
	}
	return expr
}

func (SQLite) Distinct(_ Column, a, b string) string { return a + " is not " + b }
