package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func dateText(days int64) string {
	t := time.Unix(days*86400, 0).UTC()
	y := t.Year()
	if y < 0 {
		return fmt.Sprintf("-%04d-%02d-%02d", -y, t.Month(), t.Day())
	}
	return fmt.Sprintf("%04d-%02d-%02d", y, t.Month(), t.Day())
}

func timeText(nanos int64, layout string) string {
	return time.Unix(0, nanos).UTC().Format(layout)
}

// timestampText is the default output format: YYYY-MM-DD HH24:MI:SS.FF3, and
// TZHTZM behind it for the zoned ones.
func timestampText(v Value) string {
	sec := v.I + int64(v.Off)*60
	days := floorDiv(sec, 86400)
	s := dateText(days) + " " + timeText((sec-days*86400)*1e9+int64(v.N), "15:04:05.000")
	if v.K == NTZ {
		return s
	}
	off, sign := int(v.Off), '+'
	if off < 0 {
		off, sign = -off, '-'
	}
	return fmt.Sprintf("%s %c%02d%02d", s, sign, off/60, off%60)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// reader eats digits and signs of a date's text.
type reader struct {
	s  string
	ok bool
}

func (r *reader) digits(least, most int) int {
	n := 0
	for n < len(r.s) && n < most && r.s[n] >= '0' && r.s[n] <= '9' {
		n++
	}
	if n < least {
		r.ok = false
		return 0
	}
	i, _ := strconv.Atoi(r.s[:n])
	r.s = r.s[n:]
	return i
}

func (r *reader) take(c byte) bool {
	if r.s != "" && r.s[0] == c {
		r.s = r.s[1:]
		return true
	}
	return false
}

func (r *reader) expect(c byte) {
	if !r.take(c) {
		r.ok = false
	}
}

// parsed is a date, a time and an offset read from text.
type parsed struct {
	days     int64
	nanos    int64 // of the day
	off      int
	hasTime  bool
	hasZone  bool
	hasDate  bool
	isNumber bool
}

// parseDateTime reads what AUTO detection of Snowflake reads of ISO 8601
// (docs.snowflake.com/en/sql-reference/date-time-input-output): a date, a
// date and a time after T or a space, fractions to nanoseconds, an offset or
// Z; a time alone where timeOnly; and the American and RFC forms not at all.
func parseDateTime(s string, timeOnly bool) (p parsed, ok bool) {
	r := &reader{s: strings.TrimSpace(s), ok: true}
	if r.s == "" {
		return p, false
	}
	if !timeOnly {
		if p.days, ok = r.date(); !ok {
			return p, false
		}
		p.hasDate = true
		if r.s == "" {
			return p, true
		}
		if !r.take('T') && !r.take(' ') && !r.take('t') {
			return p, false
		}
	}
	p.hasTime = true
	h := r.digits(1, 2)
	m, sec, frac := 0, 0, 0
	if r.take(':') {
		m = r.digits(1, 2)
		if r.take(':') {
			sec = r.digits(1, 2)
			if r.take('.') {
				n := 0
				for n < len(r.s) && r.s[n] >= '0' && r.s[n] <= '9' {
					n++
				}
				if n == 0 || n > 9 {
					return p, false
				}
				frac, _ = strconv.Atoi(r.s[:n] + strings.Repeat("0", 9-n))
				r.s = r.s[n:]
			}
		}
	}
	if h > 23 || m > 59 || sec > 59 {
		return p, false
	}
	p.nanos = int64(h*3600+m*60+sec)*1e9 + int64(frac)
	r.s = strings.TrimLeft(r.s, " ")
	switch {
	case r.s == "":
	case r.s == "Z" || r.s == "z" || r.s == "UTC":
		r.s, p.hasZone = "", true
	case r.s[0] == '+' || r.s[0] == '-':
		neg := r.s[0] == '-'
		r.s = r.s[1:]
		p.off = r.digits(1, 2) * 60
		if r.take(':') || r.s != "" {
			p.off += r.digits(2, 2)
		}
		if neg {
			p.off = -p.off
		}
		p.hasZone = true
	default:
		return p, false
	}
	return p, r.ok && r.s == ""
}

func (r *reader) date() (days int64, ok bool) {
	neg := r.take('-')
	y := r.digits(4, 5)
	r.expect('-')
	m := r.digits(1, 2)
	r.expect('-')
	d := r.digits(1, 2)
	if neg {
		y = -y
	}
	if !r.ok || m < 1 || m > 12 || d < 1 || y > 9999 {
		return 0, false
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if t.Day() != d {
		return 0, false
	}
	return floorDiv(t.Unix(), 86400), true
}

// truncFraction cuts nanoseconds to a type's scale.
func truncFraction(n int32, scale int) int32 {
	if scale >= 9 {
		return n
	}
	d := int32(pow10i[9-scale])
	return n / d * d
}
