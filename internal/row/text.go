package row

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// Int is the value of a field of wire int2, int4 or int8.
func Int(c *Column, field []byte) int64 {
	switch c.Wire {
	case WireInt2:
		return int64(int16(binary.BigEndian.Uint16(field)))
	case WireInt4:
		return int64(int32(binary.BigEndian.Uint32(field)))
	default:
		return int64(binary.BigEndian.Uint64(field))
	}
}

// Float is the value of a field of wire float4 or float8.
func Float(c *Column, field []byte) float64 {
	if c.Wire == WireFloat4 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(field)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(field))
}

// JSONText is the JSON text of a field of wire json or jsonb.
func JSONText(c *Column, field []byte) []byte {
	if c.Wire == WireJSONB && len(field) > 0 {
		return field[1:] // the version byte
	}
	return field
}

// AppendText appends the canonical text of a field: what PostgreSQL would
// print, but timestamps with a T, booleans as true and false.
func AppendText(dst []byte, c *Column, field []byte) []byte {
	switch c.Wire {
	case WireBool:
		return strconv.AppendBool(dst, field[0] != 0)
	case WireInt2, WireInt4, WireInt8:
		return strconv.AppendInt(dst, Int(c, field), 10)
	case WireFloat4, WireFloat8:
		return appendFloat(dst, c, field)
	case WireNumeric:
		return AppendNumericText(dst, field)
	case WireBytea:
		dst = append(dst, '\\', 'x')
		return hex.AppendEncode(dst, field)
	case WireDate:
		return AppendDateText(dst, int32(binary.BigEndian.Uint32(field)))
	case WireTime:
		return AppendTimeText(dst, int64(binary.BigEndian.Uint64(field)))
	case WireTimestamp, WireTimestampTZ:
		return AppendTimestampText(dst, int64(binary.BigEndian.Uint64(field)), c.Wire == WireTimestampTZ)
	case WireTimestampExt:
		return AppendInstantText(dst, TimestampExt(field))
	case WireUUID:
		return AppendUUIDText(dst, field)
	case WireJSON, WireJSONB:
		return append(dst, JSONText(c, field)...)
	default:
		return append(dst, field...)
	}
}

// AppendJSON appends a field as a JSON value: numbers with their exact
// digits, bytes in base64, NaN and infinities as strings.
func AppendJSON(dst []byte, c *Column, field []byte) []byte {
	switch c.Wire {
	case WireBool, WireInt2, WireInt4, WireInt8:
		return AppendText(dst, c, field)
	case WireFloat4, WireFloat8:
		if f := Float(c, field); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return appendFloat(dst, c, field)
		}
	case WireNumeric:
		if !NumericSpecial(field) {
			return AppendNumericText(dst, field)
		}
	case WireJSON, WireJSONB:
		return append(dst, JSONText(c, field)...)
	case WireBytea:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, field)
		return append(dst, '"')
	case WireText:
		return AppendJSONString(dst, field)
	}
	dst = append(dst, '"') // the rest has no character that JSON escapes
	dst = AppendText(dst, c, field)
	return append(dst, '"')
}

// appendFloat appends the shortest text that reads back as the same float.
func appendFloat(dst []byte, c *Column, field []byte) []byte {
	f, bits := Float(c, field), 64
	if c.Wire == WireFloat4 {
		bits = 32
	}
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends text as a JSON string; bytes that are no UTF-8
// become U+FFFD.
func AppendJSONString(dst, text []byte) []byte {
	i := plain(text)
	dst = append(dst, '"')
	start := 0
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, text[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, text[start:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			start = i
			continue
		}
		i += n
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// plain is how many bytes text begins with that stand for themselves in a JSON
// string: ASCII without quotes, backslashes and control characters.
func plain(text []byte) int {
	const every, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		q, s := w^every*'"', w^every*'\\'
		if hit := ((q-every)&^q | (s-every)&^s | (w-every*0x20)&^w | w) & high; hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// ParseUUID reads the 36-character form (upper or lower case).
func ParseUUID(text []byte) (u [16]byte, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return u, false
	}
	n := 0
	for i := 0; i < 36; {
		if text[i] == '-' {
			i++
			continue
		}
		hi, lo := unhex(text[i]), unhex(text[i+1])
		if hi > 15 || lo > 15 {
			return u, false
		}
		u[n] = hi<<4 | lo
		n++
		i += 2
	}
	return u, true
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// AppendUUIDText is the inverse of ParseUUID.
func AppendUUIDText(dst, field []byte) []byte {
	for i, b := range field {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}
