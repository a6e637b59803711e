package row

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// Convert appends the bytes of field in another column's wire to dst. It
// fails when the value does not fit; the error does not show the value.
type Convert func(dst, field []byte) ([]byte, error)

// Converter is the conversion from one column to another. nil, true: the
// bytes are the same already. nil, false: there is none.
func Converter(from, to Column) (Convert, bool) {
	if from.Wire == to.Wire {
		return nil, true
	}
	switch to.Wire {
	case WireText:
		if from.Wire == WireJSON {
			return bareScalar, true
		}
		return func(dst, f []byte) ([]byte, error) { return AppendText(dst, &from, f), nil }, true
	case WireJSON:
		return func(dst, f []byte) ([]byte, error) { return AppendJSON(dst, &from, f), nil }, true
	case WireJSONB:
		return func(dst, f []byte) ([]byte, error) { return AppendJSON(append(dst, 1), &from, f), nil }, true
	case WireInt2, WireInt4, WireInt8:
		return toInt(from, to)
	case WireNumeric:
		return toNumeric(from)
	case WireFloat8, WireFloat4:
		return toFloat(from, to)
	case WireTimestamp, WireTimestampTZ, WireTimestampExt:
		return toTimestamp(from, to)
	}
	if from.Wire == WireText {
		return fromText(to)
	}
	return nil, false
}

func misfit(c Column) error {
	return fmt.Errorf("column %q: the value does not fit %s", c.Name, c.Kind)
}

// bareScalar writes a JSON string without its quotes and anything else as it
// is: what a text column shows of a union of scalars.
func bareScalar(dst, f []byte) ([]byte, error) {
	if len(f) < 2 || f[0] != '"' {
		return append(dst, f...), nil
	}
	return AppendJSONUnquoted(dst, f)
}

func toInt(from, to Column) (Convert, bool) {
	var read func([]byte) (int64, error)
	switch from.Wire {
	case WireInt2, WireInt4, WireInt8:
		read = func(f []byte) (int64, error) { return Int(&from, f), nil }
	case WireNumeric:
		read = numericInt
	case WireText:
		read = func(f []byte) (int64, error) { return strconv.ParseInt(string(f), 10, 64) }
	default:
		return nil, false
	}
	return func(dst, f []byte) ([]byte, error) {
		v, err := read(f)
		if err != nil {
			return dst, misfit(to)
		}
		switch to.Wire {
		case WireInt2:
			if v != int64(int16(v)) {
				return dst, misfit(to)
			}
			return binary.BigEndian.AppendUint16(dst, uint16(v)), nil
		case WireInt4:
			if v != int64(int32(v)) {
				return dst, misfit(to)
			}
			return binary.BigEndian.AppendUint32(dst, uint32(v)), nil
		}
		return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
	}, true
}

func toNumeric(from Column) (Convert, bool) {
	switch from.Wire {
	case WireInt2, WireInt4, WireInt8:
		return func(dst, f []byte) ([]byte, error) { return AppendNumericInt(dst, Int(&from, f)), nil }, true
	case WireFloat4, WireFloat8, WireText:
		return func(dst, f []byte) ([]byte, error) {
			var buf [64]byte
			out, ok := AppendNumeric(dst, AppendText(buf[:0], &from, f))
			if !ok {
				return dst, misfit(Column{Name: from.Name, Kind: Numeric})
			}
			return out, nil
		}, true
	}
	return nil, false
}

func toFloat(from, to Column) (Convert, bool) {
	var read func([]byte) (float64, error)
	switch from.Wire {
	case WireFloat4, WireFloat8:
		read = func(f []byte) (float64, error) { return Float(&from, f), nil }
	case WireInt2, WireInt4, WireInt8, WireNumeric, WireText:
		read = func(f []byte) (float64, error) {
			var buf [64]byte
			return strconv.ParseFloat(string(AppendText(buf[:0], &from, f)), 64)
		}
	default:
		return nil, false
	}
	return func(dst, f []byte) ([]byte, error) {
		v, err := read(f)
		if err != nil {
			return dst, misfit(to)
		}
		if to.Wire == WireFloat4 {
			return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(v))), nil
		}
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v)), nil
	}, true
}

func toTimestamp(from, to Column) (Convert, bool) {
	var read func([]byte) (Instant, bool)
	zoned := to.Kind == TimestampTZ
	switch from.Wire {
	case WireDate:
		read = func(f []byte) (Instant, bool) {
			days := int32(binary.BigEndian.Uint32(f))
			switch days {
			case infinityDate:
				return InstantOf(infinityMicros, zoned), true
			case ninfinityDate:
				return InstantOf(ninfinityMicros, zoned), true
			}
			i := InstantOf(0, zoned)
			i.Sec += int64(days) * 86400
			return i, true
		}
	case WireTimestamp, WireTimestampTZ:
		read = func(f []byte) (Instant, bool) {
			return InstantOf(int64(binary.BigEndian.Uint64(f)), from.Wire == WireTimestampTZ), true
		}
	case WireTimestampExt:
		read = func(f []byte) (Instant, bool) { return TimestampExt(f), true }
	case WireText:
		read = ParseTimestamp
	default:
		return nil, false
	}
	return func(dst, f []byte) ([]byte, error) {
		i, ok := read(f)
		if !ok {
			return dst, misfit(to)
		}
		if to.Wire == WireTimestampExt {
			return AppendTimestampExt(dst, i), nil
		}
		if to.Wire == WireTimestamp && i.Offset != NoOffset {
			i.Offset = NoOffset // a naive column holds UTC
		}
		// Finer than a microsecond is cut off, as the server itself does.
		i.Nano -= i.Nano % 1000
		micros, ok := i.Micros()
		if !ok {
			return dst, misfit(to)
		}
		return binary.BigEndian.AppendUint64(dst, uint64(micros)), nil
	}, true
}

func fromText(to Column) (Convert, bool) {
	switch to.Wire {
	case WireBool:
		return func(dst, f []byte) ([]byte, error) {
			switch string(f) {
			case "true", "t", "1":
				return append(dst, 1), nil
			case "false", "f", "0":
				return append(dst, 0), nil
			}
			return dst, misfit(to)
		}, true
	case WireDate:
		return func(dst, f []byte) ([]byte, error) {
			days, ok := ParseDate(f)
			if !ok {
				return dst, misfit(to)
			}
			return binary.BigEndian.AppendUint32(dst, uint32(days)), nil
		}, true
	case WireTime:
		return func(dst, f []byte) ([]byte, error) {
			micros, ok := ParseTime(f)
			if !ok {
				return dst, misfit(to)
			}
			return binary.BigEndian.AppendUint64(dst, uint64(micros)), nil
		}, true
	case WireUUID:
		return func(dst, f []byte) ([]byte, error) {
			u, ok := ParseUUID(f)
			if !ok {
				return dst, misfit(to)
			}
			return append(dst, u[:]...), nil
		}, true
	case WireBytea:
		return func(dst, f []byte) ([]byte, error) { return append(dst, f...), nil }, true
	}
	return nil, false
}
