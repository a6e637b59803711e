package statetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"elt/state"
)

func start(id, stateID string, at time.Time) state.Run {
	return state.Run{ID: id, StateID: stateID, Name: "tap-x target-y", Environment: "dev", Trigger: "cli",
		Status: state.Running, Started: at, LogPath: "/logs/" + id}
}

func runs(t *testing.T, e env) {
	t0 := time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.UTC)
	must(t, e.StartRun(e.ctx, start("r1", "a", t0)))
	must(t, e.StartRun(e.ctx, start("r2", "a", t0.Add(time.Hour))))
	must(t, e.StartRun(e.ctx, start("r3", "b", t0.Add(2*time.Hour))))
	streams := []state.StreamStats{{Stream: "users", Rows: 5, Bytes: 1 << 40, Seconds: 1.5, Rate: 2.5, Bookmark: raw(`{"n":1.10}`)}}
	must(t, e.Beat(e.ctx, "r1", streams, raw(`{"bottleneck":"tap-x"}`)))
	must(t, e.Beat(e.ctx, "r1", streams, nil))
	r, err := e.Run(e.ctx, "r1")
	must(t, err)
	if r.Status != state.Running || r.Ended != nil || !r.Started.Equal(t0) || len(r.Streams) != 1 || r.Streams[0].Bytes != 1<<40 ||
		string(r.Streams[0].Bookmark) != `{"n":1.10}` || r.Heartbeat.IsZero() || r.Streams[0].Rate != 2.5 || string(r.Detail) != `{"bottleneck":"tap-x"}` || r.LogPath != "/logs/r1" || r.Environment != "dev" || r.Trigger != "cli" {
		t.Fatalf("%+v", r)
	}
	r.Status, r.Unconfirmed, r.ExitCode, r.Cause, r.Detail = state.Succeeded, true, 3, "why", raw(`{"d":1}`)
	must(t, e.FinishRun(e.ctx, r))
	r, err = e.Run(e.ctx, "r1")
	must(t, err)
	if r.Status != state.Succeeded || !r.Unconfirmed || r.ExitCode != 3 || r.Cause != "why" || r.Ended == nil || string(r.Detail) != `{"d":1}` {
		t.Fatalf("%+v", r)
	}
	for _, c := range []struct {
		id    string
		limit int
		want  string
	}{{"", 0, "[r3 r2 r1]"}, {"", 2, "[r3 r2]"}, {"a", 0, "[r2 r1]"}, {"a", 1, "[r2]"}, {"none", 0, "[]"}} {
		list, err := e.Runs(e.ctx, c.id, c.limit)
		must(t, err)
		ids := []string{}
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if fmt.Sprint(ids) != c.want {
			t.Errorf("%q, %d: %v, want %s", c.id, c.limit, ids, c.want)
		}
	}
	for _, err := range []error{e.Beat(e.ctx, "none", nil, nil), second(e.Run(e.ctx, "none"))} {
		if !errors.Is(err, state.ErrNotFound) {
			t.Errorf("an unknown run: %v", err)
		}
	}
	late := start("r4", "a", t0) // its start could not be stored
	late.Status = state.Failed
	must(t, e.FinishRun(e.ctx, late))
	if r, err := e.Run(e.ctx, "r4"); err != nil || r.Status != state.Failed || r.Ended == nil {
		t.Fatalf("%+v, %v", r, err)
	}
}

func second[T any](_ T, err error) error { return err }

func lostRun(t *testing.T, e env) {
	e.acquire(t, "a", "r1")
	r := start("r1", "a", time.Now())
	must(t, e.StartRun(e.ctx, r))
	must(t, second(e.Acquire(e.ctx, "a", state.Holder{RunID: "r2"}, time.Minute, "r1")))
	got, err := e.Run(e.ctx, "r1")
	must(t, err)
	if got.Status != state.Lost || got.Ended == nil || got.Cause == "" {
		t.Fatalf("%+v", got)
	}
	r.Status = state.Succeeded
	if err := e.FinishRun(e.ctx, r); !errors.Is(err, state.ErrFenced) {
		t.Fatalf("a lost run says it succeeded: %v", err)
	}
	if err := e.Beat(e.ctx, "r1", nil, nil); !errors.Is(err, state.ErrFenced) {
		t.Fatalf("a lost run beats: %v", err)
	}
}

func pruneRuns(t *testing.T, e env) {
	now := time.Now().UTC().Truncate(time.Second)
	for i := range 6 {
		r := start(fmt.Sprint("a", i), "a", now.Add(-time.Duration(i)*time.Hour))
		must(t, e.StartRun(e.ctx, r))
		if i != 5 { // the oldest still runs
			r.Status, r.Ended = state.Succeeded, &r.Started
			must(t, e.FinishRun(e.ctx, r))
		}
	}
	for i := range 2 { // the newest of a state id stays, however old
		old := start(fmt.Sprint("b", i), "b", now.Add(-time.Duration(100+i)*24*time.Hour))
		must(t, e.StartRun(e.ctx, old))
		old.Status, old.Ended = state.Failed, &old.Started
		must(t, e.FinishRun(e.ctx, old))
	}

	logs, err := e.PruneRuns(e.ctx, 3, 24*time.Hour)
	must(t, err)
	slices.Sort(logs)
	if fmt.Sprint(logs) != "[/logs/a3 /logs/a4 /logs/b1]" {
		t.Fatal(logs)
	}
	if logs, err := e.PruneRuns(e.ctx, 0, 0); err != nil || len(logs) != 0 {
		t.Fatalf("no limits: %v, %v", logs, err)
	}
	left, err := e.Runs(e.ctx, "", 0)
	must(t, err)
	if len(left) != 5 {
		t.Fatalf("%+v", left)
	}
}
