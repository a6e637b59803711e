package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// Kind says which members of a Cell count.
type Kind uint8

const (
	Null     Kind = iota
	Absent        // the binlog does not have it
	Int           // Int
	Uint          // Uint
	Float         // Float, a double
	Single        // Float, exactly a single
	Bytes         // Bytes: text in its character set, decimals as digits, bits big-endian
	Date          // Year, Month, Day
	Stamp         // the same and Hour to Micro
	Clock         // Hour (beyond 24, too) to Micro, Negative
	Member        // Uint: which member of an enum, from 1; 0 is none
	Members       // Uint: members of a set, one bit each
	Document      // Bytes: JSON in MySQL's binary form; see AppendDocument
)

// Cell is one value, where the row was read from.
type Cell struct {
	Kind     Kind
	Negative bool
	Digits   uint8  // of the fraction of a second, as the column has them
	Int      int64  // 0 beside a Uint
	Uint     uint64 // 0 beside an Int
	Float    float64
	Bytes    []byte
	Year     int
	Month    int
	Day      int
	Hour     int
	Minute   int
	Second   int
	Micro    int

	own []byte // memory for Bytes that stand nowhere
}

// Types of columns, in definitions and in the binlog.
const (
	typeDecimal    = 0x00
	typeTiny       = 0x01
	typeShort      = 0x02
	typeLong       = 0x03
	typeFloat      = 0x04
	typeDouble     = 0x05
	typeNull       = 0x06
	typeTimestamp  = 0x07
	typeLongLong   = 0x08
	typeInt24      = 0x09
	typeDate       = 0x0a
	typeTime       = 0x0b
	typeDateTime   = 0x0c
	typeYear       = 0x0d
	typeNewDate    = 0x0e
	typeVarChar    = 0x0f
	typeBit        = 0x10
	typeTimestamp2 = 0x11
	typeDateTime2  = 0x12
	typeTime2      = 0x13
	typeJSON       = 0xf5
	typeNewDecimal = 0xf6
	typeEnum       = 0xf7
	typeSet        = 0xf8
	typeTinyBlob   = 0xf9
	typeMediumBlob = 0xfa
	typeLongBlob   = 0xfb
	typeBlob       = 0xfc
	typeVarString  = 0xfd
	typeString     = 0xfe
	typeGeometry   = 0xff
)

var errShort = errors.New("the server sent a row that is cut off")

// result reads a value of the binary protocol and returns what follows it.
func (c *Cell) result(col *Column, p []byte) ([]byte, error) {
	size := 0
	switch col.typ {
	case typeTiny:
		size = 1
	case typeShort, typeYear:
		size = 2
	case typeLong, typeInt24, typeFloat:
		size = 4
	case typeLongLong, typeDouble:
		size = 8
	case typeDate, typeNewDate, typeDateTime, typeTimestamp, typeTime:
		return c.moment(col, p)
	default:
		v, null, n := lenenc(p)
		if n == 0 || null || uint64(len(p)-n) < v {
			return nil, errShort
		}
		c.Kind, c.Bytes = Bytes, p[n:n+int(v)]
		return p[n+int(v):], nil
	}
	if len(p) < size {
		return nil, errShort
	}
	switch col.typ {
	case typeFloat:
		c.Kind, c.Float = Single, float64(math.Float32frombits(binary.LittleEndian.Uint32(p)))
	case typeDouble:
		c.Kind, c.Float = Float, math.Float64frombits(binary.LittleEndian.Uint64(p))
	default:
		c.integer(little(p[:size]), size, col.unsigned)
	}
	return p[size:], nil
}

// little is a little-endian number of up to eight bytes.
func little(p []byte) (v uint64) {
	for i := len(p) - 1; i >= 0; i-- {
		v = v<<8 | uint64(p[i])
	}
	return v
}

func big(p []byte) (v uint64) {
	for _, b := range p {
		v = v<<8 | uint64(b)
	}
	return v
}

func (c *Cell) integer(v uint64, size int, unsigned bool) {
	if unsigned {
		c.Kind, c.Int, c.Uint = Uint, 0, v
		return
	}
	shift := 64 - 8*size
	c.Kind, c.Int, c.Uint = Int, int64(v<<shift)>>shift, 0
}

// moment reads a date or time: its parts, as many as are not zero.
func (c *Cell) moment(col *Column, p []byte) ([]byte, error) {
	if len(p) == 0 || len(p) <= int(p[0]) {
		return nil, errShort
	}
	v, rest := p[1:1+p[0]], p[1+p[0]:]
	*c = Cell{Kind: Stamp, Digits: col.digits, own: c.own}
	if col.typ == typeTime {
		c.Kind = Clock
		if len(v) >= 8 {
			c.Negative = v[0] != 0
			c.Hour, c.Minute, c.Second = int(binary.LittleEndian.Uint32(v[1:]))*24+int(v[5]), int(v[6]), int(v[7])
		}
		if len(v) >= 12 {
			c.Micro = int(binary.LittleEndian.Uint32(v[8:]))
		}
		return rest, nil
	}
	if col.typ == typeDate || col.typ == typeNewDate {
		c.Kind = Date
	}
	if len(v) >= 4 {
		c.Year, c.Month, c.Day = int(binary.LittleEndian.Uint16(v)), int(v[2]), int(v[3])
	}
	if len(v) >= 7 {
		c.Hour, c.Minute, c.Second = int(v[4]), int(v[5]), int(v[6])
	}
	if len(v) >= 11 {
		c.Micro = int(binary.LittleEndian.Uint32(v[7:]))
	}
	return rest, nil
}

// AppendText adds the value as MySQL writes it.
func (c *Cell) AppendText(dst []byte) []byte {
	switch c.Kind {
	case Int:
		return strconv.AppendInt(dst, c.Int, 10)
	case Uint, Member, Members:
		return strconv.AppendUint(dst, c.Uint, 10)
	case Float:
		return strconv.AppendFloat(dst, c.Float, 'g', -1, 64)
	case Single:
		return strconv.AppendFloat(dst, c.Float, 'g', -1, 32)
	case Bytes:
		return append(dst, c.Bytes...)
	case Date, Stamp:
		dst = two(append(two(two(dst, c.Year/100), c.Year%100), '-'), c.Month)
		dst = two(append(dst, '-'), c.Day)
		if c.Kind == Date {
			return dst
		}
		dst = append(dst, ' ')
	case Clock:
		if c.Negative {
			dst = append(dst, '-')
		}
	default:
		return dst
	}
	if c.Hour > 99 {
		dst = strconv.AppendInt(dst, int64(c.Hour), 10)
	} else {
		dst = two(dst, c.Hour)
	}
	dst = two(append(two(append(dst, ':'), c.Minute), ':'), c.Second)
	if c.Digits == 0 || c.Digits > 6 {
		return dst
	}
	dst = append(dst, '.')
	for i, unit := uint8(0), 100000; i < c.Digits; i, unit = i+1, unit/10 {
		dst = append(dst, '0'+byte(c.Micro/unit%10))
	}
	return dst
}

func two(dst []byte, n int) []byte { return append(dst, '0'+byte(n/10%10), '0'+byte(n%10)) }

// Zero says that it is the date 0000-00-00, which is none.
func (c *Cell) Zero() bool {
	return (c.Kind == Date || c.Kind == Stamp) && c.Year == 0 && c.Month == 0 && c.Day == 0
}

// Same says that two values of one column are the same bytes.
func (c *Cell) Same(o *Cell) bool {
	return c.Kind == o.Kind && c.Negative == o.Negative && c.Int == o.Int && c.Uint == o.Uint && c.Float == o.Float && bytes.Equal(c.Bytes, o.Bytes) &&
		c.Year == o.Year && c.Month == o.Month && c.Day == o.Day && c.Hour == o.Hour && c.Minute == o.Minute && c.Second == o.Second && c.Micro == o.Micro
}

// Clone is a value that outlives the row.
func (c Cell) Clone() Cell {
	c.Bytes, c.own = bytes.Clone(c.Bytes), nil
	return c
}
