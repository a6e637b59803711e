package singer

import (
	"encoding/binary"
	"math/bits"
)

// flaw is what is wrong with a line or a record, at a byte of the line. Its
// text never shows a value.
type flaw struct {
	at     int
	text   string
	syntax bool // the line is no JSON, as opposed to JSON that we cannot take
}

func (f *flaw) Error() string { return f.text }

func broken(at int, text string) error { return &flaw{at: at, text: text, syntax: true} }

// What a string holds beside plain ASCII.
const (
	strEscaped uint8 = 1 << iota
	strHigh          // bytes above 0x7f, valid UTF-8 or not
)

const (
	everyByte uint64 = 0x0101010101010101
	highBits  uint64 = 0x8080808080808080
)

// scanString looks for the closing quote of the string whose first byte is
// b[i] and returns its index, -1 when the string does not end or holds a
// control character. It tests eight bytes at a time.
func scanString(b []byte, i int) (end int, flags uint8) {
	high := highBits
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		q, s := w^everyByte*'"', w^everyByte*'\\'
		hit := ((q-everyByte)&^q|(s-everyByte)&^s|(w-everyByte*0x20)&^w)&highBits | w&high
		if hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) >> 3
		switch c := b[i]; {
		case c == '"':
			return i, flags
		case c == '\\':
			flags |= strEscaped
			i += 2
		case c >= 0x80:
			flags |= strHigh
			high = 0 // one is enough to know
			i++
		default:
			return -1, flags
		}
	}
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i, flags
		case c == '\\':
			flags |= strEscaped
			i++
		case c >= 0x80:
			flags |= strHigh
		case c < 0x20:
			return -1, flags
		}
		i++
	}
	return -1, flags
}

// scanNumber returns the end of the JSON number at b[i], or -1.
func scanNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == start || b[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		start = i + 1
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
		}
		if i == start {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start = i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
		}
		if i == start {
			return -1
		}
	}
	return i
}

// literal says whether word stands at b[i].
func literal(b []byte, i int, word string) bool {
	return len(b)-i >= len(word) && string(b[i:i+len(word)]) == word
}

// special is the length of NaN, Infinity or -Infinity at b[i], which Python
// writes although they are no JSON; 0 for anything else.
func special(b []byte, i int) int {
	for _, word := range [...]string{"NaN", "Infinity", "-Infinity"} {
		if literal(b, i, word) {
			return len(word)
		}
	}
	return 0
}

// space is the index of the first byte from i on that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// peek is b[i], 0 past the end.
func peek(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
