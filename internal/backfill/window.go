package backfill

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"elt/internal/fault"
)

// Window is a span of time that begins with From and ends before To.
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// ParseWindow reads --from and --to.
func ParseWindow(from, to string) (w Window, err error) {
	if w.From, err = ParseTime("--from", from); err != nil {
		return w, err
	}
	if w.To, err = ParseTime("--to", to); err != nil {
		return w, err
	}
	switch {
	case w.To.Equal(w.From):
		return w, fault.New(fault.Usage, "the window is empty: --from %s and --to %s are the same moment", from, to).
			WithHint("the window is half open, so a day is --from 2024-01-01 --to 2024-01-02")
	case w.To.Before(w.From):
		return w, fault.New(fault.Usage, "the window ends before it starts: --from %s, --to %s", from, to).
			WithHint("did you mean --from %s --to %s?", to, from)
	}
	return w, nil
}

// ParseTime reads a moment in ISO 8601: a date (midnight in UTC), or a date and
// a time of day, with Z, an offset, or without either for UTC. The error names
// the character that is wrong.
func ParseTime(flag, text string) (time.Time, error) {
	s := scanner{text: text}
	year := s.number(4, 1, 9999, "year")
	s.literal("-")
	month := s.number(2, 1, 12, "month")
	s.literal("-")
	day := s.number(2, 1, 31, "day")
	if s.wrong == "" && time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		s.at, s.wrong = 8, "there is no such day in this month"
	}
	var hour, minute, second, micros, zone int
	if s.more() {
		if !s.accept('T') && !s.accept('t') {
			s.literal(" ")
		}
		hour = s.number(2, 0, 23, "hour")
		s.literal(":")
		minute = s.number(2, 0, 59, "minute")
		if s.accept(':') {
			second = s.number(2, 0, 59, "second")
			if s.accept('.') || s.accept(',') {
				micros = s.fraction()
			}
		}
		zone = s.zone()
	}
	if s.wrong == "" && s.at < len(text) {
		s.wrong = "nothing more is expected here"
	}
	if s.wrong != "" {
		return time.Time{}, fault.New(fault.Usage, "%q is no moment: %s", text, s.wrong).
			WithPosition(fault.Position{File: flag, Line: 1, Column: s.at + 1}, text).
			WithHint("write 2024-01-31, 2024-01-31T06:00:00Z or 2024-01-31T06:00:00+01:00; a date alone is its midnight in UTC")
	}
	location := time.UTC
	if zone != 0 {
		location = time.FixedZone("", zone)
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, location), nil
}

// scanner reads a text from left to right; at the first mistake it stands still.
type scanner struct {
	text  string
	at    int
	wrong string
}

func (s *scanner) more() bool { return s.wrong == "" && s.at < len(s.text) }

func (s *scanner) accept(c byte) bool {
	if s.more() && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) literal(c string) {
	if s.wrong == "" && !s.accept(c[0]) {
		s.wrong = "here comes " + strconv.Quote(c)
	}
}

func (s *scanner) digits(most int) string {
	from := s.at
	for s.at < len(s.text) && s.at-from < most && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.text[from:s.at]
}

func (s *scanner) number(width, least, most int, what string) int {
	if s.wrong != "" {
		return 0
	}
	from := s.at
	digits := s.digits(width)
	n, _ := strconv.Atoi(digits)
	switch {
	case len(digits) < width:
		s.wrong = "the " + what + " has " + strconv.Itoa(width) + " digits"
	case n < least || n > most:
		s.at, s.wrong = from, "the "+what+" is from "+strconv.Itoa(least)+" to "+strconv.Itoa(most)
	}
	return n
}

// fraction are microseconds.
func (s *scanner) fraction() int {
	digits := s.digits(7)
	if len(digits) == 0 || len(digits) > 6 {
		s.wrong = "a fraction of a second has one to six digits"
		return 0
	}
	n, _ := strconv.Atoi((digits + "00000")[:6])
	return n
}

// zone is the offset in seconds east of UTC.
func (s *scanner) zone() int {
	if !s.more() || s.accept('Z') || s.accept('z') {
		return 0
	}
	sign := 1
	switch {
	case s.accept('+'):
	case s.accept('-'):
		sign = -1
	default:
		s.wrong = "here comes Z, an offset such as +01:00, or nothing"
		return 0
	}
	hours := s.number(2, 0, 14, "offset's hours")
	minutes := 0
	if s.accept(':') || s.more() {
		minutes = s.number(2, 0, 59, "offset's minutes")
	}
	return sign * (hours*3600 + minutes*60)
}

// Span is the length of a chunk: of the calendar, or of the clock.
type Span struct {
	Months, Days int
	Clock        time.Duration
}

var spanText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9]+)\s*(mo|min|[smhdwy])$`) })

// ParseSpan reads --chunk.
func ParseSpan(text string) (Span, error) {
	m := spanText().FindStringSubmatch(strings.ToLower(strings.TrimSpace(text)))
	if m == nil {
		e := fault.New(fault.Usage, "--chunk is %q, which is no length of time", text)
		return Span{}, e.WithHint("a number and a unit: 6h, 1d, 7d, 1w, 1mo, 1y (also s and min); for months write mo")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1 || n > 1_000_000 {
		return Span{}, fault.New(fault.Usage, "--chunk is %q; the number is from 1 to 1000000", text)
	}
	switch m[2] {
	case "y":
		return Span{Months: 12 * n}, nil
	case "mo":
		return Span{Months: n}, nil
	case "w":
		return Span{Days: 7 * n}, nil
	case "d":
		return Span{Days: n}, nil
	case "h":
		return Span{Clock: time.Duration(n) * time.Hour}, nil
	case "min":
		return Span{Clock: time.Duration(n) * time.Minute}, nil
	case "s":
		return Span{Clock: time.Duration(n) * time.Second}, nil
	}
	return Span{}, fault.New(fault.Usage, "--chunk is %q: m may be minutes or months", text).WithHint("write %smin or %smo", m[1], m[1])
}

// mostChunks is how many chunks a backfill may have.
const mostChunks = 10_000

// Split cuts a window; the last chunk may be shorter. Days and months are those
// of the calendar at From's offset from UTC, counted from From: a month after
// 31 January is the end of February, two months after it 31 March.
func (w Window) Split(s Span) ([]Window, error) {
	var out []Window
	for n, at := 1, w.From; at.Before(w.To); n++ {
		if n > mostChunks {
			return nil, fault.New(fault.Usage, "the window makes more than %d chunks", mostChunks).WithHint("choose a longer --chunk, or a shorter window")
		}
		next := s.after(w.From, n)
		if next.After(w.To) {
			next = w.To
		}
		out = append(out, Window{at, next})
		at = next
	}
	return out, nil
}

// after is the moment n spans after t.
func (s Span) after(t time.Time, n int) time.Time {
	if s.Clock > 0 {
		return t.Add(time.Duration(n) * s.Clock)
	}
	if s.Months == 0 {
		return t.AddDate(0, 0, n*s.Days)
	}
	first := time.Date(t.Year(), t.Month()+time.Month(n*s.Months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// Text is a moment as listings write it: a date where it is midnight in UTC.
func Text(t time.Time) string {
	t = t.UTC()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}
