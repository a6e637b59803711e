package project

import (
	"fmt"
	"strconv"
	"strings"
)

var intervals = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
	"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// Cron is the five-field form of an interval; "" for @once, @manual and
// @none, which never fire by themselves.
func Cron(interval string) (string, error) {
	switch interval {
	case "@once", "@manual", "@none":
		return "", nil
	}
	if cron, ok := intervals[interval]; ok {
		return cron, nil
	}
	fields := strings.Fields(interval)
	if strings.HasPrefix(interval, "@") || len(fields) != 5 {
		return "", fmt.Errorf("%q is no interval: five cron fields, or one of @hourly, @daily, @weekly, @monthly, @yearly, @once", interval)
	}
	for i, f := range fields {
		if err := checkField(f, cronFields[i]); err != nil {
			return "", fmt.Errorf("%q is no interval: %v", interval, err)
		}
	}
	return interval, nil
}

// cronField is one place of a cron expression.
type cronField struct {
	name     string
	min, max int
	words    []string // names of the values from min on
	marks    string   // single letters that are allowed: ? and L
}

var cronFields = []cronField{
	{"minute", 0, 59, nil, ""},
	{"hour", 0, 23, nil, ""},
	{"day of the month", 1, 31, nil, "?L"},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}, ""},
	{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, "?L"},
}

func checkField(text string, f cronField) error {
	for _, part := range strings.Split(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		if stepped {
			if n, err := strconv.Atoi(step); err != nil || n < 1 {
				return fmt.Errorf("%s: step %q is no positive number", f.name, step)
			}
		}
		if span == "*" || len(span) == 1 && strings.Contains(f.marks, strings.ToUpper(span)) {
			continue
		}
		if f.name == "day of the week" { // "5L" is the last Friday, "5#2" the second
			span = strings.TrimSuffix(span, "L")
			span, _, _ = strings.Cut(span, "#")
		}
		for _, end := range strings.SplitN(span, "-", 2) { // a range may wrap: 22-2
			if !f.holds(end) {
				return fmt.Errorf("%s: %q is not between %d and %d", f.name, end, f.min, f.max)
			}
		}
	}
	return nil
}

func (f cronField) holds(word string) bool {
	for _, w := range f.words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	n, err := strconv.Atoi(word)
	return err == nil && n >= f.min && n <= f.max
}
