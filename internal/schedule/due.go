package schedule

import (
	"fmt"
	"time"

	"elt/internal/project"
	"elt/state"
)

const (
	// late is how late a slot may be seen and still count as seen in time.
	late = time.Minute
	// recorded is how many missed slots get a record of their own.
	recorded = 1000
	// looked is how many slots are gone through after a long downtime.
	looked = 100_000
)

// verdict is what becomes of a slot.
type verdict struct {
	slot    time.Time
	outcome string
	why     string
}

// due are the slots after since, up to now, the newest of them; earlier is
// how many came before.
func due(s project.Schedule, since, now time.Time) (slots []time.Time, earlier int) {
	at := since
	for range looked {
		next, ok := s.Timing.Times.Next(at)
		if !ok || next.After(now) {
			break
		}
		slots, at = append(slots, next.UTC()), next
	}
	if extra := len(slots) - recorded; extra > 0 {
		return slots[extra:], extra
	}
	return slots, 0
}

// decide says what becomes of due slots, oldest first. Who has been there
// since attended has missed none later than that.
func (d Defaults) decide(s project.Schedule, slots []time.Time, now, attended time.Time, pause *state.Pause) []verdict {
	catchup := s.Timing.Catchup
	if catchup == "" {
		catchup = d.Catchup
	}
	// Slots from first on fire.
	first := len(slots)
	for first > 0 && (!slots[first-1].Before(attended) || now.Sub(slots[first-1]) <= late) {
		first--
	}
	switch {
	case catchup == "all":
		first = min(first, max(0, len(slots)-s.Timing.CatchupMax))
	case catchup == "latest" && first == len(slots):
		first--
	}
	var out []verdict
	for i, slot := range slots {
		v := verdict{slot: slot, outcome: state.SlotFired}
		switch {
		case pause != nil:
			v.outcome, v.why = state.SlotSkipped, fmt.Sprintf("paused by %s", pause.Who)
		case i < first:
			v.outcome, v.why = state.SlotMissed, fmt.Sprintf("no scheduler was running; seen %s later", now.Sub(slot).Round(time.Second))
		}
		out = append(out, v)
	}
	return out
}
