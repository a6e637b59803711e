package sqltarget

import (
	"elt/internal/row"
)

// Column is a column of a destination table: Name is its identifier, Kind,
// Wire, Precision and Scale say what it can store.
type Column struct {
	row.Column
	Type string // its SQL type; "" until the dialect fills it in
	// Cast: the type is none of ours, values go in as text and are cast.
	Cast bool
	// Composite: of a Cast column, its type is a row of columns.
	Composite bool
}

// Dialect is what differs between SQL destinations in text.
type Dialect interface {
	// Store is c as the destination keeps it: the column type chosen for it,
	// read back. Store(Store(c)) is Store(c).
	Store(c row.Column) row.Column
	// Type is the SQL type of a stored column.
	Type(c row.Column) string
	// Convert is the expression that turns expr, of one stored column, into
	// the type of another that holds it.
	Convert(expr string, from, to row.Column) string
	// Distinct is true when a and b, values of column c, differ; NULLs are equal.
	Distinct(c Column, a, b string) string
}

// Stager is a Dialect whose rows go through a Stage.
type Stager interface {
	Dialect
	// MaskBit is true when bit i of the bytes in expr is set; NULL bytes have none.
	MaskBit(expr string, i int) string
}

// column is how the destination would keep c under an identifier.
func column(d Dialect, c row.Column, ident string) Column {
	stored := d.Store(c)
	stored.Name = ident
	return Column{Column: stored, Type: d.Type(stored)}
}
