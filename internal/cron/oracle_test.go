package cron

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The oracle knows no set, no stretch and no search: it walks real minutes,
// reads the wall clock, and compares text.
const (
	firstYear, lastYear = 2020, 2037
	day                 = 24 * 60
)

var forty = []string{
	"* * * * *", "*/15 * * * *", "7 * * * *", "0-30/10 * * * *", "59 * 1 * *", "30 * * 3,10 0",
	"0 0 * * *", "30 0 * * *", "0 1 * * *", "30 1 * * *", "0 2 * * *", "15 2 * * *", "30 2 * * *", "59 2 * * *", "0 3 * * *", "30 3 * * *",
	"0 4 * * *", "0 23 * * *", "45 23 * * *", "0,20,40 2 * * *", "*/5 1-3 * * *", "0 */2 * * *", "0 */3 * * *", "30 */6 * * *", "0 22-2 * * *",
	"0 9 * * 1-5", "0 0 1 * *", "30 2 1 * *", "0 0 L * *", "0 12 29 2 *", "0 0 * * 0", "30 1 * * 0", "30 2 * * 7", "0 0 * * L0",
	"0 2 * 3 0#2", "0 1 * 11 0#1", "0 0 1,15 * 1", "0 5 31 * *", "0 0 1 1 *", "17 3 */2 * *",
}

func TestOracle(t *testing.T) {
	if len(forty) != 40 {
		t.Fatalf("%d expressions", len(forty))
	}
	zones := distinctZones(t)
	// Every minute of 18 years in every zone takes some minutes: that is the
	// long run. The short one takes the days around each change of a clock.
	whole := os.Getenv("ELT_TEST_LONG") == "1"
	local := localMatches()
	fires, differences := 0, 0
	for _, zone := range zones {
		for _, span := range stretchesOf(zone, whole) {
			for i, text := range forty {
				if !whole && i%8 != span.turn%8 {
					continue
				}
				e, _ := Parse(text)
				n, diff := compare(e, local[i], zone, span)
				fires += n
				if diff != "" {
					if differences++; differences < 20 {
						t.Errorf("%s in %s: %s", text, zone, diff)
					}
				}
			}
		}
	}
	t.Logf("%d zones of different rules, %d fires compared, %d differences", len(zones), fires, differences)
}

// stretch is a row of minutes since 1970 whose fires are compared.
type stretch struct {
	from, to int64
	turn     int
}

// stretchesOf is all the years, or the days around each change of offset, which
// is found by looking at each day.
func stretchesOf(zone *time.Location, whole bool) []stretch {
	from := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 60
	to := time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 60
	if whole {
		return []stretch{{from: from, to: to}}
	}
	spans := []stretch{{from: from, to: from + 14*day}}
	for m := from; m < to; m += day {
		if wall(m, zone)-m != wall(m+day, zone)-m-day {
			spans = append(spans, stretch{m - 2*day, m + 3*day, len(spans)})
		}
	}
	return spans
}

// wall is what the clock shows at a minute, as minutes since 1970.
func wall(minute int64, zone *time.Location) int64 {
	_, offset := time.Unix(minute*60, 0).In(zone).Zone()
	return minute + int64(offset)/60
}

func compare(e Expression, matches func(int64) bool, zone *time.Location, s stretch) (fires int, difference string) {
	everyHour := strings.Fields(e.String())[1] == "*"
	shown := wall(s.from-1, zone)
	for m := s.from - 2*day; m < s.from; m++ {
		shown = max(shown, wall(m, zone))
	}
	after := time.Unix(s.from*60-60, 0)
	if !everyHour { // times of day that a clock put back shows again are met already
		shown = max(shown, wall(s.from-1, zone))
	}
	for m := s.from; m < s.to; m++ {
		now := wall(m, zone)
		fire := matches(now)
		if !everyHour {
			fire = fire && now > shown
			for missed := shown + 1; missed < now; missed++ {
				fire = fire || matches(missed)
			}
		}
		shown = max(shown, now)
		if !fire {
			continue
		}
		fires++
		at, ok := e.Next(after, zone)
		if !ok || at.Unix() != m*60 {
			return fires, fmt.Sprintf("after %s comes %s, the oracle says %s", after.UTC(), at.UTC(), time.Unix(m*60, 0).UTC())
		}
		after = at
	}
	if at, ok := e.Next(after, zone); ok && at.Unix() < s.to*60 {
		return fires, fmt.Sprintf("after %s comes %s, the oracle says none", after.UTC(), at.UTC())
	}
	return fires, ""
}

// localMatches gives per expression a table over all local minutes, filled by
// comparing the text of each minute's fields.
func localMatches() []func(int64) bool {
	first := time.Date(firstYear-1, 12, 20, 0, 0, 0, 0, time.UTC).Unix() / 60
	last := time.Date(lastYear+1, 1, 12, 0, 0, 0, 0, time.UTC).Unix() / 60
	var out []func(int64) bool
	for _, text := range forty {
		table := make([]bool, last-first)
		parts := strings.Fields(text)
		minutes, hours := listed(parts[0], 0, 59), listed(parts[1], 0, 23)
		for m := first; m < last; m += day {
			if !dayFires(parts, time.Unix(m*60, 0).UTC()) {
				continue
			}
			for _, h := range hours {
				for _, n := range minutes {
					table[m-first+int64(h*60+n)] = true
				}
			}
		}
		out = append(out, func(m int64) bool { return table[m-first] })
	}
	return out
}

func dayFires(parts []string, d time.Time) bool {
	if !slices.Contains(listed(parts[3], 1, 12), int(d.Month())) {
		return false
	}
	byDay := parts[2] == "L" && d.AddDate(0, 0, 1).Day() == 1 || parts[2] != "L" && slices.Contains(listed(parts[2], 1, 31), d.Day())
	var byWeekday bool
	switch name, nth, special := strings.Cut(parts[4], "#"); {
	case special:
		byWeekday = strconv.Itoa(int(d.Weekday())) == name && strconv.Itoa((d.Day()-1)/7+1) == nth
	case name[0] == 'L':
		byWeekday = strconv.Itoa(int(d.Weekday())) == name[1:] && d.AddDate(0, 0, 7).Month() != d.Month()
	default:
		listed := listed(name, 0, 7)
		byWeekday = slices.Contains(listed, int(d.Weekday())) || d.Weekday() == 0 && slices.Contains(listed, 7)
	}
	switch {
	case parts[2] == "*":
		return byWeekday
	case parts[4] == "*":
		return byDay
	}
	return byDay || byWeekday
}

func listed(text string, low, high int) []int {
	var out []int
	for _, part := range strings.Split(text, ",") {
		a, b, step := low, high, 1
		part, by, stepped := strings.Cut(part, "/")
		if stepped {
			step, _ = strconv.Atoi(by)
		}
		if part != "*" {
			from, to, ranged := strings.Cut(part, "-")
			a, _ = strconv.Atoi(from)
			if b = a; ranged {
				b, _ = strconv.Atoi(to)
			}
		}
		if b < a { // wraps
			b += high + 1 - low
		}
		for v := a; v <= b; v += step {
			out = append(out, low+(v-low)%(high+1-low))
		}
	}
	return out
}

// distinctZones are all zones of the machine's or Go's database, one of each
// set of equal rules.
func distinctZones(t *testing.T) []*time.Location {
	root := "/usr/share/zoneinfo"
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no time zone database at %s (Go %s has one in lib/time)", root, runtime.Version())
	}
	var names []string
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, root+"/")
		if err == nil && d.IsDir() && (name == "posix" || name == "right") {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() && name[0] >= 'A' && name[0] <= 'Z' {
			names = append(names, name)
		}
		return nil
	})
	var zones []*time.Location
	seen := map[string]bool{}
	known := 0
	for _, name := range names {
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue
		}
		known++
		var rules strings.Builder
		at := time.Date(firstYear-1, 12, 1, 0, 0, 0, 0, time.UTC).In(zone)
		for at.Year() <= lastYear+1 {
			_, end := at.ZoneBounds()
			fmt.Fprint(&rules, end.Unix(), offsetOf(at), " ")
			if end.IsZero() {
				break
			}
			at = end.In(zone)
		}
		if !seen[rules.String()] {
			seen[rules.String()] = true
			zones = append(zones, zone)
		}
	}
	if known < 400 {
		t.Fatalf("only %d zones found below %s", known, root)
	}
	return zones
}
