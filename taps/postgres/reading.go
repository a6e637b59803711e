package postgres

import (
	"strings"

	"elt/internal/row"
)

// pgType is a type of the server.
type pgType struct {
	schema, name string
	base, elem   uint32 // of a domain; of an array
	mod          int32  // of a domain: the modifier of its base
	notNull      bool
	send         string // the server's own send function, "" for another
}

// plain are the server's own types that most columns have: their numbers,
// names and send functions are the same on every server (pg_type.dat).
func plain(oid uint32) (name, send string) {
	switch oid {
	case 16:
		return "bool", "boolsend"
	case 17:
		return "bytea", "byteasend"
	case 20:
		return "int8", "int8send"
	case 21:
		return "int2", "int2send"
	case 23:
		return "int4", "int4send"
	case 25:
		return "text", "textsend"
	case 114:
		return "json", "json_send"
	case 700:
		return "float4", "float4send"
	case 701:
		return "float8", "float8send"
	case 1042:
		return "bpchar", "bpcharsend"
	case 1043:
		return "varchar", "varcharsend"
	case 1082:
		return "date", "date_send"
	case 1083:
		return "time", "time_send"
	case 1114:
		return "timestamp", "timestamp_send"
	case 1184:
		return "timestamptz", "timestamptz_send"
	case 1700:
		return "numeric", "numeric_send"
	case 2950:
		return "uuid", "uuid_send"
	case 3802:
		return "jsonb", "jsonb_send"
	}
	return "", ""
}

// reading is how a column is read: what stands in the SELECT list, and what
// the bytes of its fields are.
type reading struct {
	name string
	expr string // with %s for the quoted column; "" means the column itself
	row.Column
	element *row.Column // fields are arrays of it, to be made JSON here
	// canonical says that equal values have equal bytes; false for 1.0 and 1.00.
	canonical bool
}

// sql is the column's entry in a SELECT list.
func (r reading) sql() string {
	if r.expr == "" {
		return identifier(r.name)
	}
	return strings.Replace(r.expr, "%s", identifier(r.name), 1)
}

// asText makes the server print the value. The cast is its output function
// for all types but inet (which then always shows a netmask) and bpchar.
const asText = "%s::pg_catalog.text"

// kinds that a send function stands for: their fields are forwarded as they are.
var kinds = map[string]struct {
	kind      row.Kind
	wire      row.Wire
	canonical bool
}{
	"boolsend":         {row.Bool, row.WireBool, true},
	"int2send":         {row.Int64, row.WireInt2, true},
	"int4send":         {row.Int64, row.WireInt4, true},
	"int8send":         {row.Int64, row.WireInt8, true},
	"float4send":       {row.Float64, row.WireFloat4, false},
	"float8send":       {row.Float64, row.WireFloat8, false},
	"numeric_send":     {row.Numeric, row.WireNumeric, false},
	"byteasend":        {row.Bytes, row.WireBytea, true},
	"date_send":        {row.Date, row.WireDate, true},
	"time_send":        {row.Time, row.WireTime, true},
	"timestamp_send":   {row.Timestamp, row.WireTimestamp, true},
	"timestamptz_send": {row.TimestampTZ, row.WireTimestampTZ, true},
	"uuid_send":        {row.UUID, row.WireUUID, true},
	"json_send":        {row.JSON, row.WireJSON, false},
	"jsonb_send":       {row.JSON, row.WireJSONB, false},
	"textsend":         {row.Text, row.WireText, true},
	"varcharsend":      {row.Text, row.WireText, true},
	"namesend":         {row.Text, row.WireText, true},
	"enum_send":        {row.Text, row.WireText, true},
	"bpcharsend":       {row.Text, row.WireText, false}, // trailing blanks do not count
	"citextsend":       {row.Text, row.WireText, false}, // nor does case
	"xml_send":         {row.Text, row.WireText, false},
	"unknownsend":      {row.Text, row.WireText, false},
}

// exprs are the types that no wire describes but one can be computed for.
var exprs = map[string]struct {
	expr string
	kind row.Kind
}{
	"oidsend":     {"%s::pg_catalog.int8", row.Int64},
	"cash_send":   {"%s::pg_catalog.numeric", row.Numeric},
	"inet_send":   {"pg_catalog.abbrev(%s)", row.Text}, // is what inet prints
	"record_send": {"pg_catalog.to_json(%s)", row.JSON},
}

// read says how a column of a relation is read.
func (db *database) read(c column, s settings) reading {
	r := db.readType(c.typ, c.mod, s)
	r.name, r.Name = c.name, c.name
	r.Nullable = !c.notNull && !db.types[c.typ].notNull
	r.canonical = r.canonical && c.deterministic
	return r
}

func (db *database) readType(oid uint32, mod int32, s settings) reading {
	oid, mod = db.resolve(oid, mod)
	t := db.types[oid]
	if k, ok := kinds[t.send]; ok {
		r := reading{Column: row.Column{Kind: k.kind, Wire: k.wire}, canonical: k.canonical}
		switch {
		case k.kind == row.Numeric:
			r.Precision, r.Scale = numericSize(mod)
		case (t.send == "varcharsend" || t.send == "bpcharsend") && mod > 4:
			r.Precision = int(mod) - 4
		case s.DatesAsString && (k.kind == row.Date || k.kind == row.Timestamp || k.kind == row.TimestampTZ):
			return computed(asText, row.Text)
		}
		return r
	}
	if e, ok := exprs[t.send]; ok {
		return computed(e.expr, e.kind)
	}
	switch {
	case t.send == "array_send":
		e := db.readType(t.elem, mod, s)
		if e.expr != "" || e.element != nil {
			return computed("pg_catalog.to_json(%s)", row.JSON)
		}
		return reading{Column: row.Column{Kind: row.JSON, Wire: row.WireJSON}, element: &e.Column}
	case t.name == "hstore":
		return computed("pg_catalog.to_json(%s)", row.JSON)
	case t.send == "bit_send" && mod == 1 && s.Dialect == transferwise:
		return computed("(%s = B'1')", row.Bool)
	}
	return computed(asText, row.Text)
}

func computed(expr string, kind row.Kind) reading {
	return reading{expr: expr, Column: row.Column{Kind: kind, Wire: kind.DefaultWire()}}
}

// resolve follows domains down to the type they stand on.
func (db *database) resolve(oid uint32, mod int32) (uint32, int32) {
	for {
		t := db.types[oid]
		if t.base == 0 {
			return oid, mod
		}
		oid, mod = t.base, t.mod
	}
}

// unmapped is the name of a type that is none of the server's own and not
// known here, "" for any other: its values are read as the text they print.
func (db *database) unmapped(oid uint32) string {
	oid, _ = db.resolve(oid, -1)
	t := db.types[oid]
	switch {
	case t.send == "array_send":
		return db.unmapped(t.elem)
	case t.send != "" || t.name == "hstore" || t.schema == "pg_catalog":
		return ""
	}
	return t.schema + "." + t.name
}

// castType is the type's name for a cast of a literal, without a modifier
// that could cut or round the literal.
func (db *database) castType(oid uint32) string {
	oid, _ = db.resolve(oid, -1)
	t := db.types[oid]
	return identifier(t.schema, t.name)
}

// numericSize reads numeric's modifier. Scales that no other system has, below
// zero or above the precision, are widened to the nearest usual type.
func numericSize(mod int32) (precision, scale int) {
	if mod < 4 {
		return 0, 0
	}
	precision, scale = int((mod-4)>>16)&0xffff, int((mod-4)&0x7ff)
	if scale >= 1<<10 { // eleven bits, signed
		scale -= 1 << 11
	}
	switch {
	case scale < 0:
		precision, scale = precision-scale, 0
	case scale > precision:
		precision = scale
	}
	return precision, scale
}

// list joins the SELECT entries of readings.
func list(rs []reading) string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = r.sql()
	}
	return strings.Join(parts, ", ")
}
