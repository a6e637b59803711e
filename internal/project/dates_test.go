package project

import (
	"testing"
	"time"
)

func TestRelativeDates(t *testing.T) {
	now := time.Date(2024, 3, 31, 10, 20, 30, 123456000, time.UTC) // a Sunday
	for text, want := range map[string]string{
		"now": "2024-03-31T10:20:30.123456", "yesterday": "2024-03-30T10:20:30.123456", "tomorrow": "2024-04-01T10:20:30.123456",
		"3 days ago": "2024-03-28T10:20:30.123456", "3 days": "2024-03-28T10:20:30.123456", "in 2 hours": "2024-03-31T12:20:30.123456",
		"7 days from now": "2024-04-07T10:20:30.123456", "1 day and 2 hours ago": "2024-03-30T08:20:30.123456",
		"1 month ago": "2024-02-29T10:20:30.123456", "13 months ago": "2023-02-28T10:20:30.123456", "a year ago": "2023-03-31T10:20:30.123456",
		"last month": "2024-02-29T10:20:30.123456", "next week": "2024-04-07T10:20:30.123456", "2h ago": "2024-03-31T08:20:30.123456",
		"1.5 hours ago": "2024-03-31T08:50:30.123456", "-1 day": "2024-03-30T10:20:30.123456",
		"monday": "2024-03-25T00:00:00", "last sunday": "2024-03-24T00:00:00", "midnight": "2024-03-31T00:00:00", "noon": "2024-03-31T12:00:00",
		"Jan 5, 2024": "2024-01-05T00:00:00", "5 January 2024": "2024-01-05T00:00:00", "2024/01/05": "2024-01-05T00:00:00",
		"2024-02-01": "2024-02-01", "2024-02-01T10:20:30Z": "2024-02-01T10:20:30Z", "": "", "foo": "foo", "start of month": "start of month",
		"3 parsecs ago": "3 parsecs ago", "99999999999 days ago": "99999999999 days ago", "ago": "ago",
	} {
		if got := parseDate(text, now); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
