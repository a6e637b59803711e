package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// stored reads a value as the binlog has it and returns what follows it.
// Whether a number is signed is not said there: it is read as if, see Unsign.
func (c *Cell) stored(s stored, p []byte) ([]byte, error) {
	size := 0
	switch s.typ {
	case typeTiny, typeYear:
		size = 1
	case typeShort:
		size = 2
	case typeInt24, typeDate, typeNewDate, typeTime:
		size = 3
	case typeLong, typeFloat, typeTimestamp:
		size = 4
	case typeLongLong, typeDouble, typeDateTime:
		size = 8
	case typeNull:
		c.Kind = Null
		return p, nil
	case typeTime2:
		size = 3 + (int(s.meta)+1)/2
	case typeTimestamp2:
		size = 4 + (int(s.meta)+1)/2
	case typeDateTime2:
		size = 5 + (int(s.meta)+1)/2
	case typeNewDecimal:
		size = decimalSize(int(s.meta>>8), int(s.meta&0xff))
	case typeEnum, typeSet:
		size = int(s.meta & 0xff)
	case typeBit:
		size = int(s.meta&0xff) + int(s.meta>>8+7)/8
	case typeVarChar, typeVarString, typeString:
		return c.counted(1+b2i(s.meta > 255), Bytes, p)
	case typeBlob, typeTinyBlob, typeMediumBlob, typeLongBlob, typeGeometry:
		return c.counted(int(s.meta), Bytes, p)
	case typeJSON:
		return c.counted(int(s.meta), Document, p)
	default:
		return nil, fmt.Errorf("a value of the unknown type %d", s.typ)
	}
	if size < 0 || len(p) < size {
		return nil, errShort
	}
	v, rest := p[:size], p[size:]
	switch s.typ {
	case typeFloat:
		c.Kind, c.Float = Single, float64(math.Float32frombits(binary.LittleEndian.Uint32(v)))
	case typeDouble:
		c.Kind, c.Float = Float, math.Float64frombits(binary.LittleEndian.Uint64(v))
	case typeYear:
		c.Kind, c.Int, c.Uint = Int, int64(v[0]), 0
		if v[0] != 0 {
			c.Int += 1900
		}
	case typeEnum:
		c.Kind, c.Int, c.Uint = Member, 0, little(v)
	case typeSet:
		c.Kind, c.Int, c.Uint = Members, 0, little(v)
	case typeBit:
		c.Kind, c.Bytes = Bytes, v
	case typeNewDecimal:
		c.decimal(v, int(s.meta>>8), int(s.meta&0xff))
	case typeDate, typeNewDate, typeTime, typeTimestamp, typeDateTime, typeTime2, typeTimestamp2, typeDateTime2:
		*c = Cell{Kind: Stamp, Digits: uint8(s.meta), own: c.own}
		c.instant(s, v)
	default:
		c.integer(little(v), size, false)
	}
	return rest, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *Cell) counted(width int, kind Kind, p []byte) ([]byte, error) {
	if len(p) < width || uint64(len(p)-width) < little(p[:width]) {
		return nil, errShort
	}
	n := width + int(little(p[:width]))
	c.Kind, c.Bytes = kind, p[width:n]
	return p[n:], nil
}

// Unsign reads a number of so many bytes again, as one without a sign.
func (c *Cell) Unsign(size int) {
	if c.Kind == Int {
		c.Kind, c.Uint, c.Int = Uint, uint64(c.Int)<<(64-8*size)>>(64-8*size), 0
	}
}

// instant reads dates and times, of today and of before MySQL 5.6.
func (c *Cell) instant(s stored, v []byte) {
	switch s.typ {
	case typeDate, typeNewDate:
		n := int(little(v))
		c.Kind, c.Digits, c.Year, c.Month, c.Day = Date, 0, n>>9, n>>5&15, n&31
	case typeTime:
		n := int(int32(little(v)<<8)) >> 8
		if c.Kind, c.Negative = Clock, n < 0; n < 0 {
			n = -n
		}
		c.Hour, c.Minute, c.Second = n/10000, n/100%100, n%100
	case typeDateTime:
		n := little(v)
		day, clock := int(n/1000000), int(n%1000000)
		c.Year, c.Month, c.Day = day/10000, day/100%100, day%100
		c.Hour, c.Minute, c.Second = clock/10000, clock/100%100, clock%100
	case typeTimestamp:
		c.unix(little(v))
	case typeTimestamp2:
		c.unix(big(v[:4]))
		c.Micro = fraction(v[4:], s.meta)
	case typeDateTime2:
		n := int(big(v[:5])) & (1<<39 - 1) // the sign is always plus
		day, clock := n>>17, n&(1<<17-1)
		c.Year, c.Month, c.Day = day>>5/13, day>>5%13, day&31
		c.Hour, c.Minute, c.Second = clock>>12, clock>>6&63, clock&63
		c.Micro = fraction(v[5:], s.meta)
	case typeTime2:
		c.Kind = Clock
		// Whole and fraction are one number, minus a half of its range.
		bits := 8 * len(v)
		n := int64(big(v)) - 1<<(bits-1)
		if c.Negative = n < 0; c.Negative {
			n = -n
		}
		part := bits - 24
		whole := int(n >> part)
		c.Hour, c.Minute, c.Second = whole>>12&0x3ff, whole>>6&63, whole&63
		c.Micro = int(n&(1<<part-1)) * scale[(s.meta+1)/2]
	}
}

// scale is what a fraction of 0 to 3 bytes counts, in microseconds.
var scale = [4]int{0, 10000, 100, 1}

func fraction(v []byte, digits uint16) int { return int(big(v)) * scale[(digits+1)/2&3] }

// unix is a TIMESTAMP in UTC; 0 is 0000-00-00.
func (c *Cell) unix(sec uint64) {
	if sec == 0 {
		return
	}
	t := time.Unix(int64(sec), 0).UTC()
	c.Year, c.Month, c.Day = t.Year(), int(t.Month()), t.Day()
	c.Hour, c.Minute, c.Second = t.Hour(), t.Minute(), t.Second()
}

// Digits are stored nine to four bytes, fewer in fewer.
var digitBytes = [10]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

func decimalSize(precision, scale int) int {
	if precision < scale {
		return -1
	}
	whole := precision - scale
	return whole/9*4 + digitBytes[whole%9] + scale/9*4 + digitBytes[scale%9]
}

// decimal writes a DECIMAL's digits: big-endian groups whose first bit is the
// sign, inverted when it is negative.
func (c *Cell) decimal(v []byte, precision, scale int) {
	var flip byte
	out := c.own[:0]
	if len(v) > 0 && v[0]&0x80 == 0 {
		flip, out = 0xff, append(out, '-')
	}
	start, at := len(out), 0
	group := func(digits int) {
		n := 0
		for range digitBytes[digits] {
			b := v[at] ^ flip
			if at == 0 {
				b ^= 0x80
			}
			n, at = n<<8|int(b), at+1
		}
		for unit := pow10(digits - 1); unit > 0; unit /= 10 {
			if d := byte(n / unit % 10); d != 0 || len(out) > start {
				out = append(out, '0'+d)
			}
		}
	}
	whole := precision - scale
	if whole%9 > 0 {
		group(whole % 9)
	}
	for range whole / 9 {
		group(9)
	}
	if len(out) == start {
		out = append(out, '0')
	}
	if scale > 0 {
		out = append(out, '.')
		for range scale / 9 {
			group(9)
		}
		if scale%9 > 0 {
			group(scale % 9)
		}
	}
	c.Kind, c.Bytes, c.own = Bytes, out, out
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}
