package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pace spreads requests over time: at most at the configured rate, not before
// a moment that the server named, and at half the rate after each refusal. It
// quickens again, by a twentieth per success.
type pace struct {
	least time.Duration // between requests, as configured; 0: none
	most  time.Duration // the longest wait for a limit that headers tell of
	slots chan struct{} // requests on their way, nil: any number

	mu      sync.Mutex
	gap     time.Duration // between requests at the moment
	next    time.Time     // when the next request may start
	started time.Time     // the first request, for the rate so far
	sent    int
}

// slowest is the longest gap that refusals lead to.
const slowest = time.Minute

func newPace(perSecond, perMinute float64, together int, most time.Duration) *pace {
	p := &pace{most: most}
	if perSecond > 0 {
		p.least = time.Duration(float64(time.Second) / perSecond)
	}
	if perMinute > 0 {
		p.least = max(p.least, time.Duration(float64(time.Minute)/perMinute))
	}
	if together > 0 {
		p.slots = make(chan struct{}, together)
	}
	p.gap = p.least
	return p
}

// acquire waits for the moment of the next request; done gives its slot back.
func (p *pace) acquire(ctx context.Context) (done func(), err error) {
	done = func() {}
	if p.slots != nil {
		select {
		case p.slots <- struct{}{}:
			done = func() { <-p.slots }
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if wait := p.reserve(time.Now()); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			done()
			return nil, context.Cause(ctx)
		}
	}
	return done, nil
}

// reserve is how long from now the next request must wait.
func (p *pace) reserve(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent++; p.sent == 1 {
		p.started = now
	}
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.gap)
	return at.Sub(now)
}

// told learns from an answer: its status, its headers, and how long it asks
// to wait (-1: it does not say).
func (p *pace) told(now time.Time, status int, h http.Header, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case status == http.StatusTooManyRequests:
		if p.gap == 0 { // the rate so far was too much
			p.gap = now.Sub(p.started) / time.Duration(max(1, p.sent))
		}
		p.gap = min(max(2*p.gap, 10*time.Millisecond), slowest)
		if wait > 0 && wait <= p.most {
			p.after(now.Add(wait))
		}
	case status < 300 && p.gap > p.least:
		if p.gap = max(p.least, p.gap-p.gap/20); p.gap < time.Millisecond {
			p.gap = p.least
		}
	}
	if left, reset, ok := limits(h, now); ok && left <= 0 && reset > 0 && reset <= p.most {
		p.after(now.Add(reset))
	}
}

func (p *pace) after(at time.Time) {
	if p.next.Before(at) {
		p.next = at
	}
}

// limits reads how many requests are left and when there will be more, from
// the headers in use: X-RateLimit-Remaining and -Reset, their relatives, and
// the IETF's RateLimit in its three forms so far (draft-ietf-httpapi-ratelimit-headers).
func limits(h http.Header, now time.Time) (left int, reset time.Duration, ok bool) {
	for _, prefix := range []string{"X-RateLimit-", "X-Rate-Limit-", "RateLimit-"} {
		n, err := strconv.Atoi(strings.TrimSpace(h.Get(prefix + "Remaining")))
		at := strings.TrimSpace(h.Get(prefix + "Reset"))
		if err != nil || at == "" {
			continue
		}
		if seconds, err := strconv.ParseFloat(at, 64); err == nil && seconds >= 0 {
			if seconds > 1e12 { // milliseconds since 1970
				seconds /= 1000
			}
			if seconds > 1e9 { // since 1970
				return n, time.Unix(0, int64(seconds*1e9)).Sub(now), true
			}
			return n, Seconds(seconds), true
		}
		if when, err := time.Parse(time.RFC3339, at); err == nil {
			return n, when.Sub(now), true
		}
	}
	value := h.Get("RateLimit")
	n, t := -1, -1.0
	for part := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ',' || c == ';' }) {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch number, err := strconv.ParseFloat(v, 64); {
		case err != nil:
		case k == "remaining", k == "r":
			n = int(number)
		case k == "reset", k == "t":
			t = number
		}
	}
	if n < 0 || t < 0 {
		return 0, 0, false
	}
	return n, Seconds(t), true
}
