package statetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"elt/state"
)

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
