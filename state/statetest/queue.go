package statetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"elt/state"
)

func request(id string) state.Execution {
	return state.Execution{ID: id, Project: "p", Environment: "dev", Name: "nightly", Blocks: []string{"tap-x", "target-y"},
		Options: raw(`{"full_refresh":true}`), Trigger: "api"}
}

func (e env) enqueue(t *testing.T, x state.Execution) state.Execution {
	t.Helper()
	got, added, err := e.Enqueue(e.ctx, x)
	must(t, err)
	if !added {
		t.Fatalf("%s was there already", x.ID)
	}
	return got
}

func (e env) take(t *testing.T, worker string, queues ...string) string {
	t.Helper()
	x, err := e.Take(e.ctx, state.From{Worker: worker, Project: "p", Environment: "dev", Queues: queues})
	if errors.Is(err, state.ErrNotFound) {
		return ""
	}
	must(t, err)
	if x.Status != state.Running || x.Worker != worker || x.Started == nil || x.Heartbeat == nil {
		t.Fatalf("%+v", x)
	}
	return x.ID
}

func executions(t *testing.T, e env) {
	if _, err := e.Execution(e.ctx, "none"); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	slot := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	x := request("a")
	x.Slot, x.Schedule, x.Digest, x.Callback, x.RetryOf, x.Attempt, x.Key = &slot, "morning", "sha256:1", "http://127.0.0.1/x", "z", 2, "k"
	got := e.enqueue(t, x)
	if got.Status != state.Queued || got.Created.IsZero() || got.NotBefore.IsZero() || !got.Slot.Equal(slot) || !slices.Equal(got.Blocks, x.Blocks) ||
		string(got.Options) != string(x.Options) || got.Attempt != 2 || got.RetryOf != "z" || got.Key != "k" || got.Digest != x.Digest || got.Callback != x.Callback {
		t.Fatalf("%+v", got)
	}
	again := request("b")
	again.Key = "k"
	if same, added, err := e.Enqueue(e.ctx, again); err != nil || added || same.ID != "a" {
		t.Fatalf("%+v %v %v", same, added, err)
	}
	elsewhere := again
	elsewhere.Environment = "prod"
	e.enqueue(t, elsewhere)

	if id := e.take(t, "w1"); id != "a" {
		t.Fatalf("took %q", id)
	}
	if id := e.take(t, "w2"); id != "" {
		t.Fatalf("took %q", id)
	}
	if _, err := e.Keep(e.ctx, "a", "w2"); !errors.Is(err, state.ErrFenced) {
		t.Fatal(err)
	}
	kept, err := e.Keep(e.ctx, "a", "w1")
	must(t, err)
	if kept.Cancel {
		t.Fatal("nobody cancelled it")
	}
	done := kept
	done.Status, done.ExitCode, done.Cause, done.Tail = state.Failed, 1, "the tap failed", []string{"one", "two"}
	retry := request("c")
	retry.RetryOf, retry.Attempt, retry.NotBefore = "a", 3, kept.Created.Add(time.Hour)
	foreign := done
	foreign.Worker = "w2"
	if err := e.End(e.ctx, foreign, retry); !errors.Is(err, state.ErrFenced) {
		t.Fatal(err)
	}
	if _, err := e.Execution(e.ctx, "c"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("a fenced worker enqueued: %v", err)
	}
	must(t, e.End(e.ctx, done, retry))
	must(t, e.End(e.ctx, done, retry)) // the answer may have got lost
	other := done
	other.Status, other.ExitCode = state.Succeeded, 0
	if err := e.End(e.ctx, other); !errors.Is(err, state.ErrFenced) {
		t.Fatalf("ended twice: %v", err)
	}
	got, err = e.Execution(e.ctx, "a")
	must(t, err)
	if got.Status != state.Failed || got.ExitCode != 1 || got.Cause != "the tap failed" || !slices.Equal(got.Tail, done.Tail) || got.Ended == nil || !got.Over() {
		t.Fatalf("%+v", got)
	}
	if id := e.take(t, "w1"); id != "" {
		t.Fatalf("took %q, which is due in an hour", id)
	}

	for _, id := range []string{"r1", "r2"} {
		must(t, e.StartRun(e.ctx, state.Run{ID: id, Execution: "a", Name: "x", Status: state.Running, Started: got.Created}))
	}
	if runs, err := e.RunsOf(e.ctx, "a"); err != nil || len(runs) != 2 || runs[1].ID != "r2" || runs[0].Execution != "a" {
		t.Fatalf("%+v %v", runs, err)
	}
	list, err := e.Executions(e.ctx, state.Which{Project: "p", Environment: "dev"})
	must(t, err)
	if len(list) != 2 || list[0].ID != "c" || list[1].ID != "a" {
		t.Fatalf("%+v", list)
	}
	if list, err = e.Executions(e.ctx, state.Which{Project: "p", Status: state.Failed, Schedule: "morning", Limit: 5}); err != nil || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	if list, err = e.Executions(e.ctx, state.Which{Project: "p", Environment: "dev", Before: "c"}); err != nil || len(list) != 1 || list[0].ID != "a" {
		t.Fatalf("%+v %v", list, err)
	}
}

func queueOrder(t *testing.T, e env) {
	add := func(id, queue, lock string, priority int) {
		x := request(id)
		x.Queue, x.Lock, x.Priority = queue, lock, priority
		e.enqueue(t, x)
		e.advance(t, time.Millisecond)
	}
	add("low", "", "", 0)
	add("high", "", "one", 5)
	add("second", "", "one", 4)
	add("big", "big", "", 9)
	for _, want := range []string{"high", "low", ""} { // second waits for the lock of high
		if got := e.take(t, "w", ""); got != want {
			t.Fatalf("took %q, want %q", got, want)
		}
	}
	if _, err := e.Begin(e.ctx, "second", "w"); !errors.Is(err, state.ErrFenced) {
		t.Fatalf("began without the lock: %v", err)
	}
	if got := e.take(t, "w", "other", "big"); got != "big" {
		t.Fatalf("took %q", got)
	}
	must(t, e.HandBack(e.ctx, "high", "w"))
	if x, err := e.Execution(e.ctx, "high"); err != nil || x.Status != state.Queued || x.Worker != "" || x.Started != nil {
		t.Fatalf("%+v %v", x, err)
	}
	x, err := e.Begin(e.ctx, "second", "w")
	must(t, err)
	x.Status = state.Succeeded
	must(t, e.End(e.ctx, x))
	if _, err := e.Begin(e.ctx, "second", "w"); !errors.Is(err, state.ErrEnded) {
		t.Fatal(err)
	}
	if got := e.take(t, "w", ""); got != "high" {
		t.Fatalf("took %q", got)
	}
}

// limitedQueue: of a queue with a limit no more run than that, whoever takes.
func limitedQueue(t *testing.T, e env) {
	for i := range 12 {
		x := request(fmt.Sprint("x", i))
		if x.Queue = "big"; i >= 9 {
			x.Queue = "small"
		}
		e.enqueue(t, x)
	}
	from := state.From{Project: "p", Environment: "dev", Limits: map[string]int{"big": 2, "none": 0}}
	var mu sync.Mutex
	queues := map[string]int{}
	var big []state.Execution
	var all sync.WaitGroup
	for n := range 4 {
		store := e.Open(t, e.place)
		all.Go(func() {
			for {
				from := from
				from.Worker = fmt.Sprint("w", n)
				x, err := store.Take(e.ctx, from)
				if errors.Is(err, state.ErrNotFound) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if queues[x.Queue]++; x.Queue == "big" {
					big = append(big, x)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if queues["big"] != 2 || queues["small"] != 3 {
		t.Fatalf("running: %v", queues)
	}
	big[0].Status = state.Succeeded
	must(t, e.End(e.ctx, big[0]))
	from.Worker = "w"
	if x, err := e.Take(e.ctx, from); err != nil || x.Queue != "big" {
		t.Fatalf("%+v %v", x, err)
	}
	if x, err := e.Take(e.ctx, from); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("%+v %v", x, err)
	}
}
