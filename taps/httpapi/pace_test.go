package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequestsKeepTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(2, 60, 0, time.Minute) // a second of the minute is slower than half a second
		start := time.Now()
		for range 5 {
			done, err := p.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			done()
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("5 requests took %s", took)
		}
		// A refusal halves the rate, and all wait as long as the server says.
		p.told(time.Now(), 429, http.Header{}, 10*time.Second)
		at := time.Now()
		for range 3 {
			_, _ = p.acquire(t.Context())
		}
		if took := time.Since(at); took != 10*time.Second+2*2*time.Second {
			t.Errorf("after a refusal 3 requests took %s", took)
		}
		// Successes bring the configured rate back, and no more.
		for range 100 {
			p.told(time.Now(), 200, http.Header{}, -1)
		}
		if p.gap != time.Second {
			t.Errorf("the gap is %s", p.gap)
		}
	})
}

func TestAnUnlimitedPaceIsSlowedByRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, 0, 0, time.Minute)
		for range 100 {
			_, _ = p.acquire(t.Context())
			time.Sleep(20 * time.Millisecond)
		}
		p.told(time.Now(), 429, http.Header{}, -1)
		if p.gap != 40*time.Millisecond {
			t.Errorf("50 requests per second became one per %s", p.gap)
		}
		for range 2000 {
			p.told(time.Now(), 200, http.Header{}, -1)
		}
		if p.gap != 0 {
			t.Errorf("the gap is %s", p.gap)
		}
	})
}

func TestLimitHeaders(t *testing.T) {
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"X-RateLimit-Remaining: 0|X-RateLimit-Reset: 30":                     30 * time.Second,
		"X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1704067215":             15 * time.Second, // since 1970
		"X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1704067215000":          15 * time.Second,
		"X-Rate-Limit-Remaining: 0|X-Rate-Limit-Reset: 2024-01-01T00:00:05Z": 5 * time.Second,
		"RateLimit-Limit: 10|RateLimit-Remaining: 0|RateLimit-Reset: 7":      7 * time.Second,
		"RateLimit: limit=100, remaining=0, reset=50":                        50 * time.Second,
		`RateLimit: "default";r=0;t=20`:                                      20 * time.Second,
		"X-RateLimit-Remaining: 5|X-RateLimit-Reset: 30":                     0,
		"X-RateLimit-Remaining: 0|X-RateLimit-Reset: 3600":                   0, // longer than longest_pause: the server will say so itself
		"X-RateLimit-Remaining: 0":                                           0,
		"Content-Type: text/plain":                                           0,
	} {
		h := http.Header{}
		for line := range strings.SplitSeq(text, "|") {
			name, value, _ := strings.Cut(line, ": ")
			h.Set(name, value)
		}
		p := newPace(0, 0, 0, time.Minute)
		p.told(now, 200, h, -1)
		if got := p.reserve(now); got != want {
			t.Errorf("%s: a wait of %s, not %s", text, got, want)
		}
	}
}
