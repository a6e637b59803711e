package cron

import "time"

// Times are the instants at which something fires.
type Times interface {
	// Next is the first after a given instant; false if there is none.
	Next(after time.Time) (time.Time, bool)
}

// In are the times of an expression in a zone.
func In(e Expression, zone *time.Location) Times { return zoned{e, zone} }

type zoned struct {
	expression Expression
	zone       *time.Location
}

func (z zoned) Next(after time.Time) (time.Time, bool) { return z.expression.Next(after, z.zone) }

// Every are the times that lie a whole number of periods after an anchor:
// real time, whatever clocks show.
func Every(period time.Duration, anchor time.Time) Times { return every{period, anchor} }

type every struct {
	period time.Duration
	anchor time.Time
}

func (e every) Next(after time.Time) (time.Time, bool) {
	if after.Before(e.anchor) {
		return e.anchor, true
	}
	// A Duration reaches 292 years, which is far enough from any anchor.
	return e.anchor.Add((after.Sub(e.anchor)/e.period + 1) * e.period), true
}

// From are times that are not before a start.
func From(start time.Time, t Times) Times { return from{start, t} }

type from struct {
	start time.Time
	times Times
}

func (f from) Next(after time.Time) (time.Time, bool) {
	if after.Before(f.start) {
		after = f.start.Add(-time.Nanosecond)
	}
	return f.times.Next(after)
}
