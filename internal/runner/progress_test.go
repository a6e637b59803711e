package runner

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"elt/state"
)

// While a run goes on the store knows its rows and which side is slow; after
// its end too.
func TestProgressIsStoredWhileARunGoesOn(t *testing.T) {
	b := newBench(t, `{steps: [`+tenRows+`, {touch: begun}, {wait: go}]}`, `{path: out.jsonl}`)
	b.LeaseTTL = 300 * time.Millisecond // progress is told three times in it
	finish := b.begin(t, t.Context(), "begun")
	var r state.Run
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		b.store.mu.Lock()
		for _, r = range b.store.runs { // there is one
			break
		}
		b.store.mu.Unlock()
		if len(r.Streams) == 1 && r.Streams[0].Rows == 10 && strings.Contains(string(r.Detail), `"bottleneck":"tap-chaos"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v %s", r.Streams, r.Detail)
		}
	}
	if r.Status != state.Running || r.Ended != nil || !strings.Contains(string(r.Detail), `"plugins":[{"name":"tap-chaos"`) {
		t.Errorf("%+v %s", r, r.Detail)
	}
	b.touch(t, "go")
	rep, err := finish()
	must(t, err)
	if last := b.store.runs[rep.RunID]; rep.Bottleneck != "tap-chaos" || !strings.Contains(string(last.Detail), `"bottleneck":"tap-chaos"`) || last.Streams[0].Rate != 0 {
		t.Errorf("%s %s %+v", rep.Bottleneck, last.Detail, last.Streams)
	}
}

func TestRates(t *testing.T) {
	r, at := &rates{}, time.Now()
	read := func(rows int64, seconds float64) float64 {
		at = at.Add(3 * time.Second)
		s := []state.StreamStats{{Stream: "a", Rows: rows, Seconds: seconds}}
		r.add(at, s)
		return s[0].Rate
	}
	for i, c := range []struct {
		rows int64
		want float64
	}{{300, 100}, {900, 200}, {900, 100}, {900, 200. / 3}, {900, 0}, {900, 0}} {
		if got := read(c.rows, 3); got != c.want {
			t.Errorf("reading %d: %v, want %v", i, got, c.want)
		}
	}
	if got := read(100, 1); got != 0 {
		t.Errorf("fewer rows than before: %v", got)
	}
}

// A store that is away ends neither the run nor the telling.
func TestProgressOutlivesTheStore(t *testing.T) {
	told := make(chan struct{}, 100)
	p := newProgress(t.Context(), awayRuns{}, "r", time.Millisecond, func() ([]state.StreamStats, json.RawMessage) {
		told <- struct{}{}
		return nil, nil
	}, quiet)
	<-told
	<-told
	p.close()
}

type awayRuns struct{ runs }

type runs = state.Runs

func (awayRuns) Beat(context.Context, string, []state.StreamStats, json.RawMessage) error {
	return context.DeadlineExceeded
}
