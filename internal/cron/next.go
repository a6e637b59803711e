package cron

import "time"

// forever is as far ahead as Next looks, in seconds: a hundred years.
const forever = 100 * 366 * 24 * 3600

// Next is the first instant after a given one at which the expression fires
// in a zone; ok is false if it does not within a century.
func (e Expression) Next(after time.Time, zone *time.Location) (at time.Time, ok bool) {
	from := after.Unix()
	for t := after.In(zone); t.Unix() < from+forever; {
		start, end := t.ZoneBounds() // of this stretch of one UTC offset
		offset := offsetOf(t)
		low, high := from+1+offset, from+forever+offset
		if !end.IsZero() {
			high = end.Unix() + offset
		}
		if !start.IsZero() {
			low = max(low, start.Unix()+offset)
			if !e.everyHour() {
				shown := shownBefore(start)
				if start.Unix() > from && e.firesBetween(shown, start.Unix()+offset) {
					return start, true // times of day that the clock left out
				}
				low = max(low, shown) // what was shown once does not count again
			}
		}
		if local, ok := e.nextLocal(low, high); ok {
			return time.Unix(local-offset, 0).In(zone), true
		}
		if end.IsZero() {
			break
		}
		t = end.In(zone)
	}
	return time.Time{}, false
}

// shownBefore is the end of the local time that clocks had shown before start,
// the beginning of a stretch: in local seconds. Two stretches back are
// enough, as none is shorter than the hours a clock is ever put back.
func shownBefore(start time.Time) int64 {
	before := start.Add(-time.Second)
	shown := start.Unix() + offsetOf(before)
	if earlier, _ := before.ZoneBounds(); !earlier.IsZero() {
		shown = max(shown, earlier.Unix()+offsetOf(earlier.Add(-time.Second)))
	}
	return shown
}

func offsetOf(t time.Time) int64 {
	_, offset := t.Zone()
	return int64(offset)
}

func (e Expression) firesBetween(low, high int64) bool {
	_, ok := e.nextLocal(low, high)
	return ok
}

// nextLocal is the first matching minute in [low, high), in seconds of local
// time since 1970.
func (e Expression) nextLocal(low, high int64) (int64, bool) {
	t := time.Unix(low+59, 0).UTC().Truncate(time.Minute)
	for t.Unix() < high {
		year, month, day := t.Date()
		switch inMonth := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day(); {
		case !e.matchesMonth(int(month)):
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
			continue
		case !e.matchesDay(day, int(t.Weekday()), inMonth):
			t = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
			continue
		}
		hour := next(e.hours, t.Hour())
		if hour < 0 {
			t = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
			continue
		}
		minute := 0
		if hour == t.Hour() {
			minute = t.Minute()
		}
		if minute = next(e.minutes, minute); minute < 0 {
			t = time.Date(year, month, day, hour+1, 0, 0, 0, time.UTC)
			continue
		}
		at := time.Date(year, month, day, hour, minute, 0, 0, time.UTC).Unix()
		return at, at < high
	}
	return 0, false
}
