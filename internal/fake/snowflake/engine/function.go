package engine

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"elt/internal/fake/snowflake/sql"
)

// call compiles a function: an aggregate, a window, one that looks at types,
// or one of the table of simple ones.
func (sc *scope) call(x *sql.Func) (compiled, error) {
	switch {
	case x.Over != nil:
		return sc.window(x)
	case isAggregate(x):
		return sc.aggregate(x)
	}
	switch x.Name {
	case "COALESCE", "IFNULL", "NVL":
		return sc.coalesce(x.Args)
	case "ZEROIFNULL":
		return sc.coalesce(append(x.Args, &sql.Lit{Kind: 'n', Text: "0"}))
	case "IFF":
		if len(x.Args) == 3 {
			return sc.caseWhen(&sql.Case{Whens: []sql.When{{If: x.Args[0], Then: x.Args[1]}}, Else: x.Args[2]})
		}
	case "NVL2":
		if len(x.Args) == 3 {
			return sc.caseWhen(&sql.Case{Whens: []sql.When{{If: &sql.IsNull{X: x.Args[0], Not: true}, Then: x.Args[1]}}, Else: x.Args[2]})
		}
	case "NULLIF":
		if len(x.Args) == 2 {
			return sc.caseWhen(&sql.Case{Whens: []sql.When{{If: &sql.Binary{Op: "=", L: x.Args[0], R: x.Args[1]}, Then: &sql.Lit{Kind: '0'}}}, Else: x.Args[0]})
		}
	case "DECODE":
		return sc.decode(x.Args)
	case "EQUAL_NULL":
		return sc.equalNull(x)
	case "GREATEST", "LEAST", "GREATEST_IGNORE_NULLS", "LEAST_IGNORE_NULLS":
		return sc.extreme(x)
	case "LIKE", "RLIKE", "ILIKE", "REGEXP_LIKE":
		if len(x.Args) == 2 {
			return sc.like(&sql.Like{Op: strings.TrimPrefix(x.Name, "REGEXP_"), X: x.Args[0], Pattern: x.Args[1]})
		}
	case "CONCAT":
		return sc.concat(x)
	}
	if to, try, ok := conversion(x.Name); ok && len(x.Args) > 0 {
		return sc.toFunction(x, to, try)
	}
	if v, t, ok := sc.context(x.Name); ok {
		return compiled{t: t, konst: true, eval: func(*env) (Value, error) { return v(), nil }}, nil
	}
	f, ok := functions[x.Name]
	if !ok {
		return compiled{}, sql.Unsupported("function %s", x.Name)
	}
	if len(x.Args) < f.least || len(x.Args) > f.most {
		return compiled{}, sql.Compile(938, "22023", "wrong number of arguments for function [%s(%d)] expected %d, got %d", x.Name, len(x.Args), f.least, len(x.Args))
	}
	var args []compiled
	konst := !f.volatile
	for i, a := range x.Args {
		c, err := sc.compile(a)
		if err != nil {
			return c, err
		}
		if f.args != nil {
			if want := f.args[min(i, len(f.args)-1)]; want.K != Null {
				c = sc.convert(c, want)
			}
		}
		konst = konst && c.konst
		args = append(args, c)
	}
	vals := make([]Value, len(args))
	return compiled{t: f.returns, konst: konst, eval: func(e *env) (Value, error) {
		for i, a := range args {
			v, err := a.eval(e)
			if err != nil || v.IsNull() && !f.nulls {
				return null, err
			}
			vals[i] = v
		}
		return f.do(vals)
	}}, nil
}

// function is one of the table: arguments are converted to args, the last of
// which stands for all further ones; a NULL argument gives NULL unless nulls.
type function struct {
	least, most int
	args        []Type
	returns     Type
	nulls       bool
	volatile    bool
	do          func(v []Value) (Value, error)
}

func textual(n int, f func(v []Value) Value) function {
	return function{n, n, []Type{textType, integerType}, textType, false, false, func(v []Value) (Value, error) { return f(v), nil }}
}

var anyType = Type{}

var functions = map[string]function{
	"UPPER":      textual(1, func(v []Value) Value { return text(strings.ToUpper(v[0].S)) }),
	"LOWER":      textual(1, func(v []Value) Value { return text(strings.ToLower(v[0].S)) }),
	"LEFT":       textual(2, func(v []Value) Value { return substr(v[0].S, 1, v[1].I) }),
	"RIGHT":      textual(2, func(v []Value) Value { return substr(v[0].S, int64(utf8.RuneCountInString(v[0].S))-v[1].I+1, v[1].I) }),
	"MD5":        textual(1, func(v []Value) Value { h := md5.Sum([]byte(v[0].S)); return text(hex.EncodeToString(h[:])) }),
	"MD5_HEX":    textual(1, func(v []Value) Value { h := md5.Sum([]byte(v[0].S)); return text(hex.EncodeToString(h[:])) }),
	"REPEAT":     textual(2, func(v []Value) Value { return text(strings.Repeat(v[0].S, int(v[1].I))) }),
	"REVERSE":    textual(1, func(v []Value) Value { return text(reverse(v[0].S)) }),
	"TRIM":       {1, 2, []Type{textType}, textType, false, false, func(v []Value) (Value, error) { return text(strings.Trim(v[0].S, trimSet(v))), nil }},
	"LTRIM":      {1, 2, []Type{textType}, textType, false, false, func(v []Value) (Value, error) { return text(strings.TrimLeft(v[0].S, trimSet(v))), nil }},
	"RTRIM":      {1, 2, []Type{textType}, textType, false, false, func(v []Value) (Value, error) { return text(strings.TrimRight(v[0].S, trimSet(v))), nil }},
	"REPLACE":    {2, 3, []Type{textType}, textType, false, false, func(v []Value) (Value, error) { return text(strings.ReplaceAll(v[0].S, v[1].S, third(v).S)), nil }},
	"LPAD":       {2, 3, []Type{textType, integerType, textType}, textType, false, false, func(v []Value) (Value, error) { return text(pad(v) + v[0].S), nil }},
	"RPAD":       {2, 3, []Type{textType, integerType, textType}, textType, false, false, func(v []Value) (Value, error) { return text(v[0].S + pad(v)), nil }},
	"SHA2":       {1, 2, []Type{textType, integerType}, textType, false, false, sha2},
	"SHA2_HEX":   {1, 2, []Type{textType, integerType}, textType, false, false, sha2},
	"SUBSTR":     {2, 3, []Type{textType, integerType}, textType, false, false, substring},
	"SUBSTRING":  {2, 3, []Type{textType, integerType}, textType, false, false, substring},
	"SPLIT_PART": {3, 3, []Type{textType, textType, integerType}, textType, false, false, splitPart},
	"LENGTH":     {1, 1, nil, integerType, false, false, length},
	"LEN":        {1, 1, nil, integerType, false, false, length},
	"CONTAINS":   {2, 2, []Type{textType}, boolType, false, false, func(v []Value) (Value, error) { return boolean(strings.Contains(v[0].S, v[1].S)), nil }},
	"STARTSWITH": {2, 2, []Type{textType}, boolType, false, false, func(v []Value) (Value, error) { return boolean(strings.HasPrefix(v[0].S, v[1].S)), nil }},
	"ENDSWITH":   {2, 2, []Type{textType}, boolType, false, false, func(v []Value) (Value, error) { return boolean(strings.HasSuffix(v[0].S, v[1].S)), nil }},
	"CHARINDEX":  {2, 2, []Type{textType}, integerType, false, false, func(v []Value) (Value, error) { return integer(int64(strings.Index(v[1].S, v[0].S) + 1)), nil }},
	"POSITION":   {2, 2, []Type{textType}, integerType, false, false, func(v []Value) (Value, error) { return integer(int64(strings.Index(v[1].S, v[0].S) + 1)), nil }},
	"REGEXP_REPLACE": {2, 3, []Type{textType}, textType, false, false, func(v []Value) (Value, error) {
		re, err := regexp.Compile(v[1].S)
		if err != nil {
			return null, sql.Errorf(100048, "2201B", "Invalid regular expression: '%s'", v[1].S)
		}
		return text(re.ReplaceAllString(v[0].S, strings.ReplaceAll(third(v).S, `\\`, `$`))), nil
	}},
	"HEX_ENCODE": {1, 1, nil, textType, false, false, func(v []Value) (Value, error) { return text(strings.ToUpper(hex.EncodeToString([]byte(v[0].S)))), nil }},
	"ABS":        {1, 1, []Type{{K: Number, Prec: 38, Scale: 9}}, Type{K: Number, Prec: 38, Scale: 9}, false, false, func(v []Value) (Value, error) { return fromBig(new(big.Int).Abs(bigOf(v[0])), int(v[0].Scale)), nil }},
	"ROUND":      {1, 2, nil, Type{K: Number, Prec: 38, Scale: 9}, false, false, round},
	"MOD":        {2, 2, []Type{{K: Number, Prec: 38, Scale: 9}}, Type{K: Number, Prec: 38, Scale: 9}, false, false, func(v []Value) (Value, error) { return arithmetic("%", v[0], v[1], 9) }},
	"FLOOR":      {1, 1, []Type{{K: Number, Prec: 38, Scale: 9}}, integerType, false, false, func(v []Value) (Value, error) { return wholePart(v[0], -1), nil }},
	"CEIL":       {1, 1, []Type{{K: Number, Prec: 38, Scale: 9}}, integerType, false, false, func(v []Value) (Value, error) { return wholePart(v[0], 1), nil }},
	"PARSE_JSON": {1, 1, []Type{textType}, variantType, false, false, func(v []Value) (Value, error) { return parseJSON(v[0].S) }},
	"TRY_PARSE_JSON": {1, 1, []Type{textType}, variantType, false, false, func(v []Value) (Value, error) {
		out, err := parseJSON(v[0].S)
		if err != nil {
			return null, nil
		}
		return out, nil
	}},
	"TO_JSON": {1, 1, nil, textType, false, false, func(v []Value) (Value, error) { return text(v[0].JSON()), nil }},
	"TYPEOF":  {1, 1, []Type{variantType}, textType, false, false, func(v []Value) (Value, error) { return text(typeOfVariant(v[0])), nil }},
	"IS_NULL_VALUE": {1, 1, []Type{variantType}, boolType, false, false, func(v []Value) (Value, error) {
		_, is := tree(v[0]).(jsonNull)
		return boolean(is), nil
	}},
	"STRIP_NULL_VALUE": {1, 1, []Type{variantType}, variantType, false, false, func(v []Value) (Value, error) {
		if _, is := tree(v[0]).(jsonNull); is {
			return null, nil
		}
		return v[0], nil
	}},
	"GET":      {2, 2, nil, variantType, false, false, func(v []Value) (Value, error) { return step(v[0], stepKey(v[1])), nil }},
	"GET_PATH": {2, 2, []Type{variantType, textType}, variantType, false, false, getPath},
	"ARRAY_SIZE": {1, 1, nil, integerType, false, false, func(v []Value) (Value, error) {
		if a, ok := tree(v[0]).([]any); ok {
			return integer(int64(len(a))), nil
		}
		return null, nil
	}},
	"ARRAY_CONSTRUCT":            {0, 1 << 20, nil, Type{K: Array}, true, false, func(v []Value) (Value, error) { return Value{K: Array, X: trees(v)}, nil }},
	"OBJECT_CONSTRUCT":           {0, 1 << 20, nil, Type{K: Object}, true, false, func(v []Value) (Value, error) { return object(v, false) }},
	"OBJECT_CONSTRUCT_KEEP_NULL": {0, 1 << 20, nil, Type{K: Object}, true, false, func(v []Value) (Value, error) { return object(v, true) }},
	"OBJECT_KEYS": {1, 1, nil, Type{K: Array}, false, false, func(v []Value) (Value, error) {
		m, _ := tree(v[0]).(map[string]any)
		out := []any{}
		for _, k := range sortedKeys(m) {
			out = append(out, k)
		}
		return Value{K: Array, X: out}, nil
	}},
	"DATE_PART":     {2, 2, []Type{textType, anyType}, integerType, false, false, datePart},
	"DATE_TRUNC":    {2, 2, []Type{textType, anyType}, Type{K: NTZ, Scale: 9}, false, false, dateTrunc},
	"DATEADD":       {3, 3, []Type{textType, integerType, {K: NTZ, Scale: 9}}, Type{K: NTZ, Scale: 9}, false, false, dateAdd},
	"UUID_STRING":   {0, 0, nil, textType, false, true, func([]Value) (Value, error) { return text(uuid.NewString()), nil }},
	"SYSTEM$TYPEOF": {1, 1, nil, textType, true, false, func(v []Value) (Value, error) { return text(typeOf(v[0]).String()), nil }},
}

func third(v []Value) Value {
	if len(v) > 2 {
		return v[2]
	}
	return Value{K: Text}
}

func trimSet(v []Value) string {
	if len(v) > 1 {
		return v[1].S
	}
	return " "
}

func pad(v []Value) string {
	fill := []rune(third(v).S)
	if len(v) < 3 {
		fill = []rune(" ")
	}
	n := int(v[1].I) - utf8.RuneCountInString(v[0].S)
	out := make([]rune, 0, max(n, 0))
	for i := 0; i < n && len(fill) > 0; i++ {
		out = append(out, fill[i%len(fill)])
	}
	return string(out)
}

func reverse(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

func substr(s string, from, n int64) Value {
	r := []rune(s)
	if from < 0 {
		from = int64(len(r)) + from + 1
	}
	from = max(from, 1) - 1
	if from >= int64(len(r)) || n <= 0 {
		return text("")
	}
	return text(string(r[from:min(from+n, int64(len(r)))]))
}

func substring(v []Value) (Value, error) {
	n := int64(1) << 40
	if len(v) == 3 {
		n = v[2].I
	}
	return substr(v[0].S, v[1].I, n), nil
}

func splitPart(v []Value) (Value, error) {
	parts := strings.Split(v[0].S, v[1].S)
	i := v[2].I
	if i < 0 {
		i += int64(len(parts)) + 1
	}
	i = max(i, 1)
	if i > int64(len(parts)) {
		return text(""), nil
	}
	return text(parts[i-1]), nil
}

func sha2(v []Value) (Value, error) {
	if len(v) == 2 && v[1].I != 256 {
		return null, sql.Unsupported("SHA2 of %d bits", v[1].I)
	}
	h := sha256.Sum256([]byte(v[0].S))
	return text(hex.EncodeToString(h[:])), nil
}

func length(v []Value) (Value, error) {
	if v[0].K == Binary {
		return integer(int64(len(v[0].S))), nil
	}
	return integer(int64(utf8.RuneCountInString(v[0].Text()))), nil
}

func round(v []Value) (Value, error) {
	n, err := toNumber(v[0], Type{K: Number, Prec: 38, Scale: 9})
	if v[0].K == Number {
		n, err = v[0], nil
	}
	d := 0
	if len(v) == 2 {
		d = int(v[1].I)
	}
	if err != nil || d < 0 {
		return null, sql.Unsupported("ROUND to %d", d)
	}
	if int(n.Scale) > d {
		n = rescale(n, d)
	}
	return n, nil
}

func wholePart(v Value, up int) Value {
	q, r := new(big.Int).QuoRem(bigOf(v), pow10[v.Scale], new(big.Int))
	if r.Sign() == up {
		q.Add(q, big.NewInt(int64(up)))
	}
	return fromBig(q, 0)
}

func stepKey(v Value) any {
	if v.K == Number {
		return rescale(v, 0).I
	}
	return v.Text()
}

func getPath(v []Value) (Value, error) {
	out := v[0]
	for _, part := range strings.FieldsFunc(v[1].S, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if n, err := strconv.ParseInt(part, 10, 64); err == nil {
			out = step(out, n)
		} else {
			out = step(out, strings.Trim(part, `"'`))
		}
	}
	return out, nil
}

func trees(v []Value) []any {
	out := make([]any, len(v))
	for i := range v {
		out[i] = jsonNull{}
		if !v[i].IsNull() {
			out[i] = tree(toVariant(v[i]))
		}
	}
	return out
}

func object(v []Value, keep bool) (Value, error) {
	if len(v)%2 != 0 {
		return null, sql.Compile(938, "22023", "OBJECT_CONSTRUCT needs pairs of arguments")
	}
	m := map[string]any{}
	for i := 0; i < len(v); i += 2 {
		switch {
		case v[i].IsNull(), v[i+1].IsNull() && !keep:
		case v[i+1].IsNull():
			m[v[i].Text()] = jsonNull{}
		default:
			m[v[i].Text()] = tree(toVariant(v[i+1]))
		}
	}
	return Value{K: Object, X: m}, nil
}

func (k Kind) String() string { return Type{K: k}.Name() }
