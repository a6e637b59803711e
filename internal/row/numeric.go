package row

import (
	"encoding/binary"
	"errors"
	"strconv"
)

// The header of a WireNumeric field: int16 number of base-10000 digits, int16
// weight of the first digit, uint16 sign, int16 display scale (numeric_send).
const (
	numericPos  = 0x0000
	numericNeg  = 0x4000
	numericNaN  = 0xC000
	numericInf  = 0xD000
	numericNInf = 0xF000

	maxNumericInt   = 131072 // digits before the point that the server takes
	maxNumericScale = 16383  // digits after it
)

// AppendNumeric appends the WireNumeric form of a decimal in text: sign,
// digits, point, exponent, or NaN, Infinity, -Infinity. False, and dst as it
// was, for anything else and for what no server could store.
func AppendNumeric(dst, text []byte) ([]byte, bool) {
	if out, d := AppendNumericPrefix(dst, text); d.End == len(text) && d.End > 0 {
		return out, true
	}
	i, neg := 0, false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		neg, i = text[0] == '-', 1
	}
	start := i
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	whole := i - start // digits before the point
	frac := 0
	if i < len(text) && text[i] == '.' {
		i++
		at := i
		for i < len(text) && text[i]-'0' <= 9 {
			i++
		}
		frac = i - at
	}
	if whole+frac == 0 {
		return appendSpecialNumeric(dst, text)
	}
	exp := 0
	if i < len(text) {
		var ok bool
		if exp, ok = exponent(text[i:]); !ok {
			return dst, false
		}
	}
	digit := func(n int) byte {
		if n >= whole {
			n++ // over the point
		}
		return text[start+n] - '0'
	}
	point, first, count := whole+exp, 0, whole+frac
	for first < count && digit(first) == 0 {
		first++
		point--
	}
	scale := max(0, frac-exp)
	if point > maxNumericInt || scale > maxNumericScale {
		return dst, false
	}
	if first == count {
		return append(dst, 0, 0, 0, 0, 0, 0, byte(scale>>8), byte(scale)), true
	}
	weight := floorDiv(point+3, 4) - 1
	head := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	ndigits, lastUsed := 0, 0
	group, room := 0, point-weight*4
	for n := first; n < count; n++ {
		group = group*10 + int(digit(n))
		if room--; room == 0 {
			dst = append(dst, byte(group>>8), byte(group))
			ndigits++
			if group != 0 {
				lastUsed = ndigits
			}
			group, room = 0, 4
		}
	}
	if group != 0 {
		for ; room > 0; room-- {
			group *= 10
		}
		dst = append(dst, byte(group>>8), byte(group))
		ndigits++
		lastUsed = ndigits
	}
	// When the number ends left of a group boundary before the point (1e6),
	// the missing groups are zero and are not stored.
	dst = dst[:head+8+2*lastUsed]
	sign := numericPos
	if neg {
		sign = numericNeg
	}
	h := dst[head:]
	binary.BigEndian.PutUint16(h[0:], uint16(lastUsed))
	binary.BigEndian.PutUint16(h[2:], uint16(int16(weight)))
	binary.BigEndian.PutUint16(h[4:], uint16(sign))
	binary.BigEndian.PutUint16(h[6:], uint16(scale))
	return dst, true
}

// Decimal is where a decimal ends in a text, and how many digits it has before
// and after its point.
type Decimal struct{ End, Before, After int }

// AppendNumericPrefix appends the WireNumeric form of the decimal that text
// begins with, where that is a plain one as most are: as JSON writes it, with
// up to 16 digits before the point and 8 after it, and no exponent. For any
// other End is 0 and nothing is appended: AppendNumeric knows them all.
func AppendNumericPrefix(dst, text []byte) ([]byte, Decimal) {
	i, sign := 0, byte(0)
	if len(text) > 0 && text[0] == '-' {
		i, sign = 1, numericNeg>>8
	}
	start, whole := i, uint64(0)
	for i < len(text) && text[i]-'0' <= 9 {
		whole = whole*10 + uint64(text[i]-'0')
		i++
	}
	d := Decimal{Before: i - start}
	if d.Before == 0 || d.Before > 16 || d.Before > 1 && text[start] == '0' {
		return dst, Decimal{}
	}
	frac := uint32(0)
	if i < len(text) && text[i] == '.' {
		i++
		for start = i; i < len(text) && text[i]-'0' <= 9; i++ {
			frac = frac*10 + uint32(text[i]-'0')
		}
		if d.After = i - start; d.After == 0 || d.After > 8 {
			return dst, Decimal{}
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		return dst, Decimal{}
	}
	d.End = i
	// Six groups of four digits: four before the point, two after it.
	frac *= tens[8-d.After]
	high, low := uint32(whole/1e8), uint32(whole%1e8)
	groups := [6]uint32{high / 1e4, high % 1e4, low / 1e4, low % 1e4, frac / 1e4, frac % 1e4}
	first, last := 0, len(groups)
	for first < last && groups[first] == 0 {
		first++
	}
	for last > first && groups[last-1] == 0 {
		last--
	}
	if first == last {
		return append(dst, 0, 0, 0, 0, 0, 0, 0, byte(d.After)), d
	}
	weight := 3 - first
	dst = append(dst, 0, byte(last-first), byte(weight>>8), byte(weight), sign, 0, 0, byte(d.After))
	for _, g := range groups[first:last] {
		dst = append(dst, byte(g>>8), byte(g))
	}
	return dst, d
}

// tens are the powers of ten.
var tens = [...]uint32{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// AppendNumericInt appends the WireNumeric form of v.
func AppendNumericInt(dst []byte, v int64) []byte {
	var buf [20]byte
	dst, _ = AppendNumeric(dst, strconv.AppendInt(buf[:0], v, 10))
	return dst
}

func exponent(text []byte) (int, bool) {
	if text[0] != 'e' && text[0] != 'E' || len(text) < 2 {
		return 0, false
	}
	text = text[1:]
	neg := text[0] == '-'
	if neg || text[0] == '+' {
		text = text[1:]
	}
	if len(text) == 0 {
		return 0, false
	}
	exp := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		if exp = exp*10 + int(c-'0'); exp > 1<<20 {
			return 0, false
		}
	}
	if neg {
		exp = -exp
	}
	return exp, true
}

func appendSpecialNumeric(dst, text []byte) ([]byte, bool) {
	var sign uint16
	switch string(text) {
	case "NaN", "nan", "NAN":
		sign = numericNaN
	case "Infinity", "+Infinity", "infinity", "Inf", "inf", "+inf":
		sign = numericInf
	case "-Infinity", "-infinity", "-Inf", "-inf":
		sign = numericNInf
	default:
		return dst, false
	}
	scale := byte(0)
	if sign != numericNaN {
		scale = 0x20 // numeric_send gives infinities this; numeric_recv ignores it
	}
	return append(dst, 0, 0, 0, 0, byte(sign>>8), byte(sign), 0, scale), true
}

// NumericSpecial says whether a WireNumeric field is NaN or an infinity.
func NumericSpecial(field []byte) bool {
	return len(field) >= 8 && binary.BigEndian.Uint16(field[4:])&0xC000 == 0xC000
}

// AppendNumericText appends the plain decimal text of a WireNumeric field,
// with as many digits after the point as its display scale says.
func AppendNumericText(dst, field []byte) []byte {
	ndigits := int(binary.BigEndian.Uint16(field))
	weight := int(int16(binary.BigEndian.Uint16(field[2:])))
	sign := binary.BigEndian.Uint16(field[4:])
	scale := int(binary.BigEndian.Uint16(field[6:])) & 0x3fff
	switch sign {
	case numericNaN:
		return append(dst, "NaN"...)
	case numericInf:
		return append(dst, "Infinity"...)
	case numericNInf:
		return append(dst, "-Infinity"...)
	case numericNeg:
		dst = append(dst, '-')
	}
	digits := field[8:]
	group := func(n int) uint16 {
		if n < 0 || n >= ndigits {
			return 0
		}
		return binary.BigEndian.Uint16(digits[2*n:])
	}
	if weight < 0 {
		dst = append(dst, '0')
	} else {
		dst = appendShort(dst, group(0))
		for n := 1; n <= weight; n++ {
			dst = appendGroup(dst, group(n))
		}
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	end := len(dst) + scale
	for n := weight + 1; len(dst) < end; n++ {
		dst = appendGroup(dst, group(n))
	}
	return dst[:end]
}

// pairs are the two digits of each number below 100.
const pairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// appendPair appends two digits.
func appendPair(dst []byte, n int) []byte { return append(dst, pairs[2*n], pairs[2*n+1]) }

// appendGroup appends the four digits of a group.
func appendGroup(dst []byte, g uint16) []byte {
	high, low := 2*int(g/100%100), 2*int(g%100)
	return append(dst, pairs[high], pairs[high+1], pairs[low], pairs[low+1])
}

// appendShort appends a group without zeros before it.
func appendShort(dst []byte, g uint16) []byte {
	switch {
	case g < 10:
		return append(dst, byte('0'+g))
	case g < 100:
		return appendPair(dst, int(g))
	case g < 1000:
		return appendPair(append(dst, byte('0'+g/100)), int(g%100))
	}
	return appendGroup(dst, g)
}

var errNotInt64 = errors.New("is no 64-bit integer")

// numericInt is the int64 that a WireNumeric field holds exactly.
func numericInt(field []byte) (int64, error) {
	var buf [64]byte
	text := AppendNumericText(buf[:0], field)
	for i, c := range text {
		if c == '.' {
			for _, z := range text[i+1:] {
				if z != '0' {
					return 0, errNotInt64
				}
			}
			text = text[:i]
			break
		}
	}
	v, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, errNotInt64
	}
	return v, nil
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
