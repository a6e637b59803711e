package engine

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

// Wire is a cell as the JSON result format has it: days, seconds with a
// fraction, offsets as minutes + 1440, hex, 1 and 0; variants indented.
func (v Value) Wire() *string {
	s := ""
	switch v.K {
	case Null:
		return nil
	case Bool:
		s = strconv.FormatInt(v.I, 10)
	case Date:
		s = strconv.FormatInt(v.I, 10)
	case Time:
		s = fraction(v.I/1e9, int32(v.I%1e9), int(v.Scale))
	case NTZ, LTZ:
		s = fraction(v.I, v.N, int(v.Scale))
	case TZ:
		s = fraction(v.I, v.N, int(v.Scale)) + " " + strconv.Itoa(int(v.Off)+1440)
	case Variant, Object, Array:
		var b bytes.Buffer
		s = v.JSON()
		if json.Indent(&b, []byte(s), "", "  ") == nil {
			s = b.String()
		}
	default:
		s = v.Text()
	}
	return &s
}

func fraction(sec int64, n int32, scale int) string {
	if scale == 0 {
		return strconv.FormatInt(sec, 10)
	}
	return fmt.Sprintf("%d.%s", sec, fmt.Sprintf("%09d", n)[:scale])
}

// Exact is a cell as text that loses nothing, for tests.
func (v Value) Exact() any {
	switch v.K {
	case Null:
		return nil
	case NTZ, LTZ, TZ:
		sec := v.I + int64(v.Off)*60
		days := floorDiv(sec, 86400)
		s := dateText(days) + " " + timeText((sec-days*86400)*1e9, "15:04:05")
		if v.Scale > 0 {
			s += "." + fmt.Sprintf("%09d", v.N)[:v.Scale]
		}
		switch v.K {
		case LTZ:
			return s + " Z"
		case TZ:
			off, sign := v.Off, '+'
			if off < 0 {
				off, sign = -off, '-'
			}
			return s + fmt.Sprintf(" %c%02d:%02d", sign, off/60, off%60)
		}
		return s
	case Time:
		s := timeText(v.I, "15:04:05")
		if v.Scale > 0 {
			s += "." + fmt.Sprintf("%09d", v.I%1e9)[:v.Scale]
		}
		return s
	case Variant, Object, Array:
		return v.JSON()
	}
	return v.Text()
}

// WireType is a column's entry in rowtype.
func (c OutColumn) WireType() map[string]any {
	m := map[string]any{"name": c.Name, "type": strings.ToLower(c.Type.Name()), "nullable": c.Nullable, "length": nil, "byteLength": nil, "precision": nil, "scale": nil}
	switch c.Type.K {
	case Number:
		m["precision"], m["scale"] = c.Type.Prec, c.Type.Scale
	case Text, Null:
		n := c.Type.Length
		if n == 0 {
			n = MaxText
		}
		m["length"], m["byteLength"] = n, min(n*4, limitText)
	case Binary:
		m["length"], m["byteLength"] = c.Type.Length, c.Type.Length
	case Time, NTZ, LTZ, TZ:
		m["precision"], m["scale"] = 0, c.Type.Scale
	}
	return m
}

// BindValue reads a bind variable: its wire type and its text.
func BindValue(typ string, s *string) (Value, error) {
	if s == nil {
		return null, nil
	}
	bad := sql.Errorf(2050, "22023", "Bind variable of type %s cannot be read: '%s'", typ, *s)
	switch strings.ToUpper(typ) {
	case "FIXED":
		v, ok := parseNumber(*s)
		if !ok {
			return null, bad
		}
		return v, nil
	case "REAL":
		return toFloat(text(*s))
	case "BOOLEAN":
		return toBool(text(*s))
	case "BINARY":
		b, err := hex.DecodeString(*s)
		if err != nil {
			return null, bad
		}
		return Value{K: Binary, S: string(b)}, nil
	case "DATE":
		n, err := strconv.ParseInt(*s, 10, 64)
		if err != nil {
			return cast(text(*s), Type{K: Date}, nil)
		}
		return Value{K: Date, I: floorDiv(n, 86400000)}, nil
	case "TIME":
		n, err := strconv.ParseInt(*s, 10, 64)
		if err != nil {
			return cast(text(*s), Type{K: Time, Scale: 9}, nil)
		}
		return Value{K: Time, I: n, Scale: 9}, nil
	case "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ":
		k := map[string]Kind{"TIMESTAMP_NTZ": NTZ, "TIMESTAMP_LTZ": LTZ, "TIMESTAMP_TZ": TZ}[strings.ToUpper(typ)]
		digits, off, _ := strings.Cut(*s, " ")
		n, ok := new(big.Int).SetString(digits, 10)
		if !ok {
			return cast(text(*s), Type{K: k, Scale: 9}, nil)
		}
		sec, rest := new(big.Int).DivMod(n, pow10[9], new(big.Int))
		v := Value{K: k, I: sec.Int64(), N: int32(rest.Int64()), Scale: 9}
		if off != "" && k == TZ {
			m, err := strconv.Atoi(off)
			if err != nil {
				return null, bad
			}
			v.Off = int16(m - 1440)
		}
		return v, nil
	case "VARIANT", "OBJECT", "ARRAY":
		return parseJSON(*s)
	}
	return text(*s), nil
}
