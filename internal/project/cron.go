package project

import (
	"fmt"
	"strings"

	"elt/internal/cron"
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
	if expression, ok := intervals[interval]; ok {
		return expression, nil
	}
	if strings.HasPrefix(interval, "@") || len(strings.Fields(interval)) != 5 {
		return "", fmt.Errorf("%q is no interval: five cron fields, or one of @hourly, @daily, @weekly, @monthly, @yearly, @once", interval)
	}
	if _, err := cron.Parse(interval); err != nil {
		return "", fmt.Errorf("%q is no interval: %v", interval, err)
	}
	return interval, nil
}
