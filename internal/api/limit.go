package api

import (
	"sync"
	"time"
)

// limits bound what one asker can make the daemon do.
type limits struct {
	requests *buckets // per token
	failures *buckets // per address, requests with a wrong token
}

func newLimits() *limits {
	return &limits{requests: newBuckets(50, 400, time.Now), failures: newBuckets(0.5, 20, time.Now)}
}

// buckets are token buckets by name: each holds up to burst and gets rate per second.
type buckets struct {
	rate, burst float64
	now         func() time.Time

	mu  sync.Mutex
	all map[string]*bucket
}

type bucket struct {
	level float64
	at    time.Time
}

// most is how many names are remembered; then full ones are forgotten.
const most = 10_000

func newBuckets(rate, burst float64, now func() time.Time) *buckets {
	return &buckets{rate: rate, burst: burst, now: now, all: map[string]*bucket{}}
}

// take takes one; false when there is none left.
func (b *buckets) take(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.filled(name)
	if one.level < 1 {
		return false
	}
	one.level--
	return true
}

func (b *buckets) filled(name string) *bucket {
	now := b.now()
	one := b.all[name]
	if one == nil {
		if len(b.all) >= most {
			b.forget(now)
		}
		one = &bucket{level: b.burst, at: now}
		b.all[name] = one
	}
	one.level = min(b.burst, one.level+b.rate*now.Sub(one.at).Seconds())
	one.at = now
	return one
}

// forget drops those that would be full by now; failing that, all.
func (b *buckets) forget(now time.Time) {
	for name, one := range b.all {
		if one.level+b.rate*now.Sub(one.at).Seconds() >= b.burst {
			delete(b.all, name)
		}
	}
	if len(b.all) >= most {
		clear(b.all)
	}
}
