package wire

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

var errDocument = errors.New("a JSON value cannot be read")

// AppendDocument adds the text of a JSON document in MySQL's binary form, as
// the server prints it. See "JSON binary value" in the MySQL source,
// sql-common/json_binary.h.
func AppendDocument(dst, p []byte) ([]byte, error) {
	if len(p) == 0 { // an empty value stands for null
		return append(dst, "null"...), nil
	}
	return appendValue(dst, p[0], p[1:], 0)
}

// Types of JSON values.
const (
	jsonSmallObject = 0x00
	jsonLargeObject = 0x01
	jsonSmallArray  = 0x02
	jsonLargeArray  = 0x03
	jsonLiteral     = 0x04
	jsonInt16       = 0x05
	jsonUint16      = 0x06
	jsonInt32       = 0x07
	jsonUint32      = 0x08
	jsonInt64       = 0x09
	jsonUint64      = 0x0a
	jsonDouble      = 0x0b
	jsonString      = 0x0c
	jsonOpaque      = 0x0f
	jsonDepth       = 100
)

func appendValue(dst []byte, kind byte, p []byte, depth int) ([]byte, error) {
	if depth > jsonDepth {
		return nil, errDocument
	}
	switch kind {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		return appendContainer(dst, kind, p, depth)
	case jsonLiteral:
		if len(p) < 1 || p[0] > 2 {
			return nil, errDocument
		}
		return append(dst, [...]string{"null", "true", "false"}[p[0]]...), nil
	case jsonInt16, jsonUint16:
		if len(p) < 2 {
			return nil, errDocument
		}
		n := binary.LittleEndian.Uint16(p)
		if kind == jsonInt16 {
			return strconv.AppendInt(dst, int64(int16(n)), 10), nil
		}
		return strconv.AppendUint(dst, uint64(n), 10), nil
	case jsonInt32, jsonUint32:
		if len(p) < 4 {
			return nil, errDocument
		}
		n := binary.LittleEndian.Uint32(p)
		if kind == jsonInt32 {
			return strconv.AppendInt(dst, int64(int32(n)), 10), nil
		}
		return strconv.AppendUint(dst, uint64(n), 10), nil
	case jsonInt64, jsonUint64, jsonDouble:
		if len(p) < 8 {
			return nil, errDocument
		}
		n := binary.LittleEndian.Uint64(p)
		switch kind {
		case jsonInt64:
			return strconv.AppendInt(dst, int64(n), 10), nil
		case jsonUint64:
			return strconv.AppendUint(dst, n, 10), nil
		}
		return appendDouble(dst, math.Float64frombits(n)), nil
	case jsonString:
		text, _, err := jsonCounted(p)
		return appendQuoted(dst, text), err
	case jsonOpaque:
		if len(p) < 1 {
			return nil, errDocument
		}
		value, _, err := jsonCounted(p[1:])
		if err != nil {
			return nil, err
		}
		return appendOpaque(dst, p[0], value)
	}
	return nil, errDocument
}

// appendContainer adds an object or array: count, size, then of each key where
// it is and how long, of each value its type and the value or where it is.
func appendContainer(dst []byte, kind byte, p []byte, depth int) ([]byte, error) {
	width, object := 2, kind <= jsonLargeObject
	if kind == jsonLargeObject || kind == jsonLargeArray {
		width = 4
	}
	if len(p) < 2*width {
		return nil, errDocument
	}
	count, size := int(little(p[:width])), int(little(p[width:2*width]))
	keys, values := 2*width, 2*width
	if object {
		values += count * (width + 2)
	}
	if size > len(p) || values+count*(width+1) > size {
		return nil, errDocument
	}
	p = p[:size]
	open, shut := byte('['), byte(']')
	if object {
		open, shut = '{', '}'
	}
	dst = append(dst, open)
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if object {
			e := p[keys+i*(width+2):]
			at, n := int(little(e[:width])), int(binary.LittleEndian.Uint16(e[width:]))
			if at+n > size {
				return nil, errDocument
			}
			dst = append(appendQuoted(dst, p[at:at+n]), ": "...)
		}
		e := p[values+i*(width+1):]
		value := e[1 : 1+width] // small ones stand here
		inline := e[0] == jsonLiteral || e[0] == jsonInt16 || e[0] == jsonUint16 || width == 4 && (e[0] == jsonInt32 || e[0] == jsonUint32)
		if !inline {
			at := int(little(value))
			if at > size {
				return nil, errDocument
			}
			value = p[at:]
		}
		var err error
		if dst, err = appendValue(dst, e[0], value, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, shut), nil
}

// jsonCounted is a value behind its length, of which each byte has seven bits.
func jsonCounted(p []byte) (value, rest []byte, err error) {
	n := 0
	for i := range min(len(p), 5) {
		n |= int(p[i]&0x7f) << (7 * i)
		if p[i]&0x80 == 0 {
			if p = p[i+1:]; len(p) < n {
				return nil, nil, errDocument
			}
			return p[:n], p[n:], nil
		}
	}
	return nil, nil, errDocument
}

// appendDouble writes a double as the server does: never without a point or
// an exponent.
func appendDouble(dst []byte, f float64) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	for _, b := range dst[start:] {
		if b == '.' || b == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

func appendQuoted(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, b := range text {
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b >= 0x20:
			dst = append(dst, b)
		case b == '\n':
			dst = append(dst, '\\', 'n')
		case b == '\r':
			dst = append(dst, '\\', 'r')
		case b == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
	}
	return append(dst, '"')
}

// appendOpaque writes a value of a type that JSON has not.
func appendOpaque(dst []byte, kind byte, p []byte) ([]byte, error) {
	var c Cell
	switch kind {
	case typeNewDecimal:
		if len(p) < 2 || decimalSize(int(p[0]), int(p[1])) != len(p)-2 {
			return nil, errDocument
		}
		c.decimal(p[2:], int(p[0]), int(p[1]))
		return append(dst, c.Bytes...), nil
	case typeDate, typeDateTime, typeTimestamp, typeTime:
		if len(p) < 8 {
			return nil, errDocument
		}
		n := int64(binary.LittleEndian.Uint64(p))
		if c.Negative = n < 0; c.Negative {
			n = -n
		}
		c.Kind, c.Digits, c.Micro = Stamp, 6, int(n&(1<<24-1))
		whole := int(n >> 24)
		if kind == typeTime {
			c.Kind, c.Hour = Clock, whole>>12&0x3ff
		} else {
			day := whole >> 17
			c.Year, c.Month, c.Day, c.Hour = day>>5/13, day>>5%13, day&31, whole>>12&31
		}
		if c.Minute, c.Second = whole>>6&63, whole&63; kind == typeDate {
			c.Kind = Date
		}
		return append(c.AppendText(append(dst, '"')), '"'), nil
	}
	dst = append(dst, fmt.Sprintf(`"base64:type%d:`, kind)...)
	return append(base64.StdEncoding.AppendEncode(dst, p), '"'), nil
}
