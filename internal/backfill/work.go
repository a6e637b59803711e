package backfill

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/state"
)

// Work is one process's work on one backfill.
type Work struct {
	Runner   *runner.Runner
	Specs    Spec
	Watch    Watcher
	ID       string        // of a new backfill; "" makes one
	LeaseTTL time.Duration // for how long the store may be away between chunks

	set  *project.Set
	plan *Plan
	opt  Options
	id   string
	held *runner.Held
}

// Watcher is told how a backfill goes; its methods are called one at a time.
type Watcher interface {
	Planned(id string, p *Plan, chunks int) // chunks are still to be run
	Started(c state.Chunk)
	Ended(c state.Chunk, seconds float64)
}

// NewID makes the id of a backfill: the day, and something that no other has.
func NewID(now time.Time) string {
	b := make([]byte, 3)
	rand.Read(b) // never fails
	return now.UTC().Format("20060102") + "-" + hex.EncodeToString(b)
}

// New works on a new backfill of a plan.
func (w *Work) New(ctx context.Context, set *project.Set, p *Plan, o Options) (state.Backfill, error) {
	o.named(set)
	w.set, w.plan, w.opt, w.id = set, p, o, w.ID
	if w.id == "" {
		w.id = NewID(time.Now())
	}
	environment, _ := w.Runner.Project.Environment()
	b, err := p.record(w.id, environment, o)
	if err != nil {
		return b, err
	}
	return w.holding(ctx, func() error { return w.Runner.Store.CreateBackfill(ctx, b) })
}

// Resume goes on with a backfill: only chunks that are not done are run.
func (w *Work) Resume(ctx context.Context, id string) (state.Backfill, error) {
	b, err := w.Runner.Store.Backfill(ctx, id)
	if err != nil {
		return b, err
	}
	if err := w.resumable(b); err != nil || b.Status == state.Succeeded {
		return b, err
	}
	if w.opt, err = stored(b.Options); err != nil {
		return b, err
	}
	w.id = id
	if w.set, err = w.opt.set(w.Runner.Project); err != nil {
		return b, err
	}
	w.opt.Apply(w.Runner)
	w.plan = &Plan{StateID: b.StateID, Name: b.Name, Window: Window{b.From, b.To}}
	for _, c := range b.Chunks {
		w.plan.Chunks = append(w.plan.Chunks, Window{c.From, c.To})
	}
	if w.plan.only, err = streamsOf(b.Plan); err != nil {
		return b, err
	}
	if err := w.plan.describe(ctx, w.Runner, w.set, w.opt, w.Specs); err != nil {
		return b, err
	}
	return w.holding(ctx, func() error {
		if err := w.reconcile(ctx); err != nil {
			return err
		}
		err := w.Runner.Store.ResumeBackfill(ctx, w.held.Lease(), id)
		if errors.Is(err, state.ErrEnded) { // meanwhile
			return fault.New(fault.Failed, "backfill %s has ended meanwhile", id).WithHint("elt backfill show %s tells how", id)
		}
		return err
	})
}

// reconcile takes note of chunks whose run succeeded before the process that
// worked on them was killed: they are done.
func (w *Work) reconcile(ctx context.Context) error {
	store := w.Runner.Store
	b, err := store.Backfill(ctx, w.id) // nobody else works on it any more
	if err != nil {
		return err
	}
	for _, c := range b.Chunks {
		if c.Status != state.Running {
			continue
		}
		run, err := store.Run(ctx, c.RunID)
		if errors.Is(err, state.ErrNotFound) || err == nil && run.Status != state.Succeeded {
			continue
		}
		if err == nil {
			c.Status, c.Streams = state.Succeeded, run.Streams
			err = store.FinishChunk(ctx, w.held.Lease(), w.id, c)
		}
		if err != nil && !errors.Is(err, state.ErrEnded) {
			return err
		}
	}
	return nil
}

func (w *Work) resumable(b state.Backfill) error {
	if b.Status == state.Cancelled {
		return fault.New(fault.Failed, "backfill %s was cancelled", b.ID).WithHint("start a new one for what is missing; elt backfill show %s lists what was loaded", b.ID)
	}
	if environment, _ := w.Runner.Project.Environment(); environment != b.Environment {
		return fault.New(fault.Usage, "backfill %s belongs to environment %q, and this is %q", b.ID, b.Environment, environment).
			WithHint("pass --environment %s", b.Environment)
	}
	return nil
}

// holding works under the lease of the regular state id (invariant 9), after
// begin, and says how the backfill stands then.
func (w *Work) holding(ctx context.Context, begin func() error) (b state.Backfill, err error) {
	store := w.Runner.Store
	if w.held, err = w.Runner.Hold(ctx, w.plan.StateID, w.id+"."+uuid.NewString()); err != nil {
		return b, err
	}
	defer func() {
		if e := w.held.Release(ctx); e != nil {
			log := w.held.Log()
			log.Warn().Err(e).Msg("the lease could not be given back; it runs out by itself")
		}
	}()
	if err := begin(); err != nil {
		return b, err
	}
	if b, err = store.Backfill(ctx, w.id); err != nil {
		return b, err
	}
	err = w.chunks(ctx, b)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err = w.end(after, ctx, err)
	now, e := store.Backfill(after, w.id)
	if e != nil {
		return b, errors.Join(err, e)
	}
	if now.Status == state.Cancelled || now.Status == state.Succeeded {
		err = errors.Join(err, Forget(after, w.Runner, now, w.opt.Target))
	}
	now.Alive = false
	return now, err
}

// end stores how the work ended and turns it into the command's error.
func (w *Work) end(after, ctx context.Context, failed error) error {
	status, cause := state.Succeeded, ""
	switch {
	case errors.Is(failed, state.ErrEnded):
		return fault.New(fault.Failed, "backfill %s was cancelled", w.id).WithHint("what its chunks had loaded stays; elt backfill show %s lists it", w.id)
	case errors.Is(failed, state.ErrFenced):
		return fault.Wrap(fault.Fenced, failed, "backfill %s", w.id).WithHint("elt backfill show %s tells how it stands", w.id)
	case ctx.Err() != nil:
		status, cause = state.Interrupted, context.Cause(ctx).Error()
	case failed != nil:
		status, cause = state.Failed, w.Runner.Redactor.String(failed.Error())
	}
	err := w.Runner.Store.EndBackfill(after, w.held.Lease(), w.id, status, cause)
	if errors.Is(err, state.ErrEnded) && failed == nil {
		return fault.New(fault.Failed, "backfill %s was cancelled when its last chunk was done", w.id)
	}
	if failed != nil {
		return fault.Wrap(fault.CodeOf(failed), failed, "backfill %s is not finished", w.id).WithHint("%selt backfill resume %s goes on with what is not done", hintOf(failed), w.id)
	}
	if err != nil {
		return fmt.Errorf("store how backfill %s ended: %w", w.id, err)
	}
	return nil
}

// hintOf is what a chunk's error advises, to be followed by more.
func hintOf(err error) string {
	var e *fault.Error
	if !errors.As(err, &e) || e.Hint == "" {
		return ""
	}
	return e.Hint + "\n      "
}

// Forget removes what the store keeps of the chunks' own state ids once the
// backfill is over: their runs stay.
func Forget(ctx context.Context, r *runner.Runner, b state.Backfill, target string) error {
	for _, c := range b.Chunks {
		if c.Attempts > 0 {
			if err := r.Forget(ctx, c.StateID, target); err != nil && !errors.Is(err, state.ErrNotFound) {
				return fmt.Errorf("remove the state of chunk %d: %w", c.N, err)
			}
		}
	}
	return nil
}

// chunks runs what is not done, in order, several at a time; the first that
// fails lets those under way finish and no other start.
func (w *Work) chunks(ctx context.Context, b state.Backfill) error {
	var left []state.Chunk
	for _, c := range b.Chunks {
		if c.Status != state.Succeeded {
			left = append(left, c)
		}
	}
	w.Watch.Planned(w.id, w.plan, len(left))
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer w.guard(work, stop)()
	queue := make(chan state.Chunk)
	var mu sync.Mutex
	var failed error
	over := func() bool { mu.Lock(); defer mu.Unlock(); return failed != nil }
	run := func(c state.Chunk) {
		if over() || work.Err() != nil {
			return
		}
		if err := w.chunk(work, c, &mu); err != nil {
			mu.Lock()
			defer mu.Unlock()
			if failed == nil {
				failed = fmt.Errorf("chunk %d, %s to %s: %w", c.N, Text(c.From), Text(c.To), err)
			}
		}
	}
	// The first chunk of all makes the tables that the others find.
	if b.Done() == 0 && len(left) > 0 {
		run(left[0])
		left = left[1:]
	}
	var workers sync.WaitGroup
	for range max(1, min(w.opt.Parallel, len(left))) {
		workers.Go(func() {
			for c := range queue {
				run(c)
			}
		})
	}
	for _, c := range left {
		queue <- c
	}
	close(queue)
	workers.Wait()
	if cause := context.Cause(work); cause != nil && ctx.Err() == nil {
		return cause
	}
	if failed == nil {
		return context.Cause(ctx)
	}
	return failed
}

// guard stops the work when the lease is lost or the backfill is cancelled.
func (w *Work) guard(ctx context.Context, stop context.CancelCauseFunc) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		look := time.NewTicker(2 * time.Second)
		defer look.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.held.Lost():
				stop(state.ErrFenced)
				return
			case <-look.C:
			}
			if b, err := w.Runner.Store.Backfill(ctx, w.id); err == nil && b.Status == state.Cancelled {
				stop(state.ErrEnded)
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// chunk runs one chunk. It is done when the store has said so.
func (w *Work) chunk(ctx context.Context, c state.Chunk, mu *sync.Mutex) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	c.RunID = id.String()
	store := w.Runner.Store
	err = w.patiently(ctx, func(ctx context.Context) error { return store.StartChunk(ctx, w.held.Lease(), w.id, c.N, c.RunID) })
	if err != nil {
		return err
	}
	mu.Lock()
	w.Watch.Started(c)
	mu.Unlock()
	start := time.Now()
	report, failed := w.run(ctx, c)
	c.Status = state.Succeeded
	if failed != nil {
		c.Status, c.Cause = state.Failed, w.Runner.Redactor.String(failed.Error())
		if ctx.Err() != nil {
			c.Status = state.Interrupted
		}
	}
	for _, b := range report.Blocks {
		for _, s := range b.Streams {
			c.Streams = append(c.Streams, s.StreamStats)
		}
	}
	err = w.patiently(context.WithoutCancel(ctx), func(ctx context.Context) error { return store.FinishChunk(ctx, w.held.Lease(), w.id, c) })
	mu.Lock()
	defer mu.Unlock()
	w.Watch.Ended(c, time.Since(start).Seconds())
	if failed != nil {
		return failed
	}
	return err
}

// run is the chunk's run.
func (w *Work) run(ctx context.Context, c state.Chunk) (*runner.Report, error) {
	r := *w.Runner
	var err error
	if r.Flags, err = w.plan.bounds.flags(w.Runner, w.opt.Tap, Window{c.From, c.To}); err != nil {
		return &runner.Report{}, err
	}
	r.RunID = c.RunID
	r.Window = &runner.Window{Regular: w.plan.StateID, Whole: w.plan.whole, AllowAppend: w.opt.AllowDuplicates, Catalog: w.plan.catalog}
	set := *w.set
	set.StateID = c.StateID
	return r.Run(ctx, &project.Plan{Blocks: []project.Block{{Set: &set}}})
}

// patiently tries again while the store is away, for two leases at most.
func (w *Work) patiently(ctx context.Context, do func(context.Context) error) error {
	for until := time.Now().Add(2 * w.LeaseTTL); ; {
		err := do(ctx)
		if err == nil || errors.Is(err, state.ErrFenced) || errors.Is(err, state.ErrEnded) || errors.Is(err, state.ErrNotFound) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}
