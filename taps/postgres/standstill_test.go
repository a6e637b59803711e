package postgres

import (
	"testing"
	"time"
)

// A time that was given just now may have a transaction before it that has
// not shown itself yet, though nothing is seen to be open.
func TestTimesOfJustNow(t *testing.T) {
	now := time.Date(2026, 11, 21, 22, 7, 30, 0, time.UTC)
	for _, c := range []struct {
		key         string
		zoned, want bool
	}{
		{"2026-11-21T22:07:29Z", true, true},
		{"2026-11-21T22:07:19Z", true, false},
		{"2026-11-21T22:08:00Z", true, false},
		{"2026-11-21T22:07:29Z", false, true},
		{"2026-11-22T03:52:25Z", false, true}, // Kathmandu
		{"2026-11-21T12:37:29Z", false, true},
		{"2026-11-21T12:30:29Z", false, false},
		{"2026-11-21T22:07:31Z", false, false},
		{"2026-11-18T22:07:29Z", false, false},
		{"2026-11-21T00:00:00Z", false, false}, // a day: only one that has just begun somewhere
	} {
		key, err := time.Parse(time.RFC3339, c.key)
		if err != nil {
			t.Fatal(err)
		}
		if got := justBefore(now, key, c.zoned); got != c.want {
			t.Errorf("%s, zoned %v: %v", c.key, c.zoned, got)
		}
	}
	if !justBefore(time.Date(2026, 11, 21, 22, 30, 5, 0, time.UTC), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), false) {
		t.Error("a day that began five seconds ago somewhere")
	}
}
