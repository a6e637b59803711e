package engine

import (
	"math/big"
	"strconv"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

// conversion names the TO_… and TRY_TO_… functions.
func conversion(name string) (t sql.Type, try, ok bool) {
	n, try := strings.CutPrefix(name, "TRY_")
	if n == "DATE" && !try || n == "TIME" && !try {
		return sql.Type{Name: n}, false, true
	}
	n, ok = strings.CutPrefix(n, "TO_")
	if !ok {
		return
	}
	switch n {
	case "CHAR", "VARCHAR":
		n = "VARCHAR"
	case "NUMBER", "DECIMAL", "NUMERIC", "DOUBLE", "BOOLEAN", "DATE", "TIME", "BINARY", "TIMESTAMP", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "VARIANT", "OBJECT", "ARRAY":
	default:
		return sql.Type{}, false, false
	}
	return sql.Type{Name: n}, try, true
}

// toFunction compiles TO_NUMBER(x[, precision, scale]), TO_TIMESTAMP(x[, scale]) and the like.
func (sc *scope) toFunction(x *sql.Func, to sql.Type, try bool) (compiled, error) {
	in, err := sc.compile(x.Args[0])
	if err != nil {
		return in, err
	}
	scale := 0
	layout, encoding := "", ""
	for i, a := range x.Args[1:] {
		l, ok := a.(*sql.Lit)
		if !ok {
			return in, sql.Unsupported("%s with a computed format", x.Name)
		}
		switch {
		case l.Kind == 'n' && (to.Name == "NUMBER" || to.Name == "DECIMAL" || to.Name == "NUMERIC"):
			n, _ := strconv.Atoi(l.Text)
			to.Args = append(to.Args, n)
		case l.Kind == 'n':
			scale, _ = strconv.Atoi(l.Text)
		case to.Name == "BINARY":
			encoding = strings.ToUpper(l.Text)
		case strings.HasPrefix(to.Name, "TIMESTAMP") && i == 0:
			if !strings.EqualFold(l.Text, "AUTO") {
				layout = goLayout(l.Text)
			}
		case (to.Name == "DATE" || to.Name == "TIME") && i == 0 && (strings.EqualFold(l.Text, "AUTO") || strings.EqualFold(l.Text, "YYYY-MM-DD") || strings.EqualFold(l.Text, "HH24:MI:SS")):
		default:
			return in, sql.Unsupported("%s with format '%s'", x.Name, l.Text)
		}
	}
	t, err := sc.s.resolve(to)
	if err != nil {
		return in, err
	}
	how := *sc.casting()
	how.layout = layout
	how.base64, how.utf8 = encoding == "BASE64", encoding == "UTF-8" || encoding == "UTF8"
	return compiled{t: t, konst: in.konst, eval: func(e *env) (Value, error) {
		v, err := in.eval(e)
		if err != nil || v.IsNull() {
			return null, err
		}
		if v.K == Number && (isTimestamp(t.K) || t.K == Date) { // seconds, or 10^-scale of them
			v, err = secondsValue(v, scale, t), nil
		} else {
			v, err = cast(v, t, &how)
		}
		if err != nil && try {
			return null, nil
		}
		return v, err
	}}, nil
}

func secondsValue(v Value, scale int, t Type) Value {
	nanos := rescale(Value{K: Number, I: v.I, X: v.X, Scale: v.Scale + uint8(scale)}, 9)
	sec, n := new(big.Int).DivMod(bigOf(nanos), pow10[9], new(big.Int))
	out := Value{K: t.K, I: sec.Int64(), N: int32(n.Int64()), Scale: uint8(t.Scale)}
	if t.K == Date {
		return Value{K: Date, I: floorDiv(out.I, 86400)}
	}
	return out
}

// goLayout translates a format of Snowflake's (YYYY-MM-DD HH24:MI:SS.FF TZHTZM) to Go's.
func goLayout(f string) string {
	r := strings.NewReplacer("YYYY", "2006", "YY", "06", "MMMM", "January", "MON", "Jan", "MM", "01", "DD", "02", "HH24", "15", "HH12", "03", "AM", "PM",
		"PM", "PM", "MI", "04", "SS", "05", ".FF9", ".999999999", ".FF6", ".999999", ".FF3", ".999", ".FF", ".999999999", "TZH:TZM", "-07:00", "TZHTZM", "-0700", "TZH", "-07", "DY", "Mon", `"T"`, "T", `"`, "")
	return r.Replace(strings.ToUpper(f))
}
