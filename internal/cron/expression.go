package cron

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// Expression is a parsed cron expression. The zero value never fires.
type Expression struct {
	text     string
	minutes  uint64 // bit n: minute n
	hours    uint64
	days     uint64 // bits 1 to 31
	months   uint64 // bits 1 to 12
	weekdays uint64 // bits 0 (Sunday) to 6
	lastDay  bool   // L: the month's last day
	// nth has, per weekday, bit n for its nth in the month, bit 0 for its last.
	nth [7]uint8
	// A day must satisfy both day fields when one of them is a star, and
	// either of them when both are given.
	anyDay, anyWeekday bool
}

// String is the expression as it was written.
func (e Expression) String() string { return e.text }

// everyHour: the expression does not name times of day.
func (e Expression) everyHour() bool { return e.hours == 1<<24-1 }

func (e Expression) matchesMonth(month int) bool { return e.months>>month&1 == 1 }

// matchesDay says whether a day fires, given the weekday of that day and the
// number of days its month has.
func (e Expression) matchesDay(day, weekday, inMonth int) bool {
	if e.anyDay && e.anyWeekday {
		return true
	}
	byDay := !e.anyDay && (e.days>>day&1 == 1 || e.lastDay && day == inMonth)
	nth := e.nth[weekday]
	byWeekday := !e.anyWeekday && (e.weekdays>>weekday&1 == 1 ||
		nth>>((day+6)/7)&1 == 1 || nth&1 == 1 && day+7 > inMonth)
	return byDay || byWeekday
}

// field is one place of an expression.
type field struct {
	name     string
	min, max int
	words    []string // names of the values from min on
}

var fields = [5]field{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// Parse reads five fields: *, numbers, names of months and weekdays, lists,
// ranges (22-2 wraps), steps, ? for a day that the other day field decides,
// L for the month's last day, L5 (or 5L) for its last Friday, 5#2 for its
// second. An expression that no date satisfies is an error.
func Parse(text string) (Expression, error) {
	e := Expression{text: text}
	parts := strings.Fields(text)
	if len(parts) != len(fields) {
		return e, fmt.Errorf("%q has %d fields, a cron expression has five: minute, hour, day, month, weekday", text, len(parts))
	}
	for i, set := range []*uint64{&e.minutes, &e.hours, &e.days, &e.months, &e.weekdays} {
		for _, part := range strings.Split(strings.ToLower(parts[i]), ",") {
			bits, err := e.part(i, part)
			if err != nil {
				return e, fmt.Errorf("%s: %w", fields[i].name, err)
			}
			*set |= bits
		}
	}
	e.anyDay = e.days == span(1, 31)
	e.weekdays = (e.weekdays | e.weekdays>>7) & span(0, 6) // 7 is Sunday too
	e.anyWeekday = e.weekdays == span(0, 6)
	if !e.possible() {
		return e, errors.New("it never fires: no month of those has such a day")
	}
	return e, nil
}

// part reads one entry of a list; what is no plain number goes into e.
func (e *Expression) part(i int, text string) (uint64, error) {
	f := fields[i]
	text, stepText, stepped := strings.Cut(text, "/")
	step := 1
	if stepped {
		var ok bool
		if step, ok = number(stepText); !ok || step < 1 {
			return 0, fmt.Errorf("step %q is no positive number", stepText)
		}
	}
	isDay, isWeekday := i == 2, i == 4
	switch {
	case text == "*", text == "?" && (isDay || isWeekday):
		return everyNth(f.min, f.top(), f, step), nil
	case text == "l" && isDay:
		e.lastDay = true
		return 0, nil
	case text == "l" && isWeekday: // as Quartz has it
		return 1 << 6, nil
	case isWeekday && strings.Contains(text, "#"):
		name, nth, _ := strings.Cut(text, "#")
		return 0, e.addNth(f, name, nth)
	case isWeekday && len(text) > 1 && (text[0] == 'l' || strings.HasSuffix(text, "l")):
		return 0, e.addNth(f, strings.Trim(text, "l"), "0")
	}
	from, to, ranged := strings.Cut(text, "-")
	low, err := f.value(from)
	if err != nil {
		return 0, err
	}
	high := low
	switch {
	case ranged:
		if high, err = f.value(to); err != nil {
			return 0, err
		}
	case stepped: // 5/15 is 5-59/15
		high = f.max
	}
	return everyNth(low, high, f, step), nil
}

func (e *Expression) addNth(f field, name, nth string) error {
	day, err := f.value(name)
	if err != nil {
		return err
	}
	n, ok := number(nth)
	if !ok || n > 5 || n < 1 && nth != "0" {
		return fmt.Errorf("a month has no %q-th of a weekday, only 1 to 5", nth)
	}
	e.nth[day%7] |= 1 << n
	return nil
}

// possible: some day of the years between two leap years, which may lie
// eight years apart, is met.
func (e Expression) possible() bool {
	if e.minutes == 0 || e.hours == 0 || e.months == 0 {
		return false
	}
	_, ok := e.nextLocal(0, 9*366*24*3600)
	return ok
}

// top is the highest value that is no second name of the lowest.
func (f field) top() int {
	if f.max == 7 {
		return 6
	}
	return f.max
}

func (f field) value(text string) (int, error) {
	for i, w := range f.words {
		if text == w {
			return f.min + i, nil
		}
	}
	n, ok := number(text)
	if !ok {
		return 0, fmt.Errorf("%q is no number", text)
	}
	if n < f.min || n > f.max {
		return 0, fmt.Errorf("%d is not between %d and %d", n, f.min, f.max)
	}
	return n, nil
}

// everyNth is each step-th value from low to high; a range whose end lies
// before its start goes on over the field's end.
func everyNth(low, high int, f field, step int) uint64 {
	size := f.top() - f.min + 1
	if high < low {
		high += size
	}
	var set uint64
	for v := low; v <= high; v += step {
		set |= 1 << (f.min + (v-f.min)%size)
	}
	return set
}

func span(low, high int) uint64 { return (1<<(high-low+1) - 1) << low }

// number reads a short unsigned decimal number.
func number(text string) (int, bool) {
	n := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, text != "" && len(text) <= 4
}

// next is the lowest member of set that is from or more, or -1.
func next(set uint64, from int) int {
	if set >>= from; set == 0 {
		return -1
	}
	return from + bits.TrailingZeros64(set)
}
