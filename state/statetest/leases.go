package statetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"elt/state"
)

func leases(t *testing.T, e env) {
	l := e.acquire(t, "a", "r1")
	must(t, e.Renew(e.ctx, l))
	_, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r2"}, time.Minute, "")
	var held *state.HeldError
	if !errors.As(err, &held) || held.Holder.RunID != "r1" || held.Holder.Host != "h" || held.Holder.Since.IsZero() || held.TTL != time.Minute {
		t.Fatalf("%v", err)
	}
	e.acquire(t, "b", "r2") // another id is free
	must(t, e.Release(e.ctx, l))
	must(t, e.Release(e.ctx, l))
	if next := e.acquire(t, "a", "r2"); next.Epoch <= l.Epoch {
		t.Fatalf("epoch %d after %d", next.Epoch, l.Epoch)
	}
	must(t, e.Release(e.ctx, l)) // the old one takes nothing from the new one
	if _, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r3"}, time.Minute, ""); !errors.As(err, &held) {
		t.Fatalf("%v", err)
	}
}

// Invariant 6: of many that start at once, one wins.
func fifty(t *testing.T, e env) {
	stores := []state.Store{e.Store, e.Open(t, e.place), e.Open(t, e.place), e.Open(t, e.place), e.Open(t, e.place)}
	for round := range 4 {
		id := fmt.Sprint("id", round/2) // new twice, released twice
		var wg sync.WaitGroup
		var mu sync.Mutex
		var winners []state.Lease
		for i := range 50 {
			wg.Go(func() {
				l, err := stores[i%len(stores)].Acquire(e.ctx, id, state.Holder{RunID: fmt.Sprint(round, "-", i)}, time.Minute, "")
				var held *state.HeldError
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					winners = append(winners, l)
				case !errors.As(err, &held):
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if len(winners) != 1 {
			t.Fatalf("round %d: %d winners", round, len(winners))
		}
		must(t, e.Release(e.ctx, winners[0]))
	}
}

func (e env) fenced(t *testing.T, l state.Lease) {
	t.Helper()
	_, adoptErr := e.Adopt(e.ctx, l, 99, 0)
	for what, err := range map[string]error{
		"ack": e.Ack(e.ctx, l, raw(`{"stale":1}`), false), "merge": e.Ack(e.ctx, l, raw(`{"stale":1}`), true),
		"renew": e.Renew(e.ctx, l), "adopt": adoptErr,
	} {
		if !errors.Is(err, state.ErrFenced) {
			t.Errorf("%s by a stale holder: %v", what, err)
		}
	}
	must(t, e.Release(e.ctx, l))
}

// Invariant 6: who lost the lease writes nothing.
func fencing(t *testing.T, e env) {
	old := e.acquire(t, "a", "r1")
	must(t, e.Ack(e.ctx, old, raw(`{"n":1}`), false))
	taken, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r2"}, time.Minute, state.AnyRun)
	must(t, err)
	e.fenced(t, old)
	e.want(t, "a", `{"n":1}`, ``)
	if h, err := e.History(e.ctx, "a", 0); err != nil || len(h) != 1 {
		t.Fatalf("a stale holder wrote history: %+v, %v", h, err)
	}
	must(t, e.Ack(e.ctx, taken, raw(`{"n":2}`), false))
	e.want(t, "a", `{"n":2}`, ``)
}

// A holder that was silent for longer than its lease goes on if nobody took it
// over, and is fenced if somebody did; only one of many can.
func paused(t *testing.T, e env) {
	l := e.acquire(t, "a", "r1")
	e.advance(t, 59*time.Second)
	var held *state.HeldError
	if _, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r2"}, time.Second, ""); !errors.As(err, &held) {
		t.Fatalf("the holder's own time counts: %v", err)
	}
	if held.Silent < 58*time.Second || held.Silent > 2*time.Minute {
		t.Fatalf("silent for %v", held.Silent)
	}
	must(t, e.Renew(e.ctx, l))
	e.advance(t, 59*time.Second)
	if _, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r2"}, time.Minute, ""); !errors.As(err, &held) {
		t.Fatalf("after a renewal: %v", err)
	}
	e.advance(t, 2*time.Minute)
	must(t, e.Ack(e.ctx, l, raw(`{"n":1}`), false)) // late, but nobody came
	e.advance(t, 2*time.Minute)
	if _, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r2"}, time.Minute, ""); !errors.As(err, &held) || held.Silent < held.TTL {
		t.Fatalf("whether a silent holder is dead is for the caller to say: %v", err)
	}
	if _, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r2"}, time.Minute, "r0"); !errors.As(err, &held) {
		t.Fatalf("taken from another run than the one named: %v", err)
	}
	_, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r2"}, time.Minute, "r1")
	must(t, err)
	if _, err := e.Acquire(e.ctx, "a", state.Holder{RunID: "r3"}, time.Minute, "r1"); !errors.As(err, &held) || held.Holder.RunID != "r2" {
		t.Fatalf("two took over from one: %v", err)
	}
	e.fenced(t, l)
}

// The answer to Acquire may get lost with the connection.
func askingTwice(t *testing.T, e env) {
	first := e.acquire(t, "a", "r1")
	second := e.acquire(t, "a", "r1")
	if second.Epoch <= first.Epoch {
		t.Fatalf("epoch %d after %d", second.Epoch, first.Epoch)
	}
	e.fenced(t, first)
	must(t, e.Renew(e.ctx, second))
}

func adopt(t *testing.T, e env) {
	l := e.acquire(t, "a", "r1")
	up, err := e.Adopt(e.ctx, l, 40, 7)
	must(t, err)
	if up.Epoch != 40 || up.RunID != "r1" || up.StateID != "a" || up.TTL != l.TTL {
		t.Fatalf("%+v", up)
	}
	e.fenced(t, l)
	down, err := e.Adopt(e.ctx, up, 3, 2)
	must(t, err)
	if down.Epoch != 40 {
		t.Fatalf("lowered to %d", down.Epoch)
	}
	must(t, e.Ack(e.ctx, down, raw(`{"n":1}`), false))
	if b := e.want(t, "a", `{"n":1}`, ``); b.Epoch != 40 || b.Edit != 7 {
		t.Fatalf("%+v", b)
	}
	must(t, e.EditBookmark(e.ctx, "a", "set", raw(`{"n":2}`), nil))
	if b := e.want(t, "a", `{"n":2}`, ``); b.Edit != 8 {
		t.Fatalf("a user's edit after the store was lost: %+v", b)
	}
	must(t, e.Release(e.ctx, down))
	if next := e.acquire(t, "a", "r2"); next.Epoch != 41 {
		t.Fatalf("%+v", next)
	}
}
