package schedule

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"elt/internal/project"
	"elt/state"
)

// finish ends all executions that were asked for.
func (m *memory) finish() {
	m.set(func() {
		for i := range m.executions {
			m.executions[i].Status = state.Succeeded
		}
	})
}

// A bubble's time begins at midnight UTC of 1 January 2000.
func TestADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		queue := func(w *project.Timing) { w.Overlap = "queue" }
		stop := start(t, m, planOf(scheduleAt(t, "often", "*/5 * * * *", queue), scheduleAt(t, "daily", "0 6 * * *", queue)), nil)
		defer stop()
		time.Sleep(24*time.Hour + time.Second)
		wantCounts(t, m, "often", 288, 0, 0)
		wantCounts(t, m, "daily", 1, 0, 0)
		for at, s := range m.slots["often"] {
			if late := s.At.Sub(at); s.Outcome == state.SlotFired && late > time.Second {
				t.Errorf("slot %s fired %s late", at, late)
			}
		}
	})
}

func TestDowntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		catchup := func(policy string) func(*project.Timing) {
			return func(w *project.Timing) { w.Catchup, w.CatchupMax, w.Overlap = policy, 3, "queue" }
		}
		plan := planOf(scheduleAt(t, "none", "0 * * * *", catchup("none")), scheduleAt(t, "latest", "0 * * * *", catchup("latest")),
			scheduleAt(t, "all", "0 * * * *", catchup("all")), scheduleAt(t, "few", "0 9 * * *", catchup("all")))
		stop := start(t, m, plan, nil)
		time.Sleep(2*time.Hour + 2*time.Minute) // 1:00 and 2:00 fire
		stop()
		time.Sleep(10 * time.Hour) // 3:00 to 12:00 pass
		stop = start(t, m, plan, nil)
		time.Sleep(10 * time.Second)
		stop()
		wantCounts(t, m, "none", 2, 10, 0)
		wantCounts(t, m, "latest", 3, 9, 0)
		wantCounts(t, m, "all", 5, 7, 0)
		wantCounts(t, m, "few", 1, 0, 0)
		// Thirty days of every minute are looked at once.
		time.Sleep(30 * 24 * time.Hour)
		stop = start(t, m, planOf(scheduleAt(t, "latest", "* * * * *", catchup("latest"))), nil)
		time.Sleep(time.Second)
		stop()
		if n := m.count("latest", state.SlotMissed); n != 9+recorded-1 {
			t.Errorf("%d records of missed slots", n)
		}
		summed := false
		for _, s := range m.slots["latest"] {
			summed = summed || strings.Contains(s.Why, "before it")
		}
		if !summed {
			t.Error("nothing says how many slots were missed before those recorded")
		}
	})
}

func TestOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		overlap := func(policy string) func(*project.Timing) { return func(w *project.Timing) { w.Overlap = policy } }
		stop := start(t, m, planOf(scheduleAt(t, "skip", "0 * * * *", overlap("skip")), scheduleAt(t, "queue", "0 * * * *", overlap("queue")),
			scheduleAt(t, "cancel", "0 * * * *", overlap("cancel"))), nil)
		defer stop()
		time.Sleep(3*time.Hour + time.Minute) // nothing ends meanwhile
		wantCounts(t, m, "skip", 1, 0, 2)
		wantCounts(t, m, "queue", 3, 0, 0)
		wantCounts(t, m, "cancel", 3, 0, 0)
		cancelled := 0
		for _, x := range m.executions {
			if x.Schedule == "cancel" && x.Cancel {
				cancelled++
			}
			if x.Lock != "job j" {
				t.Errorf("lock %q", x.Lock)
			}
		}
		if cancelled != 2 {
			t.Errorf("%d cancelled, want 2", cancelled)
		}
		m.finish()
		time.Sleep(time.Hour)
		wantCounts(t, m, "skip", 2, 0, 2)
	})
}

func TestPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		stop := start(t, m, planOf(scheduleAt(t, "a", "0 * * * *", nil), scheduleAt(t, "b", "0 * * * *", func(w *project.Timing) { w.Paused = true })), nil)
		defer stop()
		m.set(func() { m.paused["a"] = state.Pause{Who: "ann"} })
		time.Sleep(5*time.Hour + time.Minute)
		wantCounts(t, m, "a", 0, 0, 5)
		wantCounts(t, m, "b", 0, 0, 5)
		m.set(func() { delete(m.paused, "a") })
		time.Sleep(time.Hour)
		wantCounts(t, m, "a", 1, 0, 5) // what passed in the pause is not made up for
	})
}

// The store is away while slots come due, and a schedule never catches up:
// somebody was there, so they fire late.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		log := &tells{}
		stop := start(t, m, planOf(scheduleAt(t, "a", "* * * * *", func(w *project.Timing) { w.Catchup, w.Overlap = "none", "queue" })), log)
		defer stop()
		time.Sleep(10*time.Minute + 30*time.Second)
		m.set(func() { m.away = true })
		time.Sleep(10 * time.Minute)
		before := log.count()
		m.set(func() { m.away = false })
		time.Sleep(10 * time.Second)
		wantCounts(t, m, "a", 20, 0, 0)
		if before != 11 { // ten slots and one complaint
			t.Errorf("%d lines were logged", before)
		}
	})
}

func TestBadScheduleAndBadProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		log := &tells{}
		bad := project.Schedule{Name: "bad", Bad: errors.New("no interval")}
		var broken error
		load := func() (p Plan, err error) {
			if m.set(func() { err = broken }); err != nil {
				return p, err
			}
			return planOf(bad, scheduleAt(t, "good", "0 * * * *", func(w *project.Timing) { w.Overlap = "queue" }))()
		}
		stop := start(t, m, load, log)
		defer stop()
		time.Sleep(90 * time.Minute)
		m.set(func() { broken = errors.New("elt.yml:1:1: bad") })
		time.Sleep(2 * time.Hour)
		wantCounts(t, m, "good", 3, 0, 0)
		if text := strings.Join(log.lines, ""); strings.Count(text, "runs only by hand") != 1 || strings.Count(text, "elt.yml:1:1") != 1 {
			t.Errorf("logged:\n%s", text)
		}
	})
}

// Two to five schedulers on one store start, die, hang and lose the store at
// random moments: of 10,000 ticks none fires twice, none has no record.
func TestManySchedulers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 1))
		const ticks = 10_000
		m := newMemory()
		plan := planOf(scheduleAt(t, "s", "* * * * *", func(w *project.Timing) { w.Overlap, w.Catchup = "queue", "all" }))
		begin := time.Now()
		var stops []func()
		for time.Since(begin) < ticks*time.Minute {
			switch n := random.IntN(10); {
			case n < 4 && len(stops) < 5 || len(stops) == 0:
				stops = append(stops, start(t, m, plan, nil))
			case n < 7 && len(stops) > 1:
				i := random.IntN(len(stops))
				stops[i]()
				stops = append(stops[:i], stops[i+1:]...)
			case n == 7:
				m.set(func() { m.away = true })
				time.Sleep(time.Duration(random.IntN(300)) * time.Second)
				m.set(func() { m.away = false })
			case n == 8: // all are gone for a while
				for _, stop := range stops {
					stop()
				}
				stops = nil
				time.Sleep(time.Duration(random.IntN(1200)) * time.Second)
			}
			time.Sleep(time.Duration(random.IntN(1800)) * time.Second)
		}
		if len(stops) == 0 {
			stops = append(stops, start(t, m, plan, nil))
		}
		time.Sleep(time.Minute)
		for _, stop := range stops {
			stop()
		}
		last, _ := m.LastSlots(t.Context(), "", "")
		perSlot := map[time.Time]int{}
		for _, x := range m.executions {
			perSlot[*x.Slot]++
		}
		records := 0
		for at := begin.UTC().Add(time.Minute); !at.After(last["s"]); at = at.Add(time.Minute) {
			s, there := m.slots["s"][at]
			records++
			if !there {
				t.Errorf("slot %s has no record", at)
			}
			if want := map[bool]int{true: 1}[s.Outcome == state.SlotFired]; perSlot[at] != want {
				t.Errorf("slot %s, %s, has %d executions", at, s.Outcome, perSlot[at])
			}
		}
		if records < ticks {
			t.Errorf("%d slots looked at", records)
		}
	})
}
