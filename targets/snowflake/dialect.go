package snowflake

import (
	"fmt"
	"strconv"
	"strings"

	"elt/internal/row"
	"elt/internal/sqltarget"
)

// Digits that a NUMBER has, and how many of them stand behind the point where
// the source does not say.
const (
	maxDigits   = 38
	usualScale  = 9
	int64Digits = 19
	// exactFloat is how many digits the shortest text of any double has, so
	// that a FLOAT column gives them back.
	exactFloat = 17
)

// dialect is how Snowflake keeps columns. A Numeric's Precision and Scale say
// what must fit; new columns are NUMBER(38, scale) all the same, because a
// scale can never be changed afterwards.
type dialect struct {
	instant     row.Kind // of new columns for instants: TIMESTAMP_NTZ is row.Timestamp
	instantType string
}

// Store implements sqltarget.Dialect. An integer is a Numeric of its digits,
// a Numeric beyond 38 digits is text: nothing is rounded.
func (d dialect) Store(c row.Column) row.Column {
	if c.Mixed { // scalars of several types show as they are
		c.Kind, c.Mixed = row.Text, false
	}
	switch c.Kind {
	case row.Int64:
		c.Kind, c.Precision, c.Scale = row.Numeric, int64Digits, 0
	case row.UUID:
		c.Kind = row.Text
	case row.TimestampTZ:
		c.Kind = d.instant
	}
	if c.Kind == row.Numeric && (c.Precision <= 0 || c.Precision > maxDigits || c.Scale < 0 || c.Scale > c.Precision) {
		c.Kind = row.Text
	}
	if c.Kind != row.Numeric {
		c.Precision, c.Scale = 0, 0
	}
	c.Wire = c.Kind.DefaultWire()
	if c.Kind == row.Timestamp || c.Kind == row.TimestampTZ {
		c.Wire = row.WireTimestampExt
	}
	return c
}

// Type implements sqltarget.Dialect.
func (d dialect) Type(c row.Column) string {
	switch c.Kind {
	case row.Bool:
		return "BOOLEAN"
	case row.Float64:
		return "FLOAT"
	case row.Numeric:
		return fmt.Sprintf("NUMBER(%d,%d)", maxDigits, c.Scale)
	case row.Bytes:
		return "BINARY"
	case row.Date:
		return "DATE"
	case row.Time:
		return "TIME"
	case row.Timestamp:
		return "TIMESTAMP_NTZ"
	case row.TimestampTZ:
		return d.instantType
	case row.JSON:
		return "VARIANT"
	}
	return "VARCHAR"
}

// Convert implements sqltarget.Dialect; columns are never rewritten here.
func (dialect) Convert(expr string, _, _ row.Column) string { return expr }

// Distinct implements sqltarget.Dialect.
func (dialect) Distinct(_ sqltarget.Column, a, b string) string {
	return a + " is distinct from " + b
}

// described is the column that a type of DESCRIBE TABLE stores: our own by
// their names, any other takes text and casts it.
func described(name, sqlType string, nullable bool) sqltarget.Column {
	base, args, _ := strings.Cut(strings.ToUpper(sqlType), "(")
	base = strings.TrimSpace(base)
	p, s := 0, 0
	if first, second, two := strings.Cut(strings.TrimSuffix(strings.TrimSpace(args), ")"), ","); true {
		p, _ = strconv.Atoi(strings.TrimSpace(first))
		if two {
			s, _ = strconv.Atoi(strings.TrimSpace(second))
		}
	}
	c := sqltarget.Column{Type: sqlType}
	c.Name, c.Nullable = name, nullable
	switch base {
	case "NUMBER", "DECIMAL", "NUMERIC", "INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT", "FIXED":
		c.Kind, c.Precision, c.Scale = row.Numeric, p, s
		if p == 0 {
			c.Precision = maxDigits
		}
	case "FLOAT", "FLOAT4", "FLOAT8", "DOUBLE", "DOUBLE PRECISION", "REAL":
		c.Kind = row.Float64
	case "BOOLEAN":
		c.Kind = row.Bool
	case "DATE":
		c.Kind = row.Date
	case "TIME":
		c.Kind = row.Time
	case "TIMESTAMP_NTZ", "DATETIME", "TIMESTAMP":
		c.Kind = row.Timestamp
	case "TIMESTAMP_TZ", "TIMESTAMP_LTZ":
		c.Kind = row.TimestampTZ
	case "BINARY", "VARBINARY":
		c.Kind = row.Bytes
	case "VARIANT":
		c.Kind = row.JSON
	case "VARCHAR", "TEXT", "STRING", "CHAR", "CHARACTER", "NCHAR", "NVARCHAR":
		c.Kind = row.Text
		if p > 0 && p < anyLength {
			c.Precision = p
		}
	default:
		c.Kind, c.Cast = row.Text, true
	}
	c.Wire = c.Kind.DefaultWire()
	if c.Kind == row.Timestamp || c.Kind == row.TimestampTZ {
		c.Wire = row.WireTimestampExt
	}
	return c
}

// anyLength is the length that VARCHAR has when none is written.
const anyLength = 16777216

// inPlace says whether ALTER COLUMN SET DATA TYPE can make was into to: a
// longer VARCHAR, or a NUMBER of more digits and the same scale. Snowflake
// changes nothing else.
func inPlace(was, to row.Column) bool {
	switch {
	case was.Kind == row.Text && to.Kind == row.Text:
		return true
	case was.Kind == row.Numeric && to.Kind == row.Numeric:
		return was.Scale == to.Scale && to.Precision <= maxDigits
	}
	return false
}

// figures are what the values of a column were like, in the rows at hand.
type figures struct {
	whole, scale int // most digits before and behind the point, of numbers
	// special: some that the type does not have in Snowflake, as NaN in
	// a NUMBER, or a date that is infinite or outside of the years 1 to 9999.
	special bool
}

// see takes note of a WireNumeric field.
func (f *figures) see(field []byte) {
	groups := int(field[0])<<8 | int(field[1])
	if row.NumericSpecial(field) {
		f.special = true
		return
	}
	if groups == 0 {
		return
	}
	weight := int(int16(uint16(field[2])<<8 | uint16(field[3])))
	if weight >= 0 {
		first, digits := int(field[8])<<8|int(field[9]), 1
		for first >= 10 {
			first /= 10
			digits++
		}
		f.whole = max(f.whole, weight*4+digits)
	}
	if behind := (groups - 1 - weight) * 4; behind > 0 {
		last := int(field[8+2*(groups-1)])<<8 | int(field[9+2*(groups-1)])
		for last != 0 && last%10 == 0 {
			last /= 10
			behind--
		}
		f.scale = max(f.scale, behind)
	}
}

// need is the column that the source's column c needs where have is what the
// table has (nil: nothing yet), after rows with these figures.
func (f figures) need(c row.Column, have *sqltarget.Column) row.Column {
	digits := f.whole + f.scale
	if f.special || c.Kind == row.Numeric && digits > maxDigits {
		c.Kind, c.Wire, c.Precision, c.Scale = row.Text, row.WireText, 0, 0
		return c
	}
	if c.Kind != row.Numeric {
		return c
	}
	if have != nil && have.Kind == row.Float64 && digits <= exactFloat {
		c.Kind, c.Wire, c.Precision, c.Scale = row.Float64, row.WireFloat8, 0, 0
		return c
	}
	declared := c.Precision > 0 && c.Precision <= maxDigits
	scale := f.scale
	if have == nil {
		switch {
		case declared:
			scale = max(scale, c.Scale)
		case c.Precision > maxDigits || c.Precision <= 0:
			scale = max(scale, usualScale)
		}
		scale = min(scale, maxDigits-f.whole)
	}
	c.Precision, c.Scale = max(1, f.whole+scale), scale
	return c
}
