package row

import (
	"encoding/binary"
	"math"
)

// Instant is a point in time as a source wrote it: finer and wider than a
// microsecond count, and with the offset that stood there.
type Instant struct {
	Sec    int64 // Unix seconds; the extremes are the infinities
	Nano   int32
	Offset int32 // seconds east of UTC, NoOffset when no zone was written (Sec is then as if UTC)
}

const (
	infinityMicros  = math.MaxInt64
	ninfinityMicros = math.MinInt64
	// What a PostgreSQL timestamp holds: 4713 BC to the end of 294276.
	minMicros int64 = -211813488000000000
	maxMicros int64 = 9223371331200000000 - 1
)

// ParseTimestamp reads RFC 3339 and what sources make of it: a space for the
// T, no time, no seconds, no zone, Z, +hh, +hhmm, +hh:mm:ss, an offset
// written twice, " UTC", years beyond 9999, " BC", "infinity". False for
// anything else, also for a fraction finer than nanoseconds.
func ParseTimestamp(text []byte) (Instant, bool) {
	switch string(text) {
	case "infinity":
		return Instant{Sec: math.MaxInt64}, true
	case "-infinity":
		return Instant{Sec: math.MinInt64}, true
	}
	y, m, d, rest, ok := parseCivil(text)
	if !ok {
		return Instant{}, false
	}
	sec, nano := 0, int32(0)
	if len(rest) > 1 && (rest[0] == 'T' || rest[0] == 't' || rest[0] == ' ') && rest[1]-'0' <= 9 {
		if sec, nano, rest, ok = clock(rest[1:]); !ok {
			return Instant{}, false
		}
	}
	offset, rest, ok := zone(rest)
	if !ok {
		return Instant{}, false
	}
	if string(rest) == " BC" {
		y, rest = 1-y, nil
	}
	if len(rest) > 0 || !validDate(y, m, d) {
		return Instant{}, false
	}
	i := Instant{Sec: int64(daysOf(y, m, d))*86400 + int64(sec), Nano: nano, Offset: offset}
	if offset != NoOffset {
		i.Sec -= int64(offset)
	}
	return i, true
}

// zone reads an optional zone and returns what follows.
func zone(text []byte) (offset int32, rest []byte, ok bool) {
	switch {
	case len(text) == 0 || text[0] == ' ' && string(text) == " BC":
		return NoOffset, text, true
	case text[0] == 'Z' || text[0] == 'z':
		return 0, text[1:], true
	case len(text) >= 4 && string(text[:4]) == " UTC":
		return 0, text[4:], true
	case text[0] == ' ' && len(text) > 1 && (text[1] == '+' || text[1] == '-'):
		text = text[1:]
	}
	if text[0] != '+' && text[0] != '-' {
		return 0, nil, false
	}
	sign := int32(1)
	if text[0] == '-' {
		sign = -1
	}
	written := text
	h, rest, ok := number(text[1:], 2, 2)
	if !ok || h > 15 {
		return 0, nil, false
	}
	parts := [2]int{}
	for n := range parts {
		if len(rest) > 0 && rest[0] == ':' {
			if parts[n], rest, ok = number(rest[1:], 2, 2); !ok || parts[n] > 59 {
				return 0, nil, false
			}
		} else if n == 0 && len(rest) > 1 && rest[0]-'0' <= 9 {
			if parts[n], rest, ok = number(rest, 2, 2); !ok || parts[n] > 59 {
				return 0, nil, false
			}
		}
	}
	if twice := written[:len(written)-len(rest)]; len(rest) >= len(twice) && string(rest[:len(twice)]) == string(twice) {
		rest = rest[len(twice):]
	} else if offset := h*3600 + parts[0]*60 + parts[1]; offset == 0 && (string(rest) == "Z" || string(rest) == "z") {
		rest = nil
	}
	return sign * int32(h*3600+parts[0]*60+parts[1]), rest, true
}

// Micros is the instant as microseconds since 2000-01-01 UTC; exact is false
// when it is finer than that or outside what a server holds (the value is
// then meaningless). Infinities are exact.
func (i Instant) Micros() (micros int64, exact bool) {
	switch i.Sec {
	case math.MaxInt64:
		return infinityMicros, true
	case math.MinInt64:
		return ninfinityMicros, true
	}
	if i.Sec < minMicros/1000000+pgEpochSec || i.Sec > maxMicros/1000000+pgEpochSec {
		return 0, false
	}
	return (i.Sec-pgEpochSec)*1000000 + int64(i.Nano)/1000, i.Nano%1000 == 0
}

// InstantOf is the instant of a microsecond count; zoned says whether it is a
// timestamptz (offset 0) or a timestamp (NoOffset).
func InstantOf(micros int64, zoned bool) Instant {
	i := Instant{Offset: NoOffset}
	if zoned {
		i.Offset = 0
	}
	switch micros {
	case infinityMicros:
		i.Sec = math.MaxInt64
		return i
	case ninfinityMicros:
		i.Sec = math.MinInt64
		return i
	}
	sec := micros / 1e6
	rem := micros % 1e6
	if rem < 0 {
		sec, rem = sec-1, rem+1e6
	}
	i.Sec, i.Nano = sec+pgEpochSec, int32(rem)*1000
	return i
}

// AppendInstantText appends RFC 3339 in the instant's own offset: fraction of
// six digits (nine where needed, none for 0), "+00:00" for UTC, no zone when
// there was none, " BC" before year 1, "infinity".
func AppendInstantText(dst []byte, i Instant) []byte {
	switch i.Sec {
	case math.MaxInt64:
		return append(dst, "infinity"...)
	case math.MinInt64:
		return append(dst, "-infinity"...)
	}
	local := i.Sec
	if i.Offset != NoOffset {
		local += int64(i.Offset)
	}
	days := local / 86400
	sec := local % 86400
	if sec < 0 {
		days, sec = days-1, sec+86400
	}
	dst, bc := appendCivil(dst, int(days))
	dst = append(dst, 'T')
	dst = appendClock(dst, int(sec), i.Nano)
	if i.Offset != NoOffset {
		dst = appendOffset(dst, i.Offset)
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendOffset(dst []byte, offset int32) []byte {
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	h, m, s := offset/3600, offset/60%60, offset%60
	dst = append(dst, sign, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10))
	if s != 0 {
		dst = append(dst, ':', byte('0'+s/10), byte('0'+s%10))
	}
	return dst
}

// AppendTimestampText appends the text of a WireTimestamp (zoned false) or
// WireTimestampTZ (zoned true) value.
func AppendTimestampText(dst []byte, micros int64, zoned bool) []byte {
	return AppendInstantText(dst, InstantOf(micros, zoned))
}

// AppendTimestampExt appends the WireTimestampExt form of i.
func AppendTimestampExt(dst []byte, i Instant) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(i.Sec))
	dst = binary.BigEndian.AppendUint32(dst, uint32(i.Nano))
	return binary.BigEndian.AppendUint32(dst, uint32(i.Offset))
}

// TimestampExt is the instant in a WireTimestampExt field.
func TimestampExt(field []byte) Instant {
	return Instant{
		Sec:    int64(binary.BigEndian.Uint64(field)),
		Nano:   int32(binary.BigEndian.Uint32(field[8:])),
		Offset: int32(binary.BigEndian.Uint32(field[12:])),
	}
}
