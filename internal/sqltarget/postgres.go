package sqltarget

import (
	"fmt"

	"elt/internal/row"
)

// Postgres is PostgreSQL's dialect.
type Postgres struct{}

func (Postgres) Store(c row.Column) row.Column {
	if c.Mixed { // scalars of several types show as they are
		c.Kind, c.Mixed = row.Text, false
	}
	switch c.Kind {
	case row.Text:
		c.Wire, c.Precision = row.WireText, 0
	case row.JSON:
		c.Wire = row.WireJSONB
	case row.Int64:
		if c.Wire != row.WireInt2 && c.Wire != row.WireInt4 {
			c.Wire = row.WireInt8
		}
	case row.Float64:
		if c.Wire != row.WireFloat4 {
			c.Wire = row.WireFloat8
		}
	case row.Numeric:
		c.Wire = row.WireNumeric
		if c.Precision > 1000 || c.Scale > c.Precision || c.Scale < 0 {
			c.Precision, c.Scale = 0, 0
		}
	default:
		c.Wire = c.Kind.DefaultWire()
	}
	if c.Kind != row.Numeric {
		c.Precision, c.Scale = 0, 0
	}
	return c
}

func (Postgres) Type(c row.Column) string {
	switch c.Kind {
	case row.Bool:
		return "boolean"
	case row.Int64:
		return map[row.Wire]string{row.WireInt2: "smallint", row.WireInt4: "integer", row.WireInt8: "bigint"}[c.Wire]
	case row.Float64:
		if c.Wire == row.WireFloat4 {
			return "real"
		}
		return "double precision"
	case row.Numeric:
		if c.Precision > 0 {
			return fmt.Sprintf("numeric(%d,%d)", c.Precision, c.Scale)
		}
		return "numeric"
	case row.Bytes:
		return "bytea"
	case row.Date:
		return "date"
	case row.Time:
		return "time without time zone"
	case row.Timestamp:
		return "timestamp without time zone"
	case row.TimestampTZ:
		return "timestamp with time zone"
	case row.UUID:
		return "uuid"
	case row.JSON:
		return "jsonb"
	}
	return "text"
}

func (p Postgres) Convert(expr string, from, to row.Column) string {
	switch {
	case to.Kind == row.TimestampTZ && from.Kind == row.Timestamp:
		return expr + " at time zone 'UTC'"
	case to.Kind == row.TimestampTZ && from.Kind == row.Date:
		return expr + "::timestamp at time zone 'UTC'"
	case to.Kind == row.Text && (from.Kind == row.TimestampTZ || from.Kind == row.Timestamp):
		return "to_jsonb(" + expr + ") #>> '{}'" // ISO 8601, infinities included
	case to.Kind == row.JSON && from.Kind == row.Bytes:
		return "to_jsonb(translate(encode(" + expr + ", 'base64'), e'\n', ''))"
	case to.Kind == row.JSON && from.Kind != row.JSON:
		return "to_jsonb(" + expr + ")"
	case to.Kind == row.Numeric && from.Kind == row.Float64:
		return expr + "::text::" + p.Type(to) // a direct cast keeps 15 digits only
	}
	return expr + "::" + p.Type(to)
}

// Distinct compares texts where the type may have no equality (json, xml,
// point, an extension's in a schema that is not looked at), or one that calls
// different values equal: a citext's case, a box's corners.
func (Postgres) Distinct(c Column, a, b string) string {
	if c.Cast || c.Type == "json" {
		a, b = a+"::text", b+"::text"
	}
	return a + " is distinct from " + b
}

func (Postgres) MaskBit(expr string, i int) string {
	return fmt.Sprintf("(%s is not null and get_bit(%s, %d) = 1)", expr, expr, i)
}
