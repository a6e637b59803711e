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

func lostExecution(t *testing.T, e env) {
	x := request("a")
	x.Lock = "one"
	e.enqueue(t, x)
	e.take(t, "w1")
	y := request("b")
	y.Lock = "one"
	e.enqueue(t, y)
	e.advance(t, 10*time.Second)
	if lost, err := e.Lose(e.ctx, "p", "dev", 30*time.Second, nil); err != nil || len(lost) != 0 {
		t.Fatalf("%+v %v", lost, err)
	}
	e.advance(t, 25*time.Second)
	lost, err := e.Lose(e.ctx, "p", "dev", 30*time.Second, func(l state.Execution) []state.Execution {
		retry := request("again")
		retry.RetryOf, retry.Key, retry.Queue = l.ID, "retry of "+l.ID, "slow"
		return []state.Execution{retry}
	})
	must(t, err)
	if len(lost) != 1 || lost[0].ID != "a" || lost[0].Status != state.Lost || lost[0].Cause != "its worker w1 vanished" {
		t.Fatalf("%+v", lost)
	}
	if _, err := e.Keep(e.ctx, "a", "w1"); !errors.Is(err, state.ErrFenced) {
		t.Fatalf("a lost worker came back: %v", err)
	}
	if x, err := e.Execution(e.ctx, "again"); err != nil || x.RetryOf != "a" || x.Status != state.Queued {
		t.Fatalf("%+v %v", x, err)
	}
	if got := e.take(t, "w2"); got != "b" {
		t.Fatalf("the lock of a lost execution is still held: took %q", got)
	}
}

func cancelledExecution(t *testing.T, e env) {
	e.enqueue(t, request("a"))
	x, err := e.CancelExecution(e.ctx, "a", "by ann")
	must(t, err)
	if x.Status != state.Cancelled || x.Ended == nil {
		t.Fatalf("%+v", x)
	}
	if _, err := e.CancelExecution(e.ctx, "a", "by ann"); !errors.Is(err, state.ErrEnded) {
		t.Fatal(err)
	}
	if _, err := e.CancelExecution(e.ctx, "none", ""); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	e.enqueue(t, request("b"))
	e.take(t, "w")
	if x, err = e.CancelExecution(e.ctx, "b", "by ann"); err != nil || x.Status != state.Running || !x.Cancel {
		t.Fatalf("%+v %v", x, err)
	}
	if x, err = e.Keep(e.ctx, "b", "w"); err != nil || !x.Cancel || x.Cause != "by ann" {
		t.Fatalf("%+v %v", x, err)
	}
}

func slots(t *testing.T, e env) {
	at := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	slot := state.Slot{Project: "p", Environment: "dev", Schedule: "morning", Slot: at, Outcome: state.SlotFired}
	first := request("a")
	first.Schedule = "morning"
	fired, err := e.Fire(e.ctx, slot, &first, false)
	must(t, err)
	other := request("b")
	again, err := e.Fire(e.ctx, slot, &other, true)
	must(t, err)
	if !fired || again {
		t.Fatalf("fired %v, then %v", fired, again)
	}
	if _, err := e.Execution(e.ctx, "b"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("a slot fired twice: %v", err)
	}
	if x, err := e.Execution(e.ctx, "a"); err != nil || x.Cancel {
		t.Fatalf("%+v %v", x, err)
	}
	e.take(t, "w")
	slot.Slot = at.Add(time.Hour)
	next := request("c")
	if fired, err = e.Fire(e.ctx, slot, &next, true); err != nil || !fired {
		t.Fatal(fired, err)
	}
	if x, err := e.Execution(e.ctx, "a"); err != nil || !x.Cancel {
		t.Fatalf("%+v %v", x, err)
	}
	missed := state.Slot{Project: "p", Environment: "dev", Schedule: "evening", Slot: at.Add(-time.Hour), Outcome: state.SlotMissed, Why: "nobody was there"}
	if fired, err = e.Fire(e.ctx, missed, nil, false); err != nil || !fired {
		t.Fatal(fired, err)
	}
	list, err := e.Slots(e.ctx, "p", "dev", "", 0)
	must(t, err)
	if len(list) != 3 || !list[0].Slot.Equal(at.Add(time.Hour)) || list[0].Execution != "c" || list[2].Outcome != state.SlotMissed || list[2].Why != missed.Why || list[2].At.IsZero() {
		t.Fatalf("%+v", list)
	}
	if list, err = e.Slots(e.ctx, "p", "dev", "morning", 1); err != nil || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	if list, err = e.SlotsSince(e.ctx, "p", "dev", time.Now().Add(-time.Hour)); err != nil || len(list) != 3 || list[0].Schedule != "morning" {
		t.Fatalf("%+v %v", list, err)
	}
	if list, err = e.SlotsSince(e.ctx, "p", "dev", time.Now().Add(time.Hour)); err != nil || len(list) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
	if open, err := e.Executions(e.ctx, state.Which{Project: "p", Environment: "dev", Open: true}); err != nil || len(open) != 2 {
		t.Fatalf("%+v %v", open, err)
	}
	if ended, err := e.Executions(e.ctx, state.Which{EndedSince: time.Now().Add(-time.Hour)}); err != nil || len(ended) != 0 {
		t.Fatalf("%+v %v", ended, err)
	}
	last, err := e.LastSlots(e.ctx, "p", "dev")
	must(t, err)
	if len(last) != 2 || !last["morning"].Equal(at.Add(time.Hour)) || !last["evening"].Equal(at.Add(-time.Hour)) {
		t.Fatalf("%v", last)
	}

	must(t, e.PauseSchedule(e.ctx, "p", "dev", "morning", "ann"))
	must(t, e.PauseSchedule(e.ctx, "p", "dev", "morning", "bob"))
	paused, err := e.Paused(e.ctx, "p", "dev")
	must(t, err)
	if len(paused) != 1 || paused["morning"].Who != "ann" || paused["morning"].Since.IsZero() {
		t.Fatalf("%v", paused)
	}
	must(t, e.ResumeSchedule(e.ctx, "p", "dev", "morning"))
	if paused, err = e.Paused(e.ctx, "p", "dev"); err != nil || len(paused) != 0 {
		t.Fatal(paused, err)
	}
}

// oneSlot: several schedulers fire the same slots, several workers take; each
// slot fires once, each execution is taken once.
func oneSlot(t *testing.T, e env) {
	const schedulers, ticks = 5, 20
	at := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	fired, taken := map[int]int{}, map[string]int{}
	var all sync.WaitGroup
	for n := range schedulers {
		store := e.Open(t, e.place)
		all.Go(func() {
			for tick := range ticks {
				x := request(fmt.Sprintf("%d-%d", tick, n))
				ok, err := store.Fire(e.ctx, state.Slot{Project: "p", Environment: "dev", Schedule: "s", Slot: at.Add(time.Duration(tick) * time.Minute),
					Outcome: state.SlotFired}, &x, false)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if ok {
					fired[tick]++
				}
				mu.Unlock()
				got, err := store.Take(e.ctx, state.From{Worker: fmt.Sprint("w", n), Project: "p", Environment: "dev"})
				if errors.Is(err, state.ErrNotFound) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				taken[got.ID]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for {
		id := e.take(t, "last")
		if id == "" {
			break
		}
		taken[id]++
	}
	if len(fired) != ticks || len(taken) != ticks {
		t.Fatalf("%d slots fired, %d executions taken, want %d", len(fired), len(taken), ticks)
	}
	for tick, n := range fired {
		if n != 1 {
			t.Errorf("slot %d fired %d times", tick, n)
		}
	}
	for id, n := range taken {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
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

// takenOver: what runs elsewhere is not lost with its worker.
func takenOver(t *testing.T, e env) {
	e.enqueue(t, request("a"))
	e.enqueue(t, request("b"))
	e.take(t, "@w1")
	e.take(t, "w2")
	if x, err := e.TakeOver(e.ctx, "@w3", "p", "dev", 30*time.Second); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("%+v %v", x, err)
	}
	e.advance(t, 35*time.Second)
	lost, err := e.Lose(e.ctx, "p", "dev", 30*time.Second, nil)
	must(t, err)
	if len(lost) != 1 || lost[0].Worker != "w2" {
		t.Fatalf("%+v", lost)
	}
	before, err := e.Execution(e.ctx, "a")
	must(t, err)
	x, err := e.TakeOver(e.ctx, "@w3", "p", "dev", 30*time.Second)
	must(t, err)
	if x.ID != "a" || x.Worker != "@w3" || x.Status != state.Running || !x.Started.Equal(*before.Started) {
		t.Fatalf("%+v", x)
	}
	if _, err := e.Keep(e.ctx, "a", "@w1"); !errors.Is(err, state.ErrFenced) {
		t.Fatal(err)
	}
	if list, err := e.Executions(e.ctx, state.Which{Worker: "@w3", Status: state.Running}); err != nil || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	if x, err := e.TakeOver(e.ctx, "@w4", "p", "dev", 30*time.Second); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("%+v %v", x, err)
	}
}

func pruneExecutions(t *testing.T, e env) {
	for i := range 4 {
		x := request(fmt.Sprint(i))
		e.enqueue(t, x)
		e.advance(t, time.Minute)
		slot := state.Slot{Project: "p", Environment: "dev", Schedule: "s", Slot: time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC), Outcome: state.SlotMissed}
		if _, err := e.Fire(e.ctx, slot, nil, false); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			break // stays queued
		}
		_, err := e.CancelExecution(e.ctx, x.ID, "")
		must(t, err)
	}
	gone, err := e.PruneExecutions(e.ctx, 2, 0)
	must(t, err)
	if !slices.Equal(gone, []string{"0"}) {
		t.Fatalf("%v", gone)
	}
	list, err := e.Executions(e.ctx, state.Which{})
	must(t, err)
	if len(list) != 3 || list[2].ID != "1" {
		t.Fatalf("%+v", list)
	}
	e.advance(t, time.Hour)
	gone, err = e.PruneExecutions(e.ctx, 0, time.Minute)
	must(t, err)
	if !slices.Equal(gone, []string{"1"}) { // the newest that has ended stays, however old
		t.Fatalf("%v", gone)
	}
	list, err = e.Executions(e.ctx, state.Which{})
	must(t, err)
	left, err := e.Slots(e.ctx, "p", "dev", "", 0)
	must(t, err)
	if len(list) != 2 || list[0].Status != state.Queued || list[1].ID != "2" || len(left) != 1 || left[0].Slot.Day() != 4 {
		t.Fatalf("%+v %+v", list, left)
	}
}
