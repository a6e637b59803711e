package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// unit is what a number in the replication key counts.
func (src *source) unit() string {
	return map[string]string{"unix": "s", "unix_ms": "ms"}[src.Window.Format]
}

// slices cuts the window from the bookmark, less the look-back, to end_date.
func (r *reader) slices() []slice {
	s := slice{start: r.src.start, end: r.set.end, until: r.set.now}
	switch {
	case !r.from.At.IsZero():
		if at := r.from.At.Add(-r.src.lookback); at.After(s.start) {
			s.start = at
		}
	case !r.from.IsZero():
		s.least = r.from
	}
	if !s.end.IsZero() {
		s.until = s.end
	}
	if !s.end.IsZero() && !s.start.Before(s.end) {
		return nil // the bookmark lies behind end_date: all was read
	}
	if r.src.slice == 0 || s.start.IsZero() {
		return []slice{s}
	}
	var all []slice
	for at := s.start; ; {
		end := at.Add(r.src.slice)
		if !end.Before(s.until) {
			return append(all, slice{start: at, end: s.end, until: s.until})
		}
		all = append(all, slice{start: at, end: end, until: end})
		at = end
	}
}

// tooMuch says that a slice must be halved.
type tooMuch struct{ why string }

func (t *tooMuch) Error() string { return t.why }

// much says of an error that the slice is too large for the API: it takes too
// long, or the API says so by a status.
func (r *reader) much(err error) bool {
	var status *httpapi.StatusError
	return httpapi.TimedOut(err) || errors.As(err, &status) && slices.Contains(r.src.Window.CapStatus, status.Status)
}

func (r *reader) halvable(s slice) bool {
	return r.src.halves() && s.until.Sub(s.start) > r.src.shortest
}

// judged makes an error of the API one that halves the slice, where it may.
func (r *reader) judged(s slice, err error) error {
	if err != nil && r.halvable(s) && r.much(err) {
		return &tooMuch{fmt.Sprintf("the API gives up: %v", err)}
	}
	return err
}

// capped is the error of a slice of which the API gives no more than its cap.
// all is how many records it has given.
func (r *reader) capped(pg *page, all int) error {
	most := r.src.Window.Cap
	if most == 0 {
		return nil
	}
	if all >= most {
		return &tooMuch{fmt.Sprintf("a window gives %d records, which is as many as window.cap allows", all)}
	}
	if r.src.total == nil {
		return nil
	}
	p := &pages{src: r.src}
	if total, err := p.total(pg); err != nil {
		return err
	} else if total >= most {
		return &tooMuch{fmt.Sprintf("a window has %d records, and window.cap is %d", total, most)}
	}
	return nil
}

// halve cuts a slice in the middle, at a whole second where there is one.
func (r *reader) halve(s slice, why *tooMuch) ([]slice, error) {
	width := s.until.Sub(s.start)
	if width <= r.src.shortest {
		return nil, fault.New(fault.Failed, "from %s to %s %s, and it cannot be halved any more: none of it is taken", s.start.Format(time.RFC3339Nano), s.until.Format(time.RFC3339Nano), why).
			WithKind(fault.KindLimit).WithHint("window.shortest may be less than %s, if the API knows finer times", r.src.Window.Shortest)
	}
	half := width / 2
	if half > time.Second {
		half = half.Truncate(time.Second)
	}
	middle := s.start.Add(half)
	return []slice{{start: s.start, end: middle, until: middle}, {start: middle, end: s.end, until: s.until}}, nil
}

// windowed are vars with start and end of s.
func windowed(vars variables, src *source, s slice) variables {
	own := maps.Clone(vars)
	own["start"], own["end"] = nil, nil
	if !s.start.IsZero() {
		own["start"] = src.instant(s.start)
	} else if !s.least.IsZero() {
		own["start"] = s.least.Text()
	}
	if !s.until.IsZero() {
		own["end"] = src.instant(s.until)
	}
	return own
}

// instant is a time as the API writes it.
func (src *source) instant(t time.Time) any {
	t = t.UTC()
	switch src.Window.Format {
	case "date":
		return t.Format(time.DateOnly)
	case "datetime":
		return t.Format(time.DateTime)
	case "unix":
		return json.Number(strconv.FormatInt(t.Unix(), 10))
	case "unix_ms":
		return json.Number(strconv.FormatInt(t.UnixMilli(), 10))
	}
	return t.Format(time.RFC3339Nano)
}
