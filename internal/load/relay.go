package load

import (
	"sync"
	"sync/atomic"
	"time"
)

// relay runs calls one after another on a goroutine of its own, so that the
// source is read while the destination works. Few calls wait at a time: a
// slow destination blocks the caller, and that blocks the source.
//
// The first error ends it: later calls are dropped and get that error.
type relay struct {
	calls   chan func() error
	failed  chan struct{} // closed once err is set
	stopped chan struct{} // closed when the goroutine is gone
	once    sync.Once
	err     error
	waits   *waits
}

// waits are nanoseconds that one side waited for the other.
type waits struct {
	tap    atomic.Int64 // for the source
	target atomic.Int64 // for the destination
}

// depth of the queue, in calls. With a batch or so per call this bounds the
// memory of rows under way.
const depth = 4

// newRelay starts the goroutine; whoever has the relay must close it. tick is
// called every interval between calls.
func newRelay(w *waits, interval time.Duration, tick func() error) *relay {
	r := &relay{
		calls:   make(chan func() error, depth),
		failed:  make(chan struct{}),
		stopped: make(chan struct{}),
		waits:   w,
	}
	go r.run(interval, tick)
	return r
}

func (r *relay) run(interval time.Duration, tick func() error) {
	defer close(r.stopped)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		idle := time.Now()
		select {
		case call, open := <-r.calls:
			r.waits.tap.Add(int64(time.Since(idle)))
			if !open {
				return
			}
			r.settle(call)
		case <-ticker.C:
			r.waits.tap.Add(int64(time.Since(idle)))
			r.settle(tick)
		}
	}
}

func (r *relay) settle(call func() error) {
	if r.err != nil {
		return
	}
	if err := call(); err != nil {
		r.err = err
		close(r.failed)
	}
}

// do queues a call. Its error is that of an earlier call.
func (r *relay) do(call func() error) error {
	select {
	case <-r.failed:
		return r.err
	default:
	}
	select {
	case r.calls <- call:
		return nil
	default:
	}
	full := time.Now()
	defer func() { r.waits.target.Add(int64(time.Since(full))) }()
	select {
	case r.calls <- call:
		return nil
	case <-r.failed:
		return r.err
	}
}

// close waits for all queued calls and the goroutine; it returns the first
// error of any call. More than one close is one.
func (r *relay) close() error {
	r.once.Do(func() { close(r.calls) })
	<-r.stopped
	return r.err
}
