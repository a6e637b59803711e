// Package limit bounds what one run moves: rows, bytes, time, and how fast.
//
// A run that reaches a limit is not cut anywhere: it goes on to the next
// bookmark, so that the next run begins there and repeats nothing. Where none
// comes in time (as many rows or bytes again, or a minute) it ends without.
package limit

import (
	"cmp"
	"fmt"
	"time"
)

// Limits are what a run may move; a zero field is no limit.
type Limits struct {
	Rows     int64         `json:"rows,omitempty"`
	Bytes    int64         `json:"bytes,omitempty"` // as the run's summary counts them
	Duration time.Duration `json:"duration,omitempty"`
	// RowRate and ByteRate are per second.
	RowRate  int64 `json:"row_rate,omitempty"`
	ByteRate int64 `json:"byte_rate,omitempty"`
	// PerStream makes the run a preview: the first rows of each stream, and no
	// bookmark.
	PerStream int64 `json:"per_stream,omitempty"`
}

// Any says that something is limited.
func (l Limits) Any() bool { return l != Limits{} }

// Strictest has the lower limit of both in each field.
func (l Limits) Strictest(o Limits) Limits {
	return Limits{
		Rows: lower(l.Rows, o.Rows), Bytes: lower(l.Bytes, o.Bytes), Duration: lower(l.Duration, o.Duration),
		RowRate: lower(l.RowRate, o.RowRate), ByteRate: lower(l.ByteRate, o.ByteRate), PerStream: lower(l.PerStream, o.PerStream),
	}
}

func lower[N cmp.Ordered](a, b N) N {
	var none N
	if a == none || b != none && b < a {
		return b
	}
	return a
}

// Patience is how much longer than Duration a run waits for a bookmark.
func (l Limits) Patience() time.Duration { return min(l.Duration, time.Minute) }

// Reached says which limit ended a run. It is the error of calls that come
// after it.
type Reached struct {
	Setting string // "max_rows"
	Value   string
}

func (r *Reached) Error() string { return fmt.Sprintf("%s: %s is reached", r.Setting, r.Value) }
