package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elt/internal/project"
	"elt/state"
)

const (
	// held is how long a failure that is over already is still told of, and
	// held slots a missed one, so that what is short is seen at all.
	held      = time.Minute
	heldSlots = 15 * time.Minute
	// lateness is how long a run that is due may wait.
	lateness = 5 * time.Minute
	// lagging is how much of its log a source may keep for a replication slot.
	lagging = 10_000_000_000
	// leeway is what silence is given over the times that passed.
	leeway = 5 * time.Minute
)

// failed: the newest outcome that stands is a failure, or was a moment ago.
func failed(p Pipeline, _ project.AlertRule, now time.Time) (c Condition, found bool) {
	list := p.decided()
	i := slices.IndexFunc(list, func(e state.Execution) bool { return e.Status == state.Failed || e.Status == state.Lost })
	if i < 0 || i > 0 && now.Sub(*list[i].Ended) >= held {
		return c, false
	}
	e := list[i]
	c.Run, c.Summary = e.ID, p.Name+" failed"
	if e.Status == state.Lost {
		c.Summary = p.Name + " was lost"
	}
	if e.Attempt > 1 {
		c.Summary += fmt.Sprintf(" after %d attempts", e.Attempt)
	}
	var lines []string
	if e.Cause != "" {
		lines = append(lines, e.Cause)
	}
	if row := inARow(list[i:]); row > 1 {
		lines = append(lines, fmt.Sprintf("%d times in a row", row))
	}
	if e.ExitCode != 0 {
		lines = append(lines, fmt.Sprintf("exit code %d", e.ExitCode))
	}
	c.Detail = strings.Join(lines, "\n")
	return c, true
}

func inARow(list []state.Execution) int {
	for i, e := range list {
		if e.Status == state.Succeeded {
			return i
		}
	}
	return len(list)
}

// long: a run goes on for longer than the rule says, or than is usual.
func long(p Pipeline, r project.AlertRule, now time.Time) (c Condition, found bool) {
	for _, e := range p.Executions {
		if e.Status != state.Running || e.Started == nil || fullRefresh(e) && r.LongerThan == 0 {
			continue
		}
		took := now.Sub(*e.Started)
		if r.LongerThan > 0 {
			if took > r.LongerThan {
				return Condition{Run: e.ID, Summary: fmt.Sprintf("%s runs for longer than %s", p.Name, short(r.LongerThan)),
					Detail: "since " + stamp(*e.Started)}, true
			}
			continue
		}
		b, ok := usual(p.durations(), time.Minute.Seconds())
		if ok && b.above(took.Seconds()) {
			return Condition{Run: e.ID, Summary: fmt.Sprintf("%s runs for longer than usual", p.Name),
				Detail: fmt.Sprintf("since %s, more than %s; usual are %s", stamp(*e.Started), short(seconds(b.median+b.width)), short(seconds(b.median)))}, true
		}
	}
	return c, false
}

// odd: the newest run moved far more or fewer rows of a stream than is usual.
func odd(p Pipeline, _ project.AlertRule, _ time.Time) (c Condition, found bool) {
	var lines []string
	for _, s := range p.Streams {
		if len(s.Rows) == 0 {
			continue
		}
		var before []float64
		for _, n := range s.Rows[1:] {
			before = append(before, float64(n))
		}
		b, ok := usual(before, 100)
		rows := float64(s.Rows[0])
		if ok && (b.above(rows) || b.below(rows)) {
			lines = append(lines, fmt.Sprintf("%s: %d rows, usual are %.0f", s.Name, s.Rows[0], b.median))
		}
	}
	if lines == nil {
		return c, false
	}
	return Condition{Summary: fmt.Sprintf("%s moved unusually many or few rows", p.Name), Detail: strings.Join(lines, "\n")}, true
}

// missed: a time of the schedule passed while nobody was there; until a later
// one has fired, and a while longer.
func missed(p Pipeline, _ project.AlertRule, now time.Time) (c Condition, found bool) {
	fired := false
	var times []string
	why := ""
	for _, s := range p.Slots {
		fired = fired || s.Outcome == state.SlotFired
		if s.Outcome != state.SlotMissed || fired && now.Sub(s.At) >= heldSlots {
			continue
		}
		if times = append(times, stamp(s.Slot)); why == "" {
			why = s.Why
		}
	}
	if times == nil {
		return c, false
	}
	if n := len(times); n > 5 {
		times = append(times[:5], fmt.Sprintf("and %d before", n-5))
	}
	return Condition{Summary: fmt.Sprintf("%s did not run at a time of its schedule", p.Name),
		Detail: strings.Join(append(times, why), "\n")}, true
}

// silent: no success for so long, or, where the rule does not say, since
// three times of the schedule.
func silent(p Pipeline, r project.AlertRule, now time.Time) (c Condition, found bool) {
	since := p.Success
	if since.IsZero() {
		since = p.Known
	}
	if since.IsZero() || p.Paused {
		return c, false
	}
	limit := since.Add(r.SilentFor)
	if r.SilentFor == 0 {
		if p.Times == nil {
			return c, false
		}
		limit = since
		for range 3 {
			next, ok := p.Times.Next(limit)
			if !ok {
				return c, false
			}
			if limit = next; !now.After(limit) {
				return c, false
			}
		}
		if took := p.durations(); len(took) > 0 {
			limit = limit.Add(2 * seconds(median(took)))
		}
		limit = limit.Add(leeway)
	}
	if !now.After(limit) {
		return c, false
	}
	c.Summary = fmt.Sprintf("%s has not succeeded for %s", p.Name, short(limit.Sub(since)))
	c.Detail = "the last success ended at " + stamp(since)
	if p.Success.IsZero() {
		c.Detail = "it has never succeeded; known since " + stamp(since)
	}
	return c, true
}

// stale: a stream was not loaded within the time that was promised.
func stale(p Pipeline, r project.AlertRule, now time.Time) (c Condition, found bool) {
	limit := p.FreshWithin
	if limit == 0 {
		limit = r.FreshWithin
	}
	if limit == 0 {
		return c, false
	}
	var lines []string
	for _, s := range p.Streams {
		if now.Sub(s.Loaded) > limit {
			lines = append(lines, fmt.Sprintf("%s: %s", s.Name, loaded(s.Loaded)))
		}
	}
	since := p.Success
	if since.IsZero() {
		since = p.Known
	}
	if len(p.Streams) == 0 && !since.IsZero() && now.Sub(since) > limit {
		lines = append(lines, loaded(p.Success))
	}
	if lines == nil {
		return c, false
	}
	return Condition{Summary: fmt.Sprintf("%s is not fresh: not loaded within %s", p.Name, short(limit)), Detail: strings.Join(lines, "\n")}, true
}

func loaded(at time.Time) string {
	if at.IsZero() {
		return "never loaded"
	}
	return "loaded at " + stamp(at)
}

// late: a run that is due by its schedule waits for a worker.
func late(p Pipeline, r project.AlertRule, now time.Time) (c Condition, found bool) {
	limit := r.LateBy
	if limit == 0 {
		limit = lateness
	}
	for _, e := range p.Executions {
		if e.Status == state.Queued && e.Slot != nil && now.Sub(e.NotBefore) > limit {
			return Condition{Run: e.ID, Summary: fmt.Sprintf("%s waits for a worker for more than %s", p.Name, short(limit)),
				Detail: "due at " + stamp(e.NotBefore)}, true
		}
	}
	return c, false
}

// behind: a source keeps more of its log for a replication slot than the rule
// says, or is about to throw away what the slot needs.
func behind(p Pipeline, r project.AlertRule, _ time.Time) (c Condition, found bool) {
	limit := r.LagAbove
	if limit == 0 {
		limit = lagging
	}
	var lines []string
	for _, l := range p.Lags {
		switch {
		case l.Status == "unreserved":
			lines = append(lines, fmt.Sprintf("slot %s: about to be lost, the source has reached its limit of %s of log (max_slot_wal_keep_size)", l.Slot, size(l.Bytes)))
		case l.Bytes > limit:
			lines = append(lines, fmt.Sprintf("slot %s: %s of log are kept", l.Slot, size(l.Bytes)))
		}
	}
	if lines == nil {
		return c, false
	}
	return Condition{Summary: fmt.Sprintf("%s lags behind the log of its source", p.Name), Detail: strings.Join(lines, "\n")}, true
}

// size is a number of bytes as people write it, and as lag_above takes it.
func size(bytes int64) string {
	if bytes >= 1e9 {
		return fmt.Sprintf("%.1fGB", float64(bytes)/1e9)
	}
	return fmt.Sprintf("%.1fMB", float64(bytes)/1e6)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// short is a duration as people write it: 26h, 1h30m, 90s.
func short(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Hour {
		d = d.Round(time.Minute)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
