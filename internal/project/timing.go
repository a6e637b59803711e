package project

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"elt/internal/cron"
)

// Timing is when a schedule fires by itself, and what happens around a run:
// keys of ours, which Meltano does not know, and their defaults.
type Timing struct {
	Times   cron.Times     // nil: never
	Started bool           // it has a start_date, which Times keep
	Zone    *time.Location // in which times of day are meant
	Jitter  time.Duration  // how much later than its time a run may begin
	Paused  bool
	// Catchup is "none", "latest", "all" or "" (the daemon's default);
	// CatchupMax is how many missed times "all" makes up for.
	Catchup    string
	CatchupMax int
	Overlap    string // "skip", "queue", "cancel" or "" (the daemon's default)
	Timeout    time.Duration
	Retry      Retry
	// FreshWithin is how old the newest success may become; 0: any age.
	FreshWithin time.Duration
	// OnSuccess and OnFailure are jobs and schedules that run next.
	OnSuccess, OnFailure []string
}

// Retry says how a failed run is repeated.
type Retry struct {
	Set     bool          // false: the daemon's default
	Times   int           // -1: until Until
	Delay   time.Duration // before the first
	Waits   bool          // Delay was written: it is for lost runs too
	Backoff float64       // each delay is so many times the one before, up to an hour
	// Until is when no retry begins any more: a time of day after the slot
	// ("05:00"), or a duration since it ("5h"); "" never.
	Until string
}

// Deadline is the instant after which no retry of a slot begins; zero: none.
func (r Retry) Deadline(slot time.Time, zone *time.Location) time.Time {
	if r.Until == "" {
		return time.Time{}
	}
	if d, err := ParseDuration(r.Until); err == nil {
		return slot.Add(d)
	}
	hour, minute, _ := strings.Cut(r.Until, ":")
	e, err := cron.Parse(minute + " " + hour + " * * *")
	if err != nil {
		return time.Time{}
	}
	at, _ := e.Next(slot, zone)
	return at
}

const catchupMax = 100

var clock = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([01]?\d|2[0-3]):[0-5]\d$`) })

// readTiming reads a schedule's keys; the first mistake in them makes the
// schedule one that runs only by hand.
func readTiming(n *node, expression string) (t Timing, err error) {
	t = Timing{Zone: time.UTC, Catchup: n.get("catchup").text(), CatchupMax: catchupMax, Overlap: n.get("overlap").text(),
		OnSuccess: n.get("on_success").texts(), OnFailure: n.get("on_failure").texts(),
		Retry: Retry{Delay: 5 * time.Minute, Backoff: 2, Until: n.get("retry_until").text()}}
	wrong := func(key, format string, args ...any) {
		if err == nil {
			err = n.get(key).errorf("%s: %s", key, fmt.Sprintf(format, args...))
		}
	}
	duration := func(key string, to *time.Duration) {
		if v := n.get(key); v != nil {
			d, bad := ParseDuration(v.text())
			if bad != nil {
				wrong(key, "%v", bad)
			}
			*to = d
		}
	}
	count := func(key string, to *int) {
		if v := n.get(key); v != nil {
			number, bad := strconv.Atoi(v.text())
			if bad != nil || number < 0 {
				wrong(key, "%q is no number of times", v.text())
			}
			*to = number
		}
	}
	if zone := n.get("timezone").text(); zone != "" {
		var bad error
		if t.Zone, bad = time.LoadLocation(zone); bad != nil || zone == "Local" {
			t.Zone = time.UTC
			wrong("timezone", "%q is no time zone, as Europe/Berlin is", zone)
		}
	}
	duration("jitter", &t.Jitter)
	duration("timeout", &t.Timeout)
	duration("fresh_within", &t.FreshWithin)
	duration("retry_delay", &t.Retry.Delay)
	count("retries", &t.Retry.Times)
	count("catchup_max", &t.CatchupMax)
	t.Paused = n.get("paused").text() == "true"
	if v := n.get("retry_backoff"); v != nil {
		if t.Retry.Backoff, err = strconv.ParseFloat(v.text(), 64); err != nil || t.Retry.Backoff < 1 {
			err = nil
			wrong("retry_backoff", "%q is no factor of 1 or more", v.text())
		}
	}
	if t.Retry.Until != "" {
		if n.get("retries") == nil {
			t.Retry.Times = -1
		}
		if _, bad := ParseDuration(t.Retry.Until); bad != nil && !clock().MatchString(t.Retry.Until) {
			wrong("retry_until", "%q is neither a time of day (05:00) nor a duration (5h)", t.Retry.Until)
		}
	}
	t.Retry.Waits = n.get("retry_delay") != nil
	t.Retry.Set = n.get("retries") != nil || t.Retry.Until != ""
	start, started := time.Time{}, false
	if v := n.get("start_date"); v != nil && !v.isNull() {
		if start, started = parseStart(v.text(), t.Zone); !started {
			wrong("start_date", "%q is no date, as 2024-01-31 or 2024-01-31T06:00:00Z is", v.text())
		}
	}
	switch period := n.get("every"); {
	case period != nil && n.get("interval").text() != "":
		wrong("every", "a schedule has an interval or every, not both")
	case period != nil:
		var d time.Duration
		if duration("every", &d); err == nil && d < time.Minute {
			wrong("every", "%s is shorter than a minute", period.text())
		}
		if err == nil {
			if !started { // whole hours, days and weeks lie where people expect them
				start = time.Date(1970, 1, 5, 0, 0, 0, 0, t.Zone)
			}
			t.Times = cron.Every(d, start)
		}
	case expression != "":
		if e, bad := cron.Parse(expression); bad == nil {
			t.Times = cron.In(e, t.Zone)
		}
	}
	if started && t.Times != nil {
		t.Started = true
		t.Times = cron.From(start, t.Times)
	}
	if err != nil {
		t.Times = nil
	}
	return t, err
}

func parseStart(text string, zone *time.Location) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// ParseDuration reads a duration as Go does ("1h30m"), and days and weeks of
// 24 hours each ("7d", "2w"). A number alone is seconds.
func ParseDuration(text string) (time.Duration, error) {
	number, unit := text, "s"
	if i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		number, unit = text[:i], text[i:]
	}
	hours := map[string]time.Duration{"s": time.Second, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[unit]
	if n, err := strconv.ParseInt(number, 10, 32); err == nil && hours > 0 {
		return time.Duration(n) * hours, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration, as 90s, 15m, 2h or 7d is", text)
	}
	return d, nil
}
