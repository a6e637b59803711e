package parquet

import (
	"encoding/binary"
	"math/bits"

	"elt/internal/row"
)

// maxDigits is the widest decimal that common readers know (128 bits).
const maxDigits = 38

// decimal is how a column of exact numbers is written.
type decimal struct {
	scale int
	limit [2]uint64 // 10^precision: high, low
}

func newDecimal(precision, scale int) decimal {
	d := decimal{scale: scale, limit: [2]uint64{0, 1}}
	for range precision {
		d.limit[0], d.limit[1], _ = mulAdd(d.limit[0], d.limit[1], 10, 0)
	}
	return d
}

// decimalBytes is the width of the two's complement of any number of so many digits.
func decimalBytes(precision int) int {
	d := newDecimal(precision, 0)
	n := bits.Len64(d.limit[1]) + 1
	if d.limit[0] > 0 {
		n = 64 + bits.Len64(d.limit[0]) + 1
	}
	return (n + 7) / 8
}

// mulAdd is (hi, lo)·m + a; false when that has more than 128 bits.
func mulAdd(hi, lo, m, a uint64) (uint64, uint64, bool) {
	over, top := bits.Mul64(hi, m)
	carry, low := bits.Mul64(lo, m)
	low, c := bits.Add64(low, a, 0)
	top, c = bits.Add64(top, carry, c)
	return top, low, over == 0 && c == 0
}

var pow10 = [5]uint64{1, 10, 100, 1000, 10000}

// unscaled is a WireNumeric field times 10^scale, as a two's complement of
// 128 bits. False for NaN, infinities, and what needs more digits than the
// column has on either side of the point.
func (d decimal) unscaled(field []byte) (hi, lo uint64, ok bool) {
	if row.NumericSpecial(field) {
		return 0, 0, false
	}
	count := int(binary.BigEndian.Uint16(field))
	weight := int(int16(binary.BigEndian.Uint16(field[2:])))
	digits := field[8:]
	full, rest := d.scale/4, d.scale%4
	// Groups of four digits from the first one down to the last whole one of the scale.
	for n := 0; n <= weight+full || n < count; n++ {
		var group uint64
		if n < count {
			group = uint64(binary.BigEndian.Uint16(digits[2*n:]))
		}
		if n > weight+full { // behind the whole groups: a part of one, then nothing
			if group == 0 || n == weight+full+1 && rest > 0 && group%pow10[4-rest] == 0 {
				continue
			}
			return 0, 0, false
		}
		if hi, lo, ok = mulAdd(hi, lo, 10000, group); !ok {
			return 0, 0, false
		}
	}
	if rest > 0 {
		var group uint64
		if n := weight + full + 1; n >= 0 && n < count {
			group = uint64(binary.BigEndian.Uint16(digits[2*n:])) / pow10[4-rest]
		}
		if hi, lo, ok = mulAdd(hi, lo, pow10[rest], group); !ok {
			return 0, 0, false
		}
	}
	if hi > d.limit[0] || hi == d.limit[0] && lo >= d.limit[1] {
		return 0, 0, false
	}
	if binary.BigEndian.Uint16(field[4:]) != 0 { // negative
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	return hi, lo, true
}
