package row

import (
	"math"
	"strconv"
)

// Days and microseconds count from 2000-01-01, PostgreSQL's epoch.
const (
	pgEpochDays   = 10957     // days from 1970-01-01 to 2000-01-01
	pgEpochSec    = 946684800 // seconds between the same
	microsPerDay  = 86400e6   // untyped on purpose
	infinityDate  = math.MaxInt32
	ninfinityDate = math.MinInt32
)

// daysOf is the number of days from 1970-01-01 to a date of the proleptic
// Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms").
func daysOf(y, m, d int) int {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	mp := (m + 9) % 12
	doy := (153*mp+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

// civil is the inverse of daysOf (C. Neri, L. Schneider, "Euclidean affine
// functions and their application to calendar algorithms").
func civil(days int) (y, m, d int) {
	const eras = 15000 // of 400 years, so that nothing is negative
	quarters := uint64(days+719468+146097*eras)*4 + 3
	century, rest := quarters/146097, uint64(quarters%146097|3)
	year := 2939745 * rest
	day := uint32(year) / 2939745 / 4 // of the year that begins in March
	month := 2141*day + 197913
	y, m, d = int(100*century+year>>32)-400*eras, int(month>>16), int(month&0xffff)/2141+1
	if day >= 306 {
		return y + 1, m - 12, d
	}
	return y, m, d
}

var monthDays = [...]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func validDate(y, m, d int) bool {
	if m < 1 || m > 12 || d < 1 {
		return false
	}
	last := monthDays[m]
	if m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0) {
		last = 29
	}
	return d <= last
}

// appendCivil appends YYYY-MM-DD with at least four digits of year; a year
// before 1 is written as its BC year, and the caller adds " BC" at the end.
func appendCivil(dst []byte, days int) (out []byte, bc bool) {
	y, m, d := civil(days)
	if bc = y <= 0; bc {
		y = 1 - y
	}
	if y < 10000 {
		dst = appendGroup(dst, uint16(y))
	} else {
		dst = strconv.AppendInt(dst, int64(y), 10)
	}
	return append(dst, '-', pairs[2*m], pairs[2*m+1], '-', pairs[2*d], pairs[2*d+1]), bc
}

// pair is the number that two digits stand for; anything else is negative,
// also after it was multiplied by a hundred and added to another.
func pair(high, low byte) int {
	if high -= '0'; high > 9 {
		return -1 << 20
	}
	if low -= '0'; low > 9 {
		return -1 << 20
	}
	return int(high)*10 + int(low)
}

// number reads between lo and hi digits and returns what follows.
func number(text []byte, lo, hi int) (n int, rest []byte, ok bool) {
	i := 0
	for i < len(text) && i < hi && text[i]-'0' <= 9 {
		n = n*10 + int(text[i]-'0')
		i++
	}
	return n, text[i:], i >= lo
}

// parseCivil reads [+-]YYYY-MM-DD (years of 4 to 7 digits) and returns what follows.
func parseCivil(text []byte) (y, m, d int, rest []byte, ok bool) {
	neg := false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		neg, text = text[0] == '-', text[1:]
	}
	if y, text, ok = number(text, 4, 7); !ok || len(text) == 0 || text[0] != '-' {
		return 0, 0, 0, nil, false
	}
	if m, text, ok = number(text[1:], 2, 2); !ok || len(text) == 0 || text[0] != '-' {
		return 0, 0, 0, nil, false
	}
	if d, text, ok = number(text[1:], 2, 2); !ok {
		return 0, 0, 0, nil, false
	}
	if neg {
		y = -y
	}
	return y, m, d, text, true
}

// ParseDate reads YYYY-MM-DD (years beyond 9999, a leading sign and " BC"
// too), "infinity" and "-infinity" into days since 2000-01-01.
func ParseDate(text []byte) (days int32, ok bool) {
	if len(text) == len("2006-01-02") && text[4] == '-' && text[7] == '-' {
		y, m, d := pair(text[0], text[1])*100+pair(text[2], text[3]), pair(text[5], text[6]), pair(text[8], text[9])
		if y|m|d >= 0 {
			return int32(daysOf(y, m, d) - pgEpochDays), validDate(y, m, d)
		}
	}
	switch string(text) {
	case "infinity":
		return infinityDate, true
	case "-infinity":
		return ninfinityDate, true
	}
	y, m, d, rest, ok := parseCivil(text)
	if !ok {
		return 0, false
	}
	if string(rest) == " BC" {
		y, rest = 1-y, nil
	}
	if len(rest) > 0 || !validDate(y, m, d) {
		return 0, false
	}
	return int32(daysOf(y, m, d) - pgEpochDays), true
}

// DaysOf is the day of a year, month and day, in days since 2000-01-01. False
// when there is no such day.
func DaysOf(y, m, d int) (days int32, ok bool) {
	return int32(daysOf(y, m, d) - pgEpochDays), validDate(y, m, d)
}

// AppendDateText is the inverse of ParseDate.
func AppendDateText(dst []byte, days int32) []byte {
	switch days {
	case infinityDate:
		return append(dst, "infinity"...)
	case ninfinityDate:
		return append(dst, "-infinity"...)
	}
	dst, bc := appendCivil(dst, int(days)+pgEpochDays)
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// ParseTime reads HH:MM[:SS[.ffffff]] into microseconds since midnight; 24:00 is allowed.
func ParseTime(text []byte) (micros int64, ok bool) {
	sec, nano, rest, ok := clock(text)
	if !ok || len(rest) > 0 || nano%1000 != 0 {
		return 0, false
	}
	return int64(sec)*1e6 + int64(nano)/1000, true
}

// clock reads HH:MM[:SS[.fraction]] and returns what follows. More than nine
// digits of fraction are refused unless they are zeros.
func clock(text []byte) (sec int, nano int32, rest []byte, ok bool) {
	h, text, ok := number(text, 2, 2)
	if !ok || h > 24 || len(text) == 0 || text[0] != ':' {
		return 0, 0, nil, false
	}
	m, text, ok := number(text[1:], 2, 2)
	if !ok || m > 59 {
		return 0, 0, nil, false
	}
	s := 0
	if len(text) > 0 && text[0] == ':' {
		if s, text, ok = number(text[1:], 2, 2); !ok || s > 60 {
			return 0, 0, nil, false
		}
		if len(text) > 1 && (text[0] == '.' || text[0] == ',') && text[1]-'0' <= 9 {
			unit := int32(1e8)
			for text = text[1:]; len(text) > 0 && text[0]-'0' <= 9; text = text[1:] {
				if unit == 0 && text[0] != '0' {
					return 0, 0, nil, false
				}
				nano += int32(text[0]-'0') * unit
				unit /= 10
			}
		}
	}
	sec = h*3600 + m*60 + s
	if sec > 86400 || sec == 86400 && nano > 0 {
		return 0, 0, nil, false
	}
	return sec, nano, text, true
}

// AppendTimeText is the inverse of ParseTime.
func AppendTimeText(dst []byte, micros int64) []byte {
	return appendClock(dst, int(micros/1e6), int32(micros%1e6)*1000)
}

// appendClock appends HH:MM:SS and 6 digits of fraction (9 where needed, none for 0).
func appendClock(dst []byte, sec int, nano int32) []byte {
	h, m, s := sec/3600, sec/60%60, sec%60
	dst = append(dst, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10))
	if nano == 0 {
		return dst
	}
	dst = append(dst, '.')
	digits := 6
	if nano%1000 != 0 {
		digits = 9
	}
	for unit, n := int32(1e8), 0; n < digits; unit, n = unit/10, n+1 {
		dst = append(dst, byte('0'+nano/unit%10))
	}
	return dst
}
