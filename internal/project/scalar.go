package project

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"sync"
)

var (
	integerForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)$`)
	})
	floatForm = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9_]+(?:[eE][-+][0-9]+)?)$`)
	})
)

// plainScalar gives an unquoted scalar its YAML 1.2 meaning: yes and no are
// text, 010 is ten, dates stay as they are written. Numbers keep all their
// digits.
func plainScalar(text string) any {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	if integerForm().MatchString(text) {
		if n, ok := integer(text); ok {
			return n
		}
	}
	if floatForm().MatchString(text) {
		return float(text)
	}
	return text
}

func integer(text string) (json.Number, bool) {
	digits := strings.ReplaceAll(text, "_", "")
	sign := ""
	switch {
	case strings.HasPrefix(digits, "-"):
		sign, digits = "-", digits[1:]
	case strings.HasPrefix(digits, "+"):
		digits = digits[1:]
	}
	base := 10
	if len(digits) > 2 && digits[0] == '0' {
		switch digits[1] {
		case 'b':
			base, digits = 2, digits[2:]
		case 'o':
			base, digits = 8, digits[2:]
		case 'x':
			base, digits = 16, digits[2:]
		}
	}
	if base == 10 { // no conversion: exact and linear in the length
		digits = strings.TrimLeft(digits, "0")
		if strings.Trim(text, "_+-") == "" {
			return "", false
		}
		if digits == "" {
			return "0", true
		}
		return json.Number(sign + digits), true
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return "", false
	}
	return json.Number(strings.TrimPrefix(sign+n.String(), "-0")), true
}

// float rewrites a float so that JSON accepts it: .5 is 0.5, 1. is 1.0.
func float(text string) json.Number {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "+"), "_", "")
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i:]
	}
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if dotted {
		if fraction == "" {
			fraction = "0"
		}
		whole += "." + fraction
	}
	return json.Number(sign + whole + exponent)
}
