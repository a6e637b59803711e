package project

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	isoDate = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:$|[T ])`)
	})
	dateParts = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([+-]?\d+(?:\.\d+)?|an?|one|two|three|four|five|six|seven|eight|nine|ten)\s*` +
			`(seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?|d|weeks?|w|fortnights?|months?|years?|y|decades?)\b[\s,]*(?:and\s+)?`)
	})
	numbers = map[string]string{"a": "1", "an": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
		"six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}
	dateLayouts = []string{"2006/01/02", "2006-1-2", "2006/1/2", "January 2, 2006", "January 2 2006", "2 January 2006",
		"Jan 2, 2006", "Jan 2 2006", "2 Jan 2006"}
)

// parseDate gives relative dates ("3 days ago", "yesterday", "last monday")
// their time now, in UTC and without a zone as Meltano writes them. ISO dates
// and what is no date stay as written.
func parseDate(text string, now time.Time) string {
	word := strings.ToLower(strings.TrimSpace(text))
	if isoDate().MatchString(text) || word == "" {
		return text
	}
	if t, ok := namedDate(word, now.UTC()); ok {
		return pythonTime(t)
	}
	if t, ok := relativeDate(word, now.UTC()); ok {
		return pythonTime(t)
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return pythonTime(t)
		}
	}
	return text
}

func namedDate(word string, now time.Time) (time.Time, bool) {
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	switch word {
	case "now", "today":
		return now, true
	case "yesterday":
		return now.AddDate(0, 0, -1), true
	case "tomorrow":
		return now.AddDate(0, 0, 1), true
	case "midnight":
		return midnight, true
	case "noon":
		return midnight.Add(12 * time.Hour), true
	}
	if unit, ok := strings.CutPrefix(word, "next "); ok {
		return shift(now, 1, unit)
	}
	word = strings.TrimPrefix(word, "last ")
	for back := 1; back <= 7; back++ {
		day := midnight.AddDate(0, 0, -back)
		if word == strings.ToLower(day.Weekday().String()) {
			return day, true
		}
	}
	switch word {
	case "day", "week", "month", "year":
		return shift(now, -1, word)
	}
	return now, false
}

// relativeDate reads "1 day and 2 hours ago"; "3 days" alone is in the past.
func relativeDate(word string, now time.Time) (time.Time, bool) {
	sign := -1.0
	if rest, ok := strings.CutPrefix(word, "in "); ok {
		sign, word = 1, rest
	} else if rest, ok := strings.CutSuffix(word, " from now"); ok {
		sign, word = 1, rest
	}
	word = strings.TrimSpace(strings.TrimSuffix(word, "ago"))
	found := false
	for word != "" {
		m := dateParts().FindStringSubmatch(word)
		if m == nil {
			return now, false
		}
		amount := m[1]
		if n, ok := numbers[amount]; ok {
			amount = n
		}
		n, err := strconv.ParseFloat(strings.TrimLeft(amount, "+-"), 64)
		if err != nil || n > 100_000 {
			return now, false
		}
		direction := sign
		if amount[0] == '+' {
			direction = 1
		}
		if now, found = shift(now, direction*n, m[2]); !found {
			return now, false
		}
		word = word[len(m[0]):]
	}
	return now, found
}

func shift(t time.Time, n float64, unit string) (time.Time, bool) {
	whole := int(n)
	switch strings.TrimSuffix(unit, "s") {
	case "", "second", "sec":
		return t.Add(time.Duration(n * float64(time.Second))), true
	case "minute", "min":
		return t.Add(time.Duration(n * float64(time.Minute))), true
	case "hour", "hr", "h":
		return t.Add(time.Duration(n * float64(time.Hour))), true
	case "day", "d":
		return t.Add(time.Duration(n * 24 * float64(time.Hour))), true
	case "week", "w":
		return t.Add(time.Duration(n * 7 * 24 * float64(time.Hour))), true
	case "fortnight":
		return t.AddDate(0, 0, 14*whole), true
	case "month":
		return addMonths(t, whole), true
	case "year", "y":
		return addMonths(t, 12*whole), true
	case "decade":
		return addMonths(t, 120*whole), true
	}
	return t, false
}

// addMonths keeps the day of the month where there is one: a month before
// 31 March is the last of February.
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// pythonTime is Python's isoformat.
func pythonTime(t time.Time) string {
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02T15:04:05")
	}
	return t.Format("2006-01-02T15:04:05.000000")
}
