package pipe

import (
	"context"
	"errors"
	"sync"
	"time"

	"elt/internal/limit"
	"elt/internal/singer"
)

// run is a chain on its way.
type run struct {
	Chain
	stages []*stage
	hops   []*hop
	acks   acks
	trace  *singer.Trace

	work sync.WaitGroup // everything but the stops
	stop stopper
}

func newRun(c Chain) *run {
	r := &run{Chain: c, trace: singer.NewTrace(singer.NewBookmarks(c.Start))}
	r.stop = stopper{grace: c.Grace, over: make(chan struct{})}
	return r
}

func (r *run) run(ctx context.Context) Outcome {
	pace, hurry := context.WithCancel(ctx) // its end ends pauses for the sake of a rate
	defer hurry()
	for i, spec := range r.Stages {
		s, err := startStage(r.Host, spec, i == 0)
		if err != nil {
			r.abandon()
			return Outcome{Failure: &Failure{Kind: NotStarted, Stage: spec.Command.Name, Err: err}}
		}
		s.deaf = sync.OnceFunc(func() { hurry(); r.stop.broken(r.stages[:i], s) })
		r.stages = append(r.stages, s)
	}
	last := r.stages[len(r.stages)-1]
	r.acks = acks{from: last, events: &r.Events, start: r.Start, fail: r.fail}
	if len(r.stages) > 1 {
		r.acks.trace = r.trace
	}
	r.join(pace)
	for i, s := range r.stages {
		r.work.Go(func() { r.watch(i, s) })
	}
	r.work.Go(r.acks.run)

	done := make(chan struct{})
	go func() { r.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		r.fail(&Failure{Kind: Stopped, Err: context.Cause(ctx)})
		<-done
	}
	r.stop.finish()
	for _, s := range r.stages {
		s.running.Close()
	}
	return r.judge()
}

// join starts the hops.
func (r *run) join(pace context.Context) {
	for i := range len(r.stages) - 1 {
		h := &hop{from: r.stages[i], to: r.stages[i+1], meter: r.Meter}
		h.index = r.Meter.addHop(h.from.name, h.to.name)
		if i == len(r.stages)-2 {
			h.scan = &scanner{events: &r.Events, trace: r.trace, start: singer.NewBookmarks(r.Start), source: h.from.name, windowed: r.Windowed}
		}
		ended := make(chan struct{})
		before := r.hops
		h.complete = func() bool { return r.stop.reason() == nil && whole(before) }
		h.ended, h.pace, h.curbed = ended, pace, r.stop.limit
		if h.scan != nil {
			r.bind(pace, h)
		}
		r.hops = append(r.hops, h)
		r.work.Go(func() { defer close(ended); h.run() })
	}
}

// bind limits what the last hop passes on.
func (r *run) bind(ctx context.Context, h *hop) {
	before := r.stages[:len(r.stages)-1]
	h.curtail = func(why *limit.Reached) {
		r.stop.curtail(before, why)
		r.work.Go(h.to.closeStdin) // the hop goes on emptying the tap's pipe
	}
	if !r.Limits.Any() {
		return
	}
	gauge := limit.NewGauge(r.Limits)
	h.scan.bound = &bound{Gauge: gauge, streams: r.Streams}
	if r.Limits.Duration == 0 {
		return
	}
	timed, cancel := gauge.Context(ctx)
	r.work.Go(func() {
		defer cancel()
		select {
		case <-timed.Done():
			if why := (*limit.Reached)(nil); errors.As(context.Cause(timed), &why) { // and not that it was stopped
				r.stop.curtail(before, why)
			}
		case <-h.ended:
		}
	})
}

// whole says, once these hops have ended, that all that their stages wrote arrived.
func whole(hops []*hop) bool {
	for _, h := range hops {
		<-h.ended
		if h.err() != nil || !h.from.wait().OK() {
			return false
		}
	}
	return true
}

// watch waits for a stage's end. One that ends while its input still flows
// has nobody to write for before it: those are stopped (invariant 5).
func (r *run) watch(i int, s *stage) {
	<-s.running.Exited()
	s.early = i > 0 && !s.closed.Load()
	if s.early {
		s.deaf()
	}
	s.running.Wait()
}

// fail stops the whole chain, for a reason that lies outside of its stages.
func (r *run) fail(why *Failure) { r.stop.all(r.stages, why) }

// abandon ends what was started before a stage that could not be.
func (r *run) abandon() {
	for _, s := range r.stages {
		s.kill()
		s.running.Close()
		s.running.CloseStdin()()
		s.running.Wait()
	}
}

// stopper climbs the stop ladders of a run and owns the goroutines that do.
type stopper struct {
	grace time.Duration
	over  chan struct{} // closed when every stage has ended
	work  sync.WaitGroup
	mu    sync.Mutex
	why   *Failure
	curb  *limit.Reached // the stages before the target were ended by this limit
}

func (s *stopper) reason() *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// limit is what ended the stages before the target; nil: nothing did.
func (s *stopper) limit() *limit.Reached {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.curb
}

// curtail ends the stages before the target, which drains what it has.
func (s *stopper) curtail(before []*stage, why *limit.Reached) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.curb != nil {
		return
	}
	s.curb = why
	s.work.Go(func() { s.ladder(before, 0, s.grace/3) })
}

// finish waits for the ladders.
func (s *stopper) finish() {
	close(s.over)
	s.work.Wait()
}

// broken ends the stages before one that takes no more input, and in the end
// that one too, if it has not ended by itself.
func (s *stopper) broken(before []*stage, deaf *stage) {
	s.work.Go(func() { s.ladder(before, 0, s.grace/3) })
	s.work.Go(func() { s.ladder([]*stage{deaf}, s.grace*2/3, s.grace) })
}

// all ends a chain, upstream first (invariant 8): the tap has a third of the
// grace to end by itself, the rest drain what it wrote, and are asked to end
// after two thirds.
func (s *stopper) all(stages []*stage, why *Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return
	}
	why.at = time.Now()
	s.why = why
	s.work.Go(func() { s.ladder(stages[:1], 0, s.grace/3) })
	if len(stages) > 1 {
		s.work.Go(func() { s.ladder(stages[1:], s.grace*2/3, s.grace) })
	}
}

// ladder terminates stages after one time and kills them after another, as
// far as the run is not over by then.
func (s *stopper) ladder(stages []*stage, terminate, kill time.Duration) {
	start := time.Now()
	for _, step := range []struct {
		after time.Duration
		do    func(*stage)
	}{{terminate, (*stage).terminate}, {kill, (*stage).kill}} {
		timer := time.NewTimer(step.after - time.Since(start))
		select {
		case <-s.over:
			timer.Stop()
			return
		case <-timer.C:
		}
		for _, st := range stages {
			if !st.ended() {
				step.do(st)
			}
		}
	}
}
