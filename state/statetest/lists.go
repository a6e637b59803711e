package statetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"elt/state"
)

func executionLists(t *testing.T, e env) {
	var last state.Execution
	for n := range 6 {
		x := state.Execution{ID: fmt.Sprint("x", n), Project: "p", Environment: "dev", Name: []string{"one", "two", "three"}[n%3], Blocks: []string{"b"}}
		got, _, err := e.Enqueue(e.ctx, x)
		must(t, err)
		last = got
		e.advance(t, time.Second)
	}
	_, err := e.CancelExecution(e.ctx, "x0", "")
	must(t, err)
	ids := func(list []state.Execution, err error) string {
		t.Helper()
		must(t, err)
		var words []string
		for _, x := range list {
			words = append(words, x.ID)
		}
		return strings.Join(words, " ")
	}
	now, err := e.Execution(e.ctx, last.ID) // time moves what is stored, in some stores
	must(t, err)
	for want, w := range map[string]state.Which{
		"x5 x4 x3 x2 x1 x0": {Project: "p"},
		"x4 x3 x1 x0":       {Names: []string{"one", "two"}},
		"x0":                {Statuses: []string{state.Cancelled, state.Failed}},
		"x5 x3 x2":          {Names: []string{"one", "three"}, Statuses: []string{state.Queued}},
		"x4 x3":             {At: now.Created, Before: now.ID, Limit: 2},
		"x5":                {Since: now.Created},
		"x2 x1 x0":          {Before: "x3"},
		"":                  {Project: "other"},
	} {
		if got := ids(e.Executions(e.ctx, w)); got != want {
			t.Errorf("%+v: %q, want %q", w, got, want)
		}
	}
	if got := ids(e.LastExecutions(e.ctx, "p", "dev", 1)); got != "x5 x4 x3" {
		t.Error(got)
	}
	counts, err := e.CountExecutions(e.ctx, "p", "dev")
	must(t, err)
	if counts[state.Queued] != 5 || counts[state.Cancelled] != 1 || len(counts) != 2 {
		t.Error(counts)
	}
}

func loneRuns(t *testing.T, e env) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	for n, execution := range []string{"", "x", "", ""} {
		must(t, e.StartRun(e.ctx, state.Run{ID: fmt.Sprint("r", n), Execution: execution, StateID: "s", Name: "tap-x target-y", Environment: "dev",
			Status: state.Running, Started: at.Add(time.Duration(n/2) * time.Second), Detail: raw(`{"n":1}`)}))
	}
	must(t, e.FinishRun(e.ctx, state.Run{ID: "r0", Status: state.Failed}))
	for want, w := range map[string]state.Which{
		"r3 r2 r0": {Environment: "dev"},
		"r0":       {Statuses: []string{state.Failed}},
		"r3 r2":    {Names: []string{"tap-x target-y"}, Limit: 2},
		"r2 r0":    {At: at.Add(time.Second), Before: "r3"},
		"":         {Environment: "prod"},
	} {
		list, err := e.LoneRuns(e.ctx, w)
		must(t, err)
		var words []string
		for _, r := range list {
			words = append(words, r.ID)
			if r.Detail != nil {
				t.Errorf("a list has the detail of %s: %s", r.ID, r.Detail)
			}
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%+v: %q, want %q", w, got, want)
		}
	}
	if runs, err := e.RunsOf(e.ctx, "x", "y"); err != nil || len(runs) != 1 || runs[0].ID != "r1" || runs[0].Execution != "x" || string(runs[0].Detail) != `{"n":1}` {
		t.Errorf("%+v, %v", runs, err)
	}
	if runs, err := e.BriefRunsOf(e.ctx, "x", "y"); err != nil || len(runs) != 1 || runs[0].ID != "r1" || runs[0].Execution != "x" || runs[0].Detail != nil {
		t.Errorf("%+v, %v", runs, err)
	}
	if runs, err := e.RunsOf(e.ctx); err != nil || len(runs) != 0 {
		t.Errorf("%+v, %v", runs, err)
	}
}

func editAt(t *testing.T, e env) {
	must(t, e.EditBookmarkAt(e.ctx, "s", "set", raw(`{"n":1}`), nil, 0))
	if err := e.EditBookmarkAt(e.ctx, "s", "set", raw(`{"n":2}`), nil, 0); !errors.Is(err, state.ErrEdited) {
		t.Fatalf("an edit of what was not there: %v", err)
	}
	must(t, e.EditBookmarkAt(e.ctx, "s", "set", raw(`{"n":3}`), nil, 1))
	if b := e.want(t, "s", `{"n":3}`, ""); b.Edit != 2 {
		t.Error(b.Edit)
	}
	if err := e.EditBookmarkAt(e.ctx, "s", "clear", nil, nil, 1); !errors.Is(err, state.ErrEdited) {
		t.Fatal(err)
	}
	e.want(t, "s", `{"n":3}`, "")
	if err := e.EditBookmarkAt(e.ctx, "new", "set", raw(`{}`), nil, 5); !errors.Is(err, state.ErrEdited) {
		t.Fatal(err)
	}
	history, err := e.History(e.ctx, "s", 0)
	must(t, err)
	if len(history) != 2 {
		t.Errorf("%d revisions", len(history))
	}
}
