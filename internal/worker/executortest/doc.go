// Package executortest is the suite that every executor keeps: workers over a
// real store run real programs, are stopped, and are killed. Test code only.
package executortest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/schedule"
	"elt/internal/worker"
	"elt/state"
)

// Place is an executor under test. The program of an execution is a shell
// script, its first block; it runs in the folder Dir.
type Place struct {
	Store state.Store
	Dir   string
	// Executor is a new executor, for a worker of its own. kill is what a
	// SIGKILL of that worker does to its runs; stop releases what a worker
	// that has stopped left open.
	Executor func(t *testing.T) (x worker.Executor, kill, stop func())
}

// Run runs the suite; make gives each test a place of its own.
func Run(t *testing.T, make func(t *testing.T) Place) {
	for name, f := range map[string]func(*testing.T, *world){
		"Success": success, "Failure": failure, "Cancel": cancel, "TimeOut": timeOut, "Killed": killed,
		"HandBack": handBack, "Twice": twice, "Overtaken": overtaken,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits more than it works
			p := make(t)
			f(t, &world{Place: p, t: t})
		})
	}
}

// world is a store, some workers, and the folder in which scripts run.
type world struct {
	Place
	t *testing.T

	silent time.Duration // 0: silent

	mu    sync.Mutex
	count int
}

// hand is a worker under way.
type hand struct {
	*worker.Worker
	cut  *cut
	stop context.CancelFunc
	kill func()
	done chan struct{}
}

// end stops it as SIGTERM would, and waits.
func (h *hand) end() {
	h.stop()
	<-h.done
}

// A worker that is alive beats within silent, however busy the machine; tests
// that wait until a dead one is missed say so.
const beat, silent, brief = 50 * time.Millisecond, 2 * time.Minute, 3 * time.Second

func (w *world) worker() *hand {
	w.t.Helper()
	w.mu.Lock()
	w.count++
	name := fmt.Sprintf("w%d", w.count)
	w.mu.Unlock()
	x, kill, release := w.Executor(w.t)
	if x.Outlives() {
		name = state.Elsewhere + name
	}
	store := &cut{Store: w.Store}
	h := &hand{cut: store, kill: kill, done: make(chan struct{}), Worker: worker.New(worker.Worker{
		Queue: store, Name: name, Project: "p", Environment: "dev", Slots: 4, Executor: x, LogPath: w.logPath, Copies: worker.Copies{Logs: w.Store, Tail: 1 << 20},
		After: w.after, Log: zerolog.New(zerolog.TestWriter{T: w.t}), Grace: 5 * time.Second, Beat: beat, Silent: cmp.Or(w.silent, silent),
	})}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	go func() {
		defer close(h.done)
		_ = h.Worker.Run(ctx)
		release()
	}()
	w.t.Cleanup(h.end)
	return h
}

// after repeats a lost run once.
func (w *world) after(e state.Execution, _ time.Time) []state.Execution {
	if e.Status != state.Lost || e.Attempt > 1 {
		return nil
	}
	next := state.Execution{ID: schedule.NewID(), Project: e.Project, Environment: e.Environment, Name: e.Name, Blocks: e.Blocks,
		Trigger: "retry", RetryOf: e.ID, Attempt: e.Attempt + 1, Key: "retry of " + e.ID}
	return []state.Execution{next}
}

func (w *world) logPath(id string) string { return filepath.Join(w.Dir, "logs", id+".log") }

func (w *world) log(id string) string {
	text, _ := os.ReadFile(w.logPath(id))
	return string(text)
}

// copied waits until the store's copy of a log is the log.
func (w *world) copied(id string) {
	w.t.Helper()
	w.wait("the copy of the log", func() bool {
		var all strings.Builder
		for {
			p, err := w.Store.LogPart(w.t.Context(), id, int64(all.Len()))
			if errors.Is(err, state.ErrNotFound) {
				return all.String() == w.log(id)
			}
			if err != nil || p.Start != int64(all.Len()) {
				return false
			}
			z, err := gzip.NewReader(bytes.NewReader(p.Gzip))
			if err != nil {
				w.t.Fatal(err)
			}
			if _, err := io.Copy(&all, z); err != nil {
				w.t.Fatal(err)
			}
		}
	})
}

// ask enqueues a script.
func (w *world) ask(script string, o schedule.Options) string {
	w.t.Helper()
	e := state.Execution{ID: schedule.NewID(), Project: "p", Environment: "dev", Name: "script", Blocks: []string{script}, Trigger: "api", Options: o.JSON()}
	if _, _, err := w.Store.Enqueue(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
	return e.ID
}

// until waits for an execution to be in one of the states.
func (w *world) until(id string, statuses ...string) state.Execution {
	w.t.Helper()
	var e state.Execution
	w.wait(strings.Join(statuses, " or "), func() bool {
		var err error
		if e, err = w.Store.Execution(w.t.Context(), id); err != nil {
			w.t.Fatal(err)
		}
		return slices.Contains(statuses, e.Status)
	})
	return e
}

func (w *world) wait(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("in vain waited for %s", what)
		}
	}
}

// lines of a file that scripts write.
func (w *world) lines(name string) []string {
	text, _ := os.ReadFile(filepath.Join(w.Dir, name))
	return strings.Fields(string(text))
}

// cut is a store that a worker can be cut off from, as if the worker were
// killed or stopped for a while.
type cut struct {
	state.Store
	mu  sync.Mutex
	off bool
}

func (c *cut) set(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = off
}

func (c *cut) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return fmt.Errorf("the worker is cut off")
	}
	return nil
}

func (w *world) touch(name string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.Dir, name), nil, 0o644); err != nil {
		w.t.Fatal(err)
	}
}
