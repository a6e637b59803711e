package row

// Widen is the narrowest column that holds, exactly, every value of have and
// of want. It keeps have's name. Text and JSON hold everything (JSON keeps
// 1 and "1" apart, Text does not), so a column that is one of them stays.
func Widen(have, want Column) Column {
	out := have
	out.Nullable = have.Nullable || want.Nullable
	out.Mixed = false
	if out.Unit != want.Unit {
		out.Unit = ""
	}
	switch {
	case have.Kind == want.Kind:
		return widenSame(have, out, want)
	case have.Kind == Text || have.Kind == JSON:
		out.Mixed = have.Mixed
		return widenText(out)
	case want.Kind == JSON:
		out.Kind, out.Wire, out.Precision, out.Scale = JSON, want.Wire, 0, 0
		out.Mixed = want.Mixed
		return out
	}
	a, b := have, want
	if a.Kind > b.Kind {
		a, b = b, a
	}
	switch {
	case b.Kind == Numeric && (a.Kind == Int64 || a.Kind == Float64):
		return widenNumeric(out, asNumeric(a), b)
	case a.Kind == Int64 && b.Kind == Float64:
		return widenNumeric(out, asNumeric(a), asNumeric(b))
	case a.Kind == Date && b.Kind == Timestamp, a.Kind == Date && b.Kind == TimestampTZ:
		out.Kind, out.Wire = b.Kind, b.Wire
		return out
	case a.Kind == Timestamp && b.Kind == TimestampTZ:
		out.Kind, out.Wire = TimestampTZ, widerTime(a.Wire, b.Wire)
		return out
	}
	out.Kind, out.Wire, out.Precision, out.Scale = Text, WireText, 0, 0
	return out
}

// Holds says whether column have stores every value of want exactly.
func Holds(have, want Column) bool {
	w := Widen(have, want)
	return w.Kind == have.Kind && w.Wire == have.Wire && w.Precision == have.Precision && w.Scale == have.Scale
}

func widenSame(have, out, want Column) Column {
	switch out.Kind {
	case JSON:
		out.Mixed = have.Mixed && want.Mixed
	case Int64:
		if size(want.Wire) > size(out.Wire) {
			out.Wire = want.Wire
		}
	case Float64:
		if want.Wire == WireFloat8 {
			out.Wire = WireFloat8
		}
	case Numeric:
		return widenNumeric(out, out, want)
	case Text:
		if want.Precision == 0 || out.Precision == 0 {
			out.Precision = 0
		} else {
			out.Precision = max(out.Precision, want.Precision)
		}
	case Timestamp, TimestampTZ:
		out.Wire = widerTime(out.Wire, want.Wire)
	}
	return out
}

func widenText(out Column) Column {
	if out.Kind == Text {
		out.Precision = 0
	}
	return out
}

// asNumeric is the decimal column that holds an integer or float column.
func asNumeric(c Column) Column {
	c.Precision, c.Scale = 0, 0
	if c.Kind == Int64 {
		c.Precision = map[Wire]int{WireInt2: 5, WireInt4: 10}[c.Wire]
		if c.Precision == 0 {
			c.Precision = 19
		}
	}
	c.Kind, c.Wire = Numeric, WireNumeric
	return c
}

func widenNumeric(out, a, b Column) Column {
	out.Kind, out.Wire = Numeric, WireNumeric
	if a.Precision == 0 || b.Precision == 0 {
		out.Precision, out.Scale = 0, 0
		return out
	}
	scale := max(a.Scale, b.Scale)
	out.Precision, out.Scale = scale+max(a.Precision-a.Scale, b.Precision-b.Scale), scale
	return out
}

func widerTime(a, b Wire) Wire {
	if a == WireTimestampExt || b == WireTimestampExt {
		return WireTimestampExt
	}
	return max(a, b) // timestamp < timestamptz
}

func size(w Wire) int {
	switch w {
	case WireInt2:
		return 2
	case WireInt4:
		return 4
	}
	return 8
}
