package mysql

import (
	"strconv"
	"strings"

	"elt/internal/row"
)

// attribute is a column of a table.
type attribute struct {
	row.Column
	sqlType  string // as information_schema.columns.column_type, in small letters
	dataType string // the same without its parameters
	charset  string // of a text
	unsigned bool
	length   int      // of a binary(n)
	members  [][]byte // of an enum or set
	expr     string   // what stands in the SELECT list for it, "" for its name
	bits     bool     // bytes that are a big-endian number
	text     bool     // compared by a collation, so equal is not the same bytes
}

// of reads a column's type from information_schema.
func (a *attribute) of(dataType, columnType, precision, scale string, s settings) {
	a.dataType, a.sqlType = dataType, columnType
	number := func(text string) int { n, _ := strconv.Atoi(text); return n }
	a.unsigned, a.length = strings.Contains(columnType, "unsigned"), lengthOf(columnType)
	kind := row.Text
	switch dataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		kind = row.Int64
		switch {
		case dataType == "tinyint" && s.Boolean && strings.HasPrefix(columnType, "tinyint(1)"):
			kind = row.Bool
		case dataType == "bigint" && a.unsigned:
			kind, a.Precision = row.Numeric, 20
		}
	case "bit":
		a.bits = true
		switch n := number(precision); {
		case n == 1:
			kind = row.Bool
		case n < 64:
			kind = row.Int64
		default:
			kind, a.Precision = row.Numeric, 20
		}
	case "decimal":
		kind, a.Precision, a.Scale = row.Numeric, number(precision), number(scale)
	case "float", "double":
		kind = row.Float64
	case "date":
		kind = row.Date
	case "time":
		kind = row.Time
	case "datetime":
		kind = row.Timestamp
	case "timestamp":
		kind = row.TimestampTZ
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		kind = row.Bytes
	case "json":
		kind = row.JSON
	case "uuid":
		kind = row.UUID
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		a.expr = "st_astext(" + quote(a.Name) + ")"
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set":
		a.text = true
	}
	a.Kind, a.Wire = kind, kind.DefaultWire()
	if dataType == "float" {
		a.Wire = row.WireFloat4
	}
	if kind == row.Date || kind == row.Timestamp || kind == row.TimestampTZ {
		a.Nullable = true // of zero dates
	}
}

func (a *attribute) selected() string {
	if a.expr != "" {
		return a.expr
	}
	return quote(a.Name)
}

// ordered says whether reading can go on behind a value of the column.
func (a *attribute) ordered() bool {
	switch a.Kind {
	case row.Bytes, row.JSON, row.Float64:
		return false
	}
	return a.expr == "" && !a.bits
}

// quote is a name in SQL.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
