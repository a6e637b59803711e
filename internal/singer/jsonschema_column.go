package singer

import (
	"encoding/json"
	"strconv"
	"strings"

	"elt/internal/row"
)

// columnFromElt is the column that one of our own connectors announced by
// x-elt-kind; false when the property has none.
func columnFromElt(raw json.RawMessage) (c row.Column, ok bool) {
	node, err := parseObject(raw)
	if err != nil {
		return c, false
	}
	if c.Kind = row.KindByName(jsonText(node.get(EltKind))); c.Kind == 0 {
		return c, false
	}
	types := typesOf(node)
	c.Nullable = types&typeNull != 0
	c.Mixed = c.Kind == row.JSON && types&(typeObject|typeArray) == 0
	c.Wire = c.Kind.DefaultWire()
	if n, err := strconv.ParseUint(number(node.get(EltWire)), 10, 32); err == nil && wireFits(c.Kind, row.Wire(n)) {
		c.Wire = row.Wire(n)
		if c.Wire == row.WireTimestampExt && string(node.get(EltUnit)) == `"`+row.Nanos+`"` {
			c.Unit = row.Nanos
		}
	}
	c.Precision = whole(node.get(EltPrecision))
	c.Scale = whole(node.get(EltScale))
	return c, true
}

// wireFits says whether values of a kind can be in a wire.
func wireFits(k row.Kind, w row.Wire) bool {
	switch w {
	case row.WireInt2, row.WireInt4:
		return k == row.Int64
	case row.WireFloat4:
		return k == row.Float64
	case row.WireJSONB:
		return k == row.JSON
	case row.WireTimestampExt:
		return k == row.Timestamp || k == row.TimestampTZ
	}
	return w == k.DefaultWire()
}

func whole(raw json.RawMessage) int {
	n, err := strconv.Atoi(number(raw))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// ofNode is the shape of a schema without references and branches.
func ofNode(node, outer object) shape {
	types := typesOf(node)
	if types == 0 && node.get("format") != nil {
		types = typeString
	}
	merged := node
	if outer != nil {
		merged = append(object(nil), node...)
		for _, key := range [...]string{"format", "precision", "scale", "multipleOf", "additionalProperties"} {
			if v := outer.get(key); v != nil && node.get(key) == nil {
				merged.set(key, v)
			}
		}
	}
	return ofType(types, merged)
}

func ofType(types typeSet, node object) shape {
	s := shape{types: types}
	for t := typeString; t <= typeArray; t <<= 1 {
		if types&t != 0 {
			s.columns = append(s.columns, columnOf(t, node))
		}
	}
	if types&typeObject != 0 {
		s.properties, _ = properties(node)
	}
	return s
}

// columnOf is the column of one type. A format counts only for strings, a
// decimal format for numbers as well.
func columnOf(t typeSet, node object) row.Column {
	of := func(k row.Kind) row.Column { return row.Column{Kind: k, Wire: k.DefaultWire()} }
	format := jsonText(node.get("format"))
	switch t {
	case typeString:
		switch format {
		case "date":
			return of(row.Date)
		case "time":
			return of(row.Time)
		case "uuid":
			return of(row.UUID)
		case "date-time":
			return row.Column{Kind: row.TimestampTZ, Wire: row.WireTimestampExt}
		case "singer.decimal", "x-singer.decimal":
			return decimal(node)
		}
		if scalePrecision(node) != "" {
			return decimal(node)
		}
		return of(row.Text)
	case typeInteger:
		if c := integer(node); c.Precision > 0 {
			return c
		}
		return of(row.Int64)
	case typeNumber:
		return decimal(node)
	case typeBoolean:
		return of(row.Bool)
	}
	return of(row.JSON)
}

func scalePrecision(node object) string {
	more, _ := parseObject(node.get("additionalProperties"))
	return jsonText(more.get("scale_precision"))
}

// decimal is the numeric column with the digits that the schema promises:
// precision and scale, additionalProperties.scale_precision "(38,10)", or
// multipleOf 0.01 together with bounds of 10^n. A value with more digits
// widens it.
func decimal(node object) row.Column {
	c := row.Column{Kind: row.Numeric, Wire: row.WireNumeric}
	if p := whole(node.get("precision")); p > 0 {
		c.Precision, c.Scale = p, whole(node.get("scale"))
	} else if parts := strings.Split(strings.Trim(scalePrecision(node), "() "), ","); len(parts) == 2 {
		p, _ := strconv.Atoi(strings.TrimSpace(parts[0]))
		s, _ := strconv.Atoi(strings.TrimSpace(parts[1]))
		c.Precision, c.Scale = max(p, s), min(p, s)
	} else if scale, ok := tenth(number(node.get("multipleOf"))); ok {
		if before := digitsBelow(node); before > 0 {
			c.Precision, c.Scale = before+scale, scale
		}
	}
	if c.Scale > c.Precision || c.Precision > 1000 { // what no server declares
		c.Precision, c.Scale = 0, 0
	}
	return c
}

// integer is a numeric column for bounds beyond 64 bits, else the zero Column.
func integer(node object) row.Column {
	for _, key := range [...]string{"maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"} {
		bound := number(node.get(key))
		if bound == "" {
			continue
		}
		field, ok := row.AppendNumeric(nil, []byte(bound))
		if !ok {
			continue
		}
		plain := string(row.AppendNumericText(nil, field))
		plain, _, _ = strings.Cut(plain, ".")
		if _, err := strconv.ParseInt(plain, 10, 64); err != nil {
			return row.Column{Kind: row.Numeric, Wire: row.WireNumeric, Precision: max(20, len(strings.TrimLeft(plain, "-")))}
		}
	}
	return row.Column{}
}

// tenth is n when text is 10 to the power of -n.
func tenth(text string) (n int, ok bool) {
	field, ok := row.AppendNumeric(nil, []byte(text))
	if !ok {
		return 0, false
	}
	whole, frac, _ := strings.Cut(string(row.AppendNumericText(nil, field)), ".")
	frac = strings.TrimRight(frac, "0")
	if frac == "" {
		return 0, whole == "1"
	}
	return len(frac), whole == "0" && strings.TrimLeft(frac, "0") == "1"
}

// digitsBelow is n when both bounds are exclusively 10^n (Draft 4 or later),
// or as many nines, with any fraction.
func digitsBelow(node object) int {
	digits := func(key, exclusive string) int {
		bound, open := number(node.get(key)), string(node.get(exclusive)) == "true"
		if x := number(node.get(exclusive)); x != "" {
			bound, open = x, true
		}
		field, ok := row.AppendNumeric(nil, []byte(bound))
		if !ok {
			return 0
		}
		plain, _, _ := strings.Cut(strings.TrimLeft(string(row.AppendNumericText(nil, field)), "-"), ".")
		switch {
		case strings.Trim(plain, "9") == "":
			return len(plain)
		case open && plain[0] == '1' && strings.Trim(plain[1:], "0") == "":
			return len(plain) - 1
		}
		return 0
	}
	upper, lower := digits("maximum", "exclusiveMaximum"), digits("minimum", "exclusiveMinimum")
	if upper == 0 || lower == 0 {
		return 0
	}
	return max(upper, lower)
}

// classOf is the JSON type that a column's values are written as.
func classOf(c row.Column) typeSet {
	switch c.Kind {
	case row.Bool:
		return typeBoolean
	case row.Int64:
		return typeInteger
	case row.Numeric, row.Float64:
		return typeNumber | typeString // decimals are strings in some dialects
	case row.JSON:
		return typeObject | typeArray
	}
	return typeString
}

// merge is the one column for all alternatives. A formatted string beside a
// plain one keeps the format: the column widens when a value does not have
// it. Alternatives of different types are JSON.
func merge(columns []row.Column) row.Column {
	var out row.Column
	mixed := true // no object or array among them
	for _, c := range columns {
		mixed = mixed && (c.Kind != row.JSON || c.Mixed)
		switch {
		case out.Kind == 0, out.Kind == row.Text && formatted(c):
			out = c
		case formatted(out) && c.Kind == row.Text:
		case out.Kind == c.Kind, decimals(out) && decimals(c), temporal(out) && temporal(c):
			out = row.Widen(out, c)
		case formatted(out) && formatted(c):
			out = row.Column{Kind: row.Text, Wire: row.WireText}
		default:
			out = row.Column{Kind: row.JSON, Wire: row.WireJSON}
		}
	}
	if out.Kind == 0 {
		out = row.Column{Kind: row.JSON, Wire: row.WireJSON}
	}
	out.Mixed = out.Kind == row.JSON && mixed
	return out
}

func formatted(c row.Column) bool { return temporal(c) || c.Kind == row.Time || c.Kind == row.UUID }

func temporal(c row.Column) bool {
	return c.Kind == row.Date || c.Kind == row.Timestamp || c.Kind == row.TimestampTZ
}

func decimals(c row.Column) bool {
	return c.Kind == row.Int64 || c.Kind == row.Numeric || c.Kind == row.Float64
}
