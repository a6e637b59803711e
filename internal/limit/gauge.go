package limit

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Gauge counts what a run moves against its Limits. It is safe for concurrent
// use by the run's streams.
type Gauge struct {
	Limits
	started time.Time

	mu          sync.Mutex
	rows, bytes int64
	paid        time.Time // when all that has moved will be within the rates
}

// NewGauge starts counting.
func NewGauge(l Limits) *Gauge {
	now := time.Now()
	return &Gauge{Limits: l, started: now, paid: now}
}

// Add counts what moves.
func (g *Gauge) Add(rows, bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rows += rows
	g.bytes += bytes
}

// Pace waits until the rates allow so much, or ctx ends. It is called before
// rows move, with as many as move together.
func (g *Gauge) Pace(ctx context.Context, rows, bytes int64) {
	wait := g.pay(time.Now(), max(price(rows, g.RowRate), price(bytes, g.ByteRate)))
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// overslept is how much of a pause that was too long is made good.
const overslept = 100 * time.Millisecond

func (g *Gauge) pay(now time.Time, cost time.Duration) time.Duration {
	if cost == 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if earliest := now.Add(-overslept); g.paid.Before(earliest) {
		g.paid = earliest
	}
	g.paid = g.paid.Add(cost)
	return g.paid.Sub(now)
}

// price is the time that n units take at a rate per second.
func price(n, rate int64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// Reached is the limit that the run has come to; nil: none. The run ends with
// the next bookmark then, or, when hard, at once.
func (g *Gauge) Reached() (r *Reached, hard bool) { return g.reached(time.Since(g.started)) }

func (g *Gauge) reached(took time.Duration) (*Reached, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var first *Reached
	hard := false
	over := func(setting string, value any, patienceOver bool) {
		if first == nil || patienceOver && !hard {
			first, hard = &Reached{setting, fmt.Sprint(value)}, patienceOver
		}
	}
	if g.Rows > 0 && g.rows >= g.Rows {
		over("max_rows", g.Rows, g.rows-g.Rows >= g.Rows)
	}
	if g.Bytes > 0 && g.bytes >= g.Bytes {
		over("max_bytes", g.Bytes, g.bytes-g.Bytes >= g.Bytes)
	}
	if g.Duration > 0 && took >= g.Duration {
		over("max_duration", g.Duration, took >= g.Duration+g.Patience())
	}
	return first, hard
}

// Context ends, for the Reached that is its cause, when the run has waited for
// a bookmark long enough after its Duration.
func (g *Gauge) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	if g.Duration == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, g.started.Add(g.Duration+g.Patience()), &Reached{"max_duration", g.Duration.String()})
}
