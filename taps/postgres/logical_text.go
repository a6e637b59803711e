package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"elt/internal/row"
)

// The log brings values as the server prints them. Here they become the very
// fields that a COPY of the table brings, so that a stream's first reading
// and what follows from the log agree byte by byte.

// fromText is how the printed value of a column becomes its field.
func (db *database) fromText(c column, s settings) row.Convert {
	r := db.readType(c.typ, c.mod, s)
	oid, _ := db.resolve(c.typ, c.mod)
	t := db.types[oid]
	switch {
	case r.element != nil:
		return row.Convert(arrayOf(jsonOfField(*r.element), ','))
	case r.expr == "":
		r.Name = c.name
		return fieldOf(r.Column)
	case r.Kind == row.JSON:
		return row.Convert(db.toJSON(oid))
	case t.send == "cash_send":
		return moneyOf
	case r.Kind == row.Int64 || r.Kind == row.Bool:
		return fieldOf(r.Column)
	}
	return verbatim
}

func verbatim(dst, text []byte) ([]byte, error) { return append(dst, text...), nil }

// fieldOf reads the text of a type that a wire describes.
func fieldOf(c row.Column) row.Convert {
	switch c.Wire {
	case row.WireText, row.WireJSON:
		return verbatim
	case row.WireJSONB:
		return func(dst, text []byte) ([]byte, error) { return append(append(dst, 1), text...), nil }
	case row.WireBytea:
		return func(dst, text []byte) ([]byte, error) {
			if len(text) < 2 || text[0] != '\\' || text[1] != 'x' {
				return dst, misfit(c)
			}
			return hex.AppendDecode(dst, text[2:])
		}
	case row.WireFloat4:
		return func(dst, text []byte) ([]byte, error) {
			f, err := strconv.ParseFloat(string(text), 32)
			if err != nil {
				return dst, misfit(c)
			}
			return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
		}
	}
	convert, _ := row.Converter(row.Column{Name: c.Name, Kind: row.Text, Wire: row.WireText}, c)
	return convert
}

// moneyOf reads what money prints under lc_monetary C: -$1,234.56.
func moneyOf(dst, text []byte) ([]byte, error) {
	var digits [40]byte
	clean := digits[:0]
	for _, c := range text {
		if c != '$' && c != ',' {
			clean = append(clean, c)
		}
	}
	dst, ok := row.AppendNumeric(dst, clean)
	if !ok {
		return dst, misfit(row.Column{Kind: row.Numeric})
	}
	return dst, nil
}

type misfit row.Column

func (m misfit) Error() string {
	return "the log's text of a value of column \"" + m.Name + "\" is no " + m.Kind.String()
}
