package cron

import (
	"os"
	"strings"
	"testing"
	"time"
)

func mustParse(t *testing.T, text string) Expression {
	t.Helper()
	e, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func fires(e Expression, zone *time.Location, after time.Time, n int) []string {
	var out []string
	for range n {
		at, ok := e.Next(after, zone)
		if !ok {
			return append(out, "never")
		}
		out = append(out, at.Format("2006-01-02T15:04-07:00"))
		after = at
	}
	return out
}

// testdata/recorded.tsv is what croniter 7.0.0 says; recorded.py wrote it.
func TestCroniterAgrees(t *testing.T) {
	table, err := os.ReadFile("testdata/recorded.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(table)), "\n")
	if len(lines) < 200 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		columns := strings.Split(line, "\t")
		got := fires(mustParse(t, columns[0]), time.UTC, time.Date(2023, 11, 5, 13, 37, 0, 0, time.UTC), len(columns)-1)
		for i := range got {
			if want := columns[i+1] + "+00:00"; got[i] != want {
				t.Errorf("%s: fire %d is %s, croniter says %s", columns[0], i, got[i], want)
				break
			}
		}
	}
}

func TestDaylightSaving(t *testing.T) {
	cases := []struct{ expression, zone, after, want string }{
		// Spring: New York leaves out 02:00-03:00 on 8 March 2026.
		{"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T03:00-04:00 2026-03-09T02:30-04:00"},
		{"0,20,40 2 * * *", "America/New_York", "2026-03-08T05:30:00Z", "2026-03-08T03:00-04:00 2026-03-09T02:00-04:00"},
		{"*/30 * * * *", "America/New_York", "2026-03-08T06:20:00Z", "2026-03-08T01:30-05:00 2026-03-08T03:00-04:00 2026-03-08T03:30-04:00"},
		{"0 2,3 * * *", "America/New_York", "2026-03-08T05:30:00Z", "2026-03-08T03:00-04:00 2026-03-09T02:00-04:00"},
		{"30 2 8 3 *", "America/New_York", "2026-01-01T00:00:00Z", "2026-03-08T03:00-04:00 2027-03-08T02:30-05:00"},
		// Autumn: it shows 01:00-02:00 twice on 1 November 2026.
		{"30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-01T01:30-04:00 2026-11-02T01:30-05:00"},
		{"0 * * * *", "America/New_York", "2026-11-01T04:30:00Z", "2026-11-01T01:00-04:00 2026-11-01T01:00-05:00 2026-11-01T02:00-05:00"},
		{"0 0 * * *", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-01T00:00-04:00 2026-11-02T00:00-05:00"},
		// Half an hour, and a zone whose clocks jump at midnight.
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-04T02:30+11:00 2026-10-05T02:15+11:00"},
		{"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-24T01:00+03:00 2026-04-25T00:00+03:00"},
		// Samoa had no 30 December 2011.
		{"0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-31T00:00+14:00 2012-12-30T12:00+14:00"},
	}
	for _, c := range cases {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := time.Parse(time.RFC3339, c.after)
		want := strings.Fields(c.want)
		if got := strings.Join(fires(mustParse(t, c.expression), zone, after, len(want)), " "); got != c.want {
			t.Errorf("%s in %s after %s:\n got %s\nwant %s", c.expression, c.zone, c.after, got, c.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":              `"" has 0 fields, a cron expression has five: minute, hour, day, month, weekday`,
		"0 0 * *":       `"0 0 * *" has 4 fields, a cron expression has five: minute, hour, day, month, weekday`,
		"60 * * * *":    "minute: 60 is not between 0 and 59",
		"0 24 * * *":    "hour: 24 is not between 0 and 23",
		"0 0 0 * *":     "day of the month: 0 is not between 1 and 31",
		"0 0 * 13 *":    "month: 13 is not between 1 and 12",
		"0 0 * * 8":     "day of the week: 8 is not between 0 and 7",
		"0 0 * * funny": `day of the week: "funny" is no number`,
		"*/0 * * * *":   `minute: step "0" is no positive number`,
		"*/x * * * *":   `minute: step "x" is no positive number`,
		"? * * * *":     `minute: "?" is no number`,
		"0 0 * * 5#6":   `day of the week: a month has no "6"-th of a weekday, only 1 to 5`,
		"0 0 31 2 *":    "it never fires: no month of those has such a day",
		"-1 * * * *":    `minute: "" is no number`,
		", * * * *":     `minute: "" is no number`,
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("*/5 22-2 L * fri#2")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		after := time.Date(2026, 2, 28, 23, 59, 59, 1, time.UTC)
		at, ok := e.Next(after, time.UTC)
		if !ok || !at.After(after) {
			t.Errorf("%q: %v %v", text, at, ok)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	e, _ := Parse("30 2 * * mon-fri")
	zone, _ := time.LoadLocation("Europe/Berlin")
	at := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		e.Next(at, zone)
	}
}

func TestTimes(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	quarter := Every(15*time.Minute, at("2026-01-01T00:05:00Z"))
	daily := From(at("2026-03-01T00:00:00Z"), In(mustParse(t, "0 0 * * *"), time.UTC))
	for _, c := range []struct {
		times       Times
		after, want string
	}{
		{quarter, "2025-12-01T00:00:00Z", "2026-01-01T00:05:00Z"},
		{quarter, "2026-01-01T00:05:00Z", "2026-01-01T00:20:00Z"},
		{quarter, "2026-01-01T00:19:59Z", "2026-01-01T00:20:00Z"},
		{quarter, "2026-06-01T12:00:00Z", "2026-06-01T12:05:00Z"},
		{daily, "2020-01-01T00:00:00Z", "2026-03-01T00:00:00Z"},
		{daily, "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"},
	} {
		if got, ok := c.times.Next(at(c.after)); !ok || !got.Equal(at(c.want)) {
			t.Errorf("after %s: %s, want %s", c.after, got, c.want)
		}
	}
}
