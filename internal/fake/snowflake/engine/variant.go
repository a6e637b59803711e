package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"sort"
	"strconv"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

// A variant's tree is made of jsonNull, bool, json.Number, string, []any and
// map[string]any. Snowflake keeps the keys of objects sorted, numbers up to
// 38 digits exactly.

type jsonNull struct{}

// tree parses a variant's text once it is needed.
func tree(v Value) any {
	if v.X != nil {
		return v.X
	}
	t, err := parseTree(v.S)
	if err != nil {
		return v.S
	}
	return t
}

func parseTree(s string) (any, error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var t any
	if err := d.Decode(&t); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more after the value")
	}
	if t == nil {
		return jsonNull{}, nil
	}
	return t, nil
}

func variant(t any) Value {
	if t == nil {
		t = jsonNull{}
	}
	return Value{K: Variant, X: t}
}

// parseJSON is PARSE_JSON.
func parseJSON(s string) (Value, error) {
	if strings.TrimSpace(s) == "" {
		return null, nil
	}
	t, err := parseTree(s)
	if err != nil {
		return null, sql.Errorf(100069, "22P02", "Error parsing JSON: %s", clip(s))
	}
	return variant(t), nil
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// JSON is the canonical text of a variant, or of anything as TO_JSON gives it.
func (v Value) JSON() string {
	if !isVariant(v.K) {
		v = toVariant(v)
	}
	if v.X == nil {
		return v.S
	}
	return string(appendJSON(nil, v.X))
}

func appendJSON(b []byte, t any) []byte {
	switch t := t.(type) {
	case nil, jsonNull:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, t)
	case json.Number:
		return append(b, canonicalNumber(string(t))...)
	case string:
		return appendString(b, t)
	case []any:
		b = append(b, '[')
		for i, x := range t {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, x)
		}
		return append(b, ']')
	case map[string]any:
		keys := make([]string, 0, len(t))
		for k := range t {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k), ':')
			b = appendJSON(b, t[k])
		}
		return append(b, '}')
	}
	return b
}

func appendString(b []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.Encode(s)
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// canonicalNumber keeps decimals of up to 38 digits exactly, without zeros at
// the end; others become doubles, as in a VARIANT.
func canonicalNumber(s string) string {
	if strings.ContainsAny(s, "eE") {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return strconv.FormatFloat(f, 'e', 15, 64)
		}
	}
	v, ok := parseNumber(s)
	if !ok || !fits(v, 38) || v.Scale > 37 {
		f, _ := strconv.ParseFloat(s, 64)
		return strconv.FormatFloat(f, 'e', 15, 64)
	}
	return numberText(trimZeros(v))
}

// toVariant is TO_VARIANT.
func toVariant(v Value) Value {
	switch v.K {
	case Null, Variant, Object, Array:
		return v
	case Bool:
		return variant(v.I != 0)
	case Number:
		return variant(json.Number(numberText(v)))
	case Float:
		return variant(json.Number(floatText(v.float())))
	}
	return variant(v.Text())
}

// fromTree is the SQL value of a scalar inside a variant; the JSON null is NULL.
func fromTree(t any) Value {
	switch t := t.(type) {
	case jsonNull, nil:
		return null
	case bool:
		return boolean(t)
	case json.Number:
		if v, ok := parseNumber(string(t)); ok && fits(v, 38) && !strings.ContainsAny(string(t), "eE") {
			return v
		}
		f, _ := strconv.ParseFloat(string(t), 64)
		return float(f)
	case string:
		return text(t)
	}
	return variant(t)
}

// step goes into a variant; what is not there is NULL.
func step(v Value, by any) Value {
	if !isVariant(v.K) {
		return null
	}
	switch t := tree(v).(type) {
	case map[string]any:
		if key, ok := by.(string); ok {
			if x, ok := t[key]; ok {
				return variant(x)
			}
		}
	case []any:
		if i, ok := by.(int64); ok && i >= 0 && i < int64(len(t)) {
			return variant(t[i])
		}
	}
	return null
}

func compareVariants(a, b Value) (int, error) {
	x, y := fromTree(tree(a)), fromTree(tree(b))
	if !isVariant(x.K) && !isVariant(y.K) && (x.K == y.K || isNumeric(x.K) && isNumeric(y.K)) && x.K != Null {
		return compare(x, y)
	}
	return strings.Compare(a.JSON(), b.JSON()), nil
}

func typeOfVariant(v Value) string {
	switch t := tree(v).(type) {
	case bool:
		return "BOOLEAN"
	case string:
		return "VARCHAR"
	case []any:
		return "ARRAY"
	case map[string]any:
		return "OBJECT"
	case json.Number:
		n, ok := parseNumber(string(t))
		switch {
		case !ok || strings.ContainsAny(string(t), "eE"):
			return "DOUBLE"
		case new(big.Int).Rem(bigOf(n), pow10[n.Scale]).Sign() == 0:
			return "INTEGER"
		}
		return "DECIMAL"
	}
	return "NULL_VALUE"
}
