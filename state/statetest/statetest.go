// Package statetest is the suite that every state store passes. Test code only.
package statetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"elt/internal/singer"
	"elt/state"
)

// Keep is how many revisions the stores under test keep.
const Keep = 5

// Subject makes stores for the suite.
type Subject struct {
	// Open opens a new, empty place, and each time it is called with the same
	// place another connection to it, as another process would.
	Open func(t *testing.T, place string) state.Store
	// Advance lets time pass for leases at a place.
	Advance func(t *testing.T, place string, d time.Duration)
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	for name, test := range map[string]func(*testing.T, env){
		"bookmarks":              bookmarks,
		"values are kept exact":  exact,
		"ids of any form":        oddIDs,
		"merge":                  merge,
		"clearing is an edit":    clearing,
		"history is pruned":      history,
		"a run has one revision": oneRevision,
		"leases":                 leases,
		"one of fifty wins":      fifty,
		"fencing":                fencing,
		"a paused holder":        paused,
		"asking twice":           askingTwice,
		"adopt":                  adopt,
		"runs":                   runs,
		"a lost run":             lostRun,
		"pruning runs":           pruneRuns,
		"settings":               settings,
		"backfills":              backfills,
		"a cancelled backfill":   cancelledBackfill,
		"a fenced backfill":      fencedBackfill,
		"executions":             executions,
		"the queue's order":      queueOrder,
		"a lost execution":       lostExecution,
		"a queue with a limit":   limitedQueue,
		"a run taken over":       takenOver,
		"a cancelled execution":  cancelledExecution,
		"slots":                  slots,
		"a slot fires once":      oneSlot,
		"incidents":              incidents,
		"one incident of many":   oneIncident,
		"pruning executions":     pruneExecutions,
		"lists of executions":    executionLists,
		"runs of no execution":   loneRuns,
		"an edit on an edit":     editAt,
		"tokens":                 tokens,
		"sessions":               sessions,
		"audit":                  audit,
		"callbacks":              callbacks,
		"streams":                streams,
		"many streams":           manyStreams,
		"schemas":                schemas,
		"daemons":                daemons,
		"queues":                 queues,
		"logs":                   logs,
	} {
		t.Run(name, func(t *testing.T) {
			place := t.Name()
			test(t, env{Subject: s, place: place, Store: s.Open(t, place), ctx: t.Context()})
		})
	}
}

// env is what a test works with.
type env struct {
	state.Store
	Subject
	place string
	ctx   context.Context
}

func (e env) advance(t *testing.T, d time.Duration) { e.Advance(t, e.place, d) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func (e env) acquire(t *testing.T, id, run string) state.Lease {
	t.Helper()
	l, err := e.Acquire(e.ctx, id, state.Holder{RunID: run, Host: "h", PID: 1}, time.Minute, "")
	must(t, err)
	return l
}

// want checks what is kept of an id.
func (e env) want(t *testing.T, id, completed, partial string) state.Bookmark {
	t.Helper()
	b, err := e.Bookmark(e.ctx, id)
	must(t, err)
	if !same(b.Completed, completed) || !same(b.Partial, partial) || b.StateID != id {
		t.Fatalf("%s: completed %s, partial %s; want %s, %s", b.StateID, b.Completed, b.Partial, completed, partial)
	}
	return b
}

func same(got json.RawMessage, want string) bool {
	a, b := singer.NewBookmarks(got), singer.NewBookmarks(raw(want))
	return a.IsZero() && b.IsZero() || singer.EqualJSON(a.Raw(), b.Raw())
}
