// Package strftime writes times in formats of Python's strftime, which
// settings of Meltano plugins use.
package strftime

import (
	"fmt"
	"strings"
	"time"
)

// Format formats a time; a directive that is unknown stays as it is.
func Format(format string, t time.Time) string {
	var b strings.Builder
	each(format, func(text string, directive byte) {
		layout, known := layouts[directive]
		switch {
		case directive == 0:
			b.WriteString(text)
		case known:
			b.WriteString(t.Format(layout))
		case directive == 'f':
			fmt.Fprintf(&b, "%06d", t.Nanosecond()/1000)
		case directive == 's':
			fmt.Fprint(&b, t.Unix())
		case directive == 'j':
			fmt.Fprintf(&b, "%03d", t.YearDay())
		case directive == '%':
			b.WriteByte('%')
		default:
			b.WriteString(text)
		}
	})
	return b.String()
}

// Unknown is the first directive of a format that Format does not know, "" for none.
func Unknown(format string) (directive string) {
	each(format, func(text string, d byte) {
		if d != 0 && layouts[d] == "" && strings.IndexByte("fsj%", d) < 0 && directive == "" {
			directive = text
		}
	})
	return directive
}

// Precision is the smallest step that a format can tell apart; 0 when it tells
// not even days.
func Precision(format string) time.Duration {
	finest := time.Duration(0)
	each(format, func(_ string, d byte) {
		if step := steps[d]; step > 0 && (finest == 0 || step < finest) {
			finest = step
		}
	})
	return finest
}

var steps = map[byte]time.Duration{
	'd': 24 * time.Hour, 'j': 24 * time.Hour, 'F': 24 * time.Hour, 'D': 24 * time.Hour,
	'H': time.Hour, 'I': time.Hour, 'M': time.Minute, 'R': time.Minute,
	'S': time.Second, 'T': time.Second, 's': time.Second, 'f': time.Microsecond,
}

// each takes a format apart: pieces of text have the directive 0.
func each(format string, visit func(text string, directive byte)) {
	for format != "" {
		at := strings.IndexByte(format, '%')
		if at < 0 || at == len(format)-1 {
			visit(format, 0)
			return
		}
		if at > 0 {
			visit(format[:at], 0)
		}
		visit(format[at:at+2], format[at+1])
		format = format[at+2:]
	}
}

var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'z': "-0700", 'Z': "MST",
	'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04",
}
