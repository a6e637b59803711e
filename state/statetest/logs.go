package statetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"elt/state"
)

func logs(t *testing.T, e env) {
	for _, id := range []string{"a", "b"} {
		e.enqueue(t, request(id))
	}
	add := func(id, worker string, start, size int64) error {
		return e.AddLogPart(e.ctx, id, worker, state.LogPart{Start: start, Size: size, Gzip: fmt.Appendf([]byte{0, 255}, "%d", start)}, 20, 30)
	}
	if err := add("a", "w1", 0, 10); !errors.Is(err, state.ErrFenced) {
		t.Fatalf("nobody has it: %v", err)
	}
	must(t, second(e.Begin(e.ctx, "a", "w1")))
	must(t, second(e.Begin(e.ctx, "b", "w1")))
	if size, err := e.LogSize(e.ctx, "a"); err != nil || size != 0 {
		t.Fatal(size, err)
	}
	if _, err := e.LogPart(e.ctx, "a", 0); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	for start := range int64(10) {
		must(t, add("a", "w1", 10*start, 10))
	}
	must(t, add("a", "w1", 90, 10)) // its answer got lost
	must(t, add("b", "w1", 0, 3))
	if err := add("a", "w2", 100, 10); !errors.Is(err, state.ErrFenced) {
		t.Fatalf("it is another's: %v", err)
	}
	if size, err := e.LogSize(e.ctx, "a"); err != nil || size != 100 {
		t.Fatal(size, err)
	}
	for at, want := range map[int64]int64{0: 0, 9: 0, 10: 10, 19: 10, 20: 70, 45: 70, 69: 70, 75: 70, 99: 90} { // the first 20 and the last 30 are kept
		p, err := e.LogPart(e.ctx, "a", at)
		if err != nil || p.Start != want || p.Size != 10 || string(p.Gzip) != fmt.Sprintf("\x00\xff%d", want) {
			t.Errorf("at %d: %+v %v, want %d", at, p, err, want)
		}
	}
	if _, err := e.LogPart(e.ctx, "a", 100); !errors.Is(err, state.ErrNotFound) {
		t.Error(err)
	}
	// After its end the last lines may still come; not when another has it.
	x, err := e.Execution(e.ctx, "a")
	must(t, err)
	x.Status = state.Succeeded
	must(t, e.End(e.ctx, x))
	must(t, add("a", "w1", 100, 1))
	must(t, e.HandBack(e.ctx, "b", "w1"))
	if err := e.DropLog(e.ctx, "b", "w1"); !errors.Is(err, state.ErrFenced) {
		t.Error(err)
	}
	must(t, second(e.Begin(e.ctx, "b", "w2")))
	must(t, e.DropLog(e.ctx, "b", "w2"))
	if size, err := e.LogSize(e.ctx, "b"); err != nil || size != 0 {
		t.Error(size, err)
	}
	e.advance(t, time.Hour)
	e.enqueue(t, request("c")) // the newest of a name is never pruned
	must(t, second(e.Begin(e.ctx, "c", "w1")))
	must(t, add("c", "w1", 0, 5))
	c, err := e.Execution(e.ctx, "c")
	must(t, err)
	c.Status = state.Succeeded
	must(t, e.End(e.ctx, c))
	must(t, second(e.PruneExecutions(e.ctx, 0, time.Minute)))
	must(t, e.PruneLogs(e.ctx))
	for id, want := range map[string]int64{"a": 0, "c": 5} {
		if size, err := e.LogSize(e.ctx, id); err != nil || size != want {
			t.Errorf("%s: %d %v, want %d", id, size, err, want)
		}
	}
}
