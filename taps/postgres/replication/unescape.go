package replication

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends the character that the escape at the head of src means,
// and says how long the escape is; 0 for none. What it appends is never
// longer than the escape, so dst may end where src begins.
func unescape(dst, src []byte) ([]byte, int) {
	if len(src) < 2 {
		return dst, 0
	}
	switch c := src[1]; c {
	case '"', '\\', '/':
		return append(dst, c), 2
	case 'b':
		return append(dst, '\b'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'n':
		return append(dst, '\n'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 't':
		return append(dst, '\t'), 2
	case 'u':
		r, ok := hex4(src)
		if !ok {
			return dst, 0
		}
		if utf16.IsSurrogate(r) && len(src) >= 12 && src[6] == '\\' && src[7] == 'u' {
			if low, ok := hex4(src[6:]); ok {
				if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
					return utf8.AppendRune(dst, both), 12
				}
			}
		}
		return utf8.AppendRune(dst, r), 6
	}
	return dst, 0
}

// hex4 reads the digits of \uXXXX.
func hex4(src []byte) (rune, bool) {
	if len(src) < 6 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(src[2:6]), 16, 16)
	return rune(n), err == nil
}
