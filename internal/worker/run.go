package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"elt/internal/fault"
	"elt/internal/schedule"
	"elt/state"
)

// run runs one execution to its end and tells the store.
func (w *Worker) run(ctx context.Context, e state.Execution) {
	log := w.Log.With().Str("run", e.ID).Str("name", e.Name).Logger()
	log.Info().Int("attempt", e.Attempt).Str("trigger", e.Trigger).Msg("run begins")
	out, handBack, left := w.execute(ctx, e)
	if left {
		log.Info().Msg("run left to others")
		return
	}
	if handBack {
		if err := w.tell(ctx, func(ctx context.Context) error { return w.Queue.HandBack(ctx, e.ID, w.Name) }); err != nil {
			log.Warn().Err(err).Msg("the run was stopped and could not be handed back; it will count as lost")
			return
		}
		log.Info().Msg("the run ended before its time, and is back in the queue")
		return
	}
	e.Status, e.ExitCode, e.Cause, e.Tail = out.status, out.code, out.cause, out.tail
	now := time.Now().UTC()
	e.Ended = &now
	var next []state.Execution
	if w.After != nil {
		next = w.After(e, now)
	}
	err := w.tell(ctx, func(ctx context.Context) error { return w.Queue.End(ctx, e, next...) })
	if err != nil {
		log.Error().Err(err).Msg("the end of the run could not be recorded")
		return
	}
	log.Info().Str("status", e.Status).Int("exit_code", e.ExitCode).Dur("took", now.Sub(*e.Started)).Msg("run ended")
	for _, told := range w.Ended {
		told(e)
	}
}

// tell tells the store, however long it is away: until the context has ended
// and a last while has passed.
func (w *Worker) tell(ctx context.Context, say func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		err := say(try)
		cancel()
		if err == nil || errors.Is(err, state.ErrFenced) || errors.Is(err, state.ErrNotFound) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// ended is how an execution ended; no status: it goes back to the queue, or
// was left to others.
type ended struct {
	status string
	code   int
	cause  string
	tail   []string
}

// execute runs the execution. left: it goes on without this worker, or is
// another's.
func (w *Worker) execute(ctx context.Context, e state.Execution) (out ended, handBack, left bool) {
	options, err := schedule.OptionsOf(e)
	if err != nil {
		return failed(fmt.Errorf("the options of the run: %w", err)), false, false
	}
	log, err := OpenLog(w.LogPath(e.ID))
	if err != nil {
		return failed(err), false, false
	}
	defer log.Close()
	// The end of the log is in the store before the end of the run is, unless
	// that takes so long that the run would count as lost.
	shipped := w.ship(ctx, e, log)
	defer func() { shipped(w.Silent / 3) }()
	started, err := w.start(ctx, e, log)
	switch {
	case ctx.Err() != nil && err != nil:
		return out, !w.Executor.Outlives(), w.Executor.Outlives()
	case errors.Is(err, state.ErrFenced):
		return out, false, true
	case errors.Is(err, errCancelled):
		return ended{status: state.Cancelled, cause: err.Error()}, false, false
	case err != nil:
		return failed(err), false, false
	}
	r := &watched{Run: started}
	why := w.watch(ctx, e, options.Timeout, r)
	if why == lost || why == stopping && w.Executor.Outlives() {
		r.Abandon()
		r.Outcome()
		return out, false, true
	}
	o := r.Outcome()
	out = ended{status: state.Succeeded, code: o.Code, tail: o.Tail}
	switch {
	case o.OK():
		out.tail = nil
	case why == cancelled:
		out.status, out.cause = state.Cancelled, "cancelled"
	case why == stopping || o.Code == int(fault.StoreAway) && r.away:
		return out, true, false
	case o.Vanished && why != timedOut:
		out.status, out.cause = state.Lost, o.Cause
	default:
		out.status, out.cause = state.Failed, o.Cause
		if out.cause == "" {
			out.cause = causeOf(o.Tail, o.How)
		}
		if why == timedOut || o.TimedOut {
			out.cause = fmt.Sprintf("stopped after its timeout of %s", options.Timeout)
		}
	}
	return out, false, false
}

var errCancelled = errors.New("cancelled before it began")

// start starts the run, and tries on while the executor is not ready; the
// execution stays ours meanwhile.
func (w *Worker) start(ctx context.Context, e state.Execution, log *Log) (Run, error) {
	told := false
	for {
		r, err := w.Executor.Start(ctx, e, log)
		var unready *Unready
		if !errors.As(err, &unready) {
			return r, err
		}
		if !told {
			told = true
			w.Log.Warn().Str("run", e.ID).Err(err).Msg("the run cannot start yet; trying on")
		}
		now, kept := w.keep(ctx, e.ID)
		switch {
		case errors.Is(kept, state.ErrFenced):
			return nil, kept
		case kept == nil && now.Cancel:
			return nil, errCancelled
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(w.Beat, again)):
		}
	}
}

// watched is a run, and whether the store was away meanwhile: one that could
// not reach it then is not to blame.
type watched struct {
	Run
	away bool
}

// Why a run is watched no more.
type reason int

const (
	byItself reason = iota
	cancelled
	stopping
	timedOut
	lost
)

// watch keeps the execution alive in the store until its run has ended, and
// ends the run when it must; only one that is lost, or outlives this worker,
// is still there when it returns.
func (w *Worker) watch(ctx context.Context, e state.Execution, limit time.Duration, r *watched) reason {
	ticker := time.NewTicker(w.Beat)
	defer ticker.Stop()
	var timeout <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		timeout = timer.C
	}
	stop := func(why reason) reason {
		over := make(chan struct{})
		var beats sync.WaitGroup
		beats.Go(func() { // a run that stops is still alive
			for {
				select {
				case <-over:
					return
				case <-ticker.C:
					_, _ = w.keep(context.WithoutCancel(ctx), e.ID)
				}
			}
		})
		r.Stop(w.Grace)
		close(over)
		beats.Wait()
		return why
	}
	for {
		select {
		case <-r.Ended():
			return byItself
		case <-ctx.Done():
			if w.Executor.Outlives() {
				return stopping
			}
			return stop(stopping)
		case <-timeout:
			return stop(timedOut)
		case <-ticker.C:
		}
		switch now, err := w.keep(ctx, e.ID); {
		case errors.Is(err, state.ErrFenced):
			w.Log.Warn().Str("run", e.ID).Msg("the run was declared lost or taken over; giving it up")
			return lost
		case err == nil && now.Cancel:
			return stop(cancelled)
		case err != nil:
			r.away = true
		}
	}
}

// keep gives a sign of life; a store that does not answer keeps nobody from
// seeing the end of the run.
func (w *Worker) keep(ctx context.Context, id string) (state.Execution, error) {
	ctx, cancel := context.WithTimeout(ctx, w.Beat)
	defer cancel()
	return w.Queue.Keep(ctx, id, w.Name)
}

// causeOf is the last thing a process said that looks like a reason.
func causeOf(tail []string, how string) string {
	for i := len(tail) - 1; i >= 0; i-- {
		var event struct{ Level, Event, Message, Error string }
		if json.Unmarshal([]byte(tail[i]), &event) == nil && event.Level == "error" {
			for _, text := range []string{event.Event, event.Message, event.Error} {
				if text != "" {
					return text
				}
			}
		}
		if rest, ok := cutError(tail[i]); ok {
			return rest
		}
	}
	return how
}

func cutError(line string) (string, bool) {
	const mark = "Error: "
	if len(line) > len(mark) && line[:len(mark)] == mark {
		return line[len(mark):], true
	}
	return "", false
}
