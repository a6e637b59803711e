package singer

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// EqualJSON says whether two JSON texts mean the same: order of keys, spaces
// and the spelling of strings do not count, numbers are compared as decimals.
// What is no JSON equals only itself.
func EqualJSON(a, b []byte) bool {
	ca, errA := appendCanonical(nil, a)
	cb, errB := appendCanonical(nil, b)
	if errA != nil || errB != nil {
		return string(a) == string(b)
	}
	return string(ca) == string(cb)
}

// appendCanonical appends a form that is the same for equal values.
func appendCanonical(dst, raw []byte) ([]byte, error) {
	var v any
	if err := decodeExact(raw, &v); err != nil {
		return dst, err
	}
	return canonical(dst, v), nil
}

func canonical(dst []byte, v any) []byte {
	switch x := v.(type) {
	case json.Number:
		return append(dst, canonicalNumber(x.String())...)
	case string:
		return strconv.AppendQuote(dst, x)
	case bool:
		return strconv.AppendBool(dst, x)
	case []any:
		dst = append(dst, '[')
		for _, e := range x {
			dst = append(canonical(dst, e), ',')
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for _, key := range slices.Sorted(maps.Keys(x)) {
			dst = append(strconv.AppendQuote(dst, key), ':')
			dst = append(canonical(dst, x[key]), ',')
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// canonicalNumber is sign, digits without zeros at either end, and the power
// of ten: 1, 1.0 and 10e-1 are all "1e0".
func canonicalNumber(text string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	sign, digits := "", mantissa
	if rest, neg := strings.CutPrefix(mantissa, "-"); neg {
		sign, digits = "-", rest
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	power := int64(0)
	if exponent != "" {
		var err error
		if power, err = strconv.ParseInt(exponent, 10, 32); err != nil {
			return text // beyond any real number: equal only to its own spelling
		}
	}
	power -= int64(len(fraction))
	short := strings.TrimRight(digits, "0")
	power += int64(len(digits) - len(short))
	return sign + short + "e" + strconv.FormatInt(power, 10)
}
