package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"elt/internal/fault"
	"elt/internal/proc"
	"elt/internal/schedule"
	"elt/state"
)

// run runs one execution to its end and tells the store.
func (w *Worker) run(ctx context.Context, e state.Execution) {
	log := w.Log.With().Str("run", e.ID).Str("name", e.Name).Logger()
	log.Info().Int("attempt", e.Attempt).Str("trigger", e.Trigger).Msg("run begins")
	out, handBack := w.process(ctx, e)
	if handBack {
		if err := w.tell(ctx, func(ctx context.Context) error { return w.Queue.HandBack(ctx, e.ID, w.Name) }); err != nil {
			log.Warn().Err(err).Msg("the run was stopped and could not be handed back; it will count as lost")
			return
		}
		log.Info().Msg("run stopped, handed back to the queue")
		return
	}
	if out.status == state.Lost { // the store knows already
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
	if w.Ended != nil {
		w.Ended(e)
	}
}

// tell tells the store, however long it is away: until the context has ended
// and a last while has passed.
func (w *Worker) tell(ctx context.Context, say func(context.Context) error) error {
	for {
		err := say(context.WithoutCancel(ctx))
		if err == nil || errors.Is(err, state.ErrFenced) || errors.Is(err, state.ErrNotFound) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// outcome is how a process ended.
type outcome struct {
	status string
	code   int
	cause  string
	tail   []string
}

func failed(err error) outcome {
	return outcome{status: state.Failed, code: int(fault.CodeOf(err)), cause: err.Error()}
}

// process runs the execution's process. handBack: it was stopped because the
// worker stops.
func (w *Worker) process(ctx context.Context, e state.Execution) (out outcome, handBack bool) {
	command, err := w.Command(e)
	if err != nil {
		return failed(err), false
	}
	options, err := schedule.OptionsOf(e)
	if err != nil {
		return failed(fmt.Errorf("the options of the run: %w", err)), false
	}
	log, err := openLog(w.LogPath(e.ID))
	if err != nil {
		return failed(err), false
	}
	defer log.Close()
	command.NoStdin, command.Stderr = true, log.line
	p, err := w.Host.Start(command)
	if err != nil {
		return failed(err), false
	}
	defer p.Close()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(log, p.Stdout)
	}()
	why := w.watch(ctx, e, options.Timeout, p)
	<-copied
	status := p.Wait()
	out = outcome{status: state.Succeeded, code: status.Code, tail: p.Tail()}
	switch {
	case status.OK():
		out.tail = nil
	case why == lost:
		out.status = state.Lost
	case why == cancelled:
		out.status, out.cause = state.Cancelled, "cancelled"
	case why == stopping:
		return out, true
	default:
		out.status, out.cause = state.Failed, causeOf(out.tail, status)
		if why == timedOut {
			out.cause = fmt.Sprintf("stopped after its timeout of %s", options.Timeout)
		}
	}
	return out, false
}

// Why a run was stopped.
type reason int

const (
	byItself reason = iota
	cancelled
	stopping
	timedOut
	lost
)

// watch keeps the execution alive in the store until its process has ended,
// and ends the process when it must.
func (w *Worker) watch(ctx context.Context, e state.Execution, limit time.Duration, p *proc.Process) reason {
	ticker := time.NewTicker(w.Beat)
	defer ticker.Stop()
	var timeout <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		timeout = timer.C
	}
	stop := func(why reason) reason {
		ended := make(chan struct{})
		var beats sync.WaitGroup
		beats.Go(func() { // a run that stops is still alive
			for {
				select {
				case <-ended:
					return
				case <-ticker.C:
					_, _ = w.Queue.Keep(context.WithoutCancel(ctx), e.ID, w.Name)
				}
			}
		})
		p.Stop(w.Grace)
		close(ended)
		beats.Wait()
		return why
	}
	for {
		select {
		case <-p.Exited():
			return byItself
		case <-ctx.Done():
			return stop(stopping)
		case <-timeout:
			return stop(timedOut)
		case <-ticker.C:
		}
		switch now, err := w.Queue.Keep(ctx, e.ID, w.Name); {
		case errors.Is(err, state.ErrFenced):
			w.Log.Warn().Str("run", e.ID).Msg("the run was declared lost or taken over; ending it")
			p.Kill()
			return lost
		case err == nil && now.Cancel:
			return stop(cancelled)
		}
	}
}

// causeOf is the last thing a process said that looks like a reason.
func causeOf(tail []string, status proc.Status) string {
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
	return status.String()
}

func cutError(line string) (string, bool) {
	const mark = "Error: "
	if len(line) > len(mark) && line[:len(mark)] == mark {
		return line[len(mark):], true
	}
	return "", false
}

// logFile takes lines from standard output and standard error.
type logFile struct {
	mu   sync.Mutex
	file *os.File
}

func openLog(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the run's log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the run's log: %w", err)
	}
	return &logFile{file: f}, nil
}

// line writes a line; a log that cannot be written stops no run.
func (l *logFile) line(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.file.Write(append(text[:len(text):len(text)], '\n'))
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, err := l.file.Write(p); err != nil {
		return n, nil // the process must not block on a full disk
	}
	return len(p), nil
}

func (l *logFile) Close() error { return l.file.Close() }
