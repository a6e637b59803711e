package row

import (
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

var errNoString = errors.New("is no JSON string")

// AppendJSONUnquoted appends the text that a JSON string literal stands for.
// A lone surrogate becomes U+FFFD.
func AppendJSONUnquoted(dst, literal []byte) ([]byte, error) {
	if len(literal) < 2 || literal[0] != '"' || literal[len(literal)-1] != '"' {
		return dst, errNoString
	}
	s := literal[1 : len(literal)-1]
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && s[i] != '\\' {
			i++
		}
		dst = append(dst, s[start:i]...)
		if i == len(s) {
			break
		}
		if i+1 >= len(s) {
			return dst, errNoString
		}
		switch c := s[i+1]; c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, ok := hex4(s[i+2:])
			if !ok {
				return dst, errNoString
			}
			if utf16.IsSurrogate(r) {
				low, paired := rune(0), false
				if len(s) >= i+12 && s[i+6] == '\\' && s[i+7] == 'u' {
					low, paired = hex4(s[i+8:])
				}
				if pair := utf16.DecodeRune(r, low); paired && pair != utf8.RuneError {
					dst = utf8.AppendRune(dst, pair)
					i += 12
					continue
				}
				r = utf8.RuneError
			}
			dst = utf8.AppendRune(dst, r)
			i += 6
			continue
		default:
			return dst, errNoString
		}
		i += 2
	}
	return dst, nil
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s[:4] {
		h := unhex(c)
		if h > 15 {
			return 0, false
		}
		r = r<<4 | rune(h)
	}
	return r, true
}
