package statetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"elt/state"
)

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
