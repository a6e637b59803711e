package project

import (
	"testing"
	"time"

	"elt/internal/fault"
)

// A flag gives a value also to a setting that nothing declares.
func TestFlagsOfUndeclaredSettings(t *testing.T) {
	p := inProject(t, "plugins: {extractors: [{name: tap-x, namespace: tap_x}]}", Options{})
	s := settings(t, p, "tap-x", SettingsOptions{Flags: map[string]any{"start_date": "2024-01-01", "_select": []any{"a.*"}}})
	if raw, err := s.Config(); err != nil || string(raw) != `{"start_date":"2024-01-01"}` {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestBounds(t *testing.T) {
	from, to := time.Date(2024, 1, 31, 23, 0, 0, 0, time.FixedZone("", -3600)), time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		b          Backfill
		start, end string
	}{
		{Backfill{}, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{Backfill{EndInclusive: true}, "2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999999Z"},
		{Backfill{Format: "%Y-%m-%d", EndInclusive: true}, "2024-02-01", "2024-02-29"},
		{Backfill{Format: "%s"}, "1706745600", "1709251200"},
		{Backfill{Format: "%Y-%m-%dT%H:%M:%SZ", EndInclusive: true}, "2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z"},
	} {
		start, end, err := c.b.Bounds(from, to)
		if start != c.start || end != c.end || err != nil {
			t.Errorf("%+v: %s, %s, %v", c.b, start, end, err)
		}
	}
	if _, _, err := (&Backfill{Format: "%Y-%m-%d"}).Bounds(from.Add(time.Hour), to); fault.CodeOf(err) != fault.Usage {
		t.Errorf("one o'clock as a day: %v", err)
	}
}
