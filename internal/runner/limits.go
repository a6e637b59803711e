package runner

import (
	"fmt"

	"elt/internal/fault"
	"elt/internal/limit"
	"elt/internal/project"
)

// limits are what the tap's and the target's extras allow, whichever is less.
// A chunk of a backfill is done whole or not at all: only its rate counts.
func (s *set) limits() (limit.Limits, error) {
	var all limit.Limits
	for _, stage := range s.stages {
		l, err := limitsOf(stage.Settings)
		if err != nil {
			return all, err
		}
		all = all.Strictest(l)
	}
	if s.Window != nil {
		return limit.Limits{RowRate: all.RowRate, ByteRate: all.ByteRate}, nil
	}
	all.PerStream = s.Limit
	return all, nil
}

func limitsOf(settings *project.Settings) (l limit.Limits, err error) {
	for _, one := range []struct {
		name string
		read func(text string) error
	}{
		{"max_rows", func(text string) (err error) { l.Rows, err = limit.ParseRows(text); return }},
		{"max_bytes", func(text string) (err error) { l.Bytes, err = limit.ParseBytes(text); return }},
		{"max_duration", func(text string) (err error) { l.Duration, err = project.ParseDuration(text); return }},
		{"max_rate", func(text string) (err error) { l.RowRate, l.ByteRate, err = limit.ParseRate(text); return }},
	} {
		value := settings.Extra(one.name)
		if value == nil || value == "" {
			continue
		}
		if err := one.read(fmt.Sprint(value)); err != nil {
			return l, fault.New(fault.BadConfig, "%s of %s: %v", one.name, settings.Plugin.Name, err)
		}
	}
	return l, nil
}

// selected is how many streams the tap was told to read, 0 when unknown.
func (s *set) selected() int {
	if s.catalog == nil {
		return 0
	}
	return len(s.catalog.Selected())
}

// limited is the error of a run that a limit has ended: "max_rows: 10 is reached".
func (s *set) limited(reached string) error {
	s.report.Notes = append(s.report.Notes, "ended early: "+reached)
	err := fault.New(fault.LimitReached, "the run ended early: %s", reached)
	if s.counts.bookmark() == nil {
		return err.WithHint("it came to no bookmark, so the next run begins where this one did; a higher limit lets it come to one")
	}
	return err.WithHint("what its last bookmarks cover is loaded, and the next run goes on from there")
}
