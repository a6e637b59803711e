// Package statetest is the suite that every state store passes. Test code only.
package statetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
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

func bookmarks(t *testing.T, e env) {
	if _, err := e.Bookmark(e.ctx, "a"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("an unknown id: %v", err)
	}
	l := e.acquire(t, "a", "r1")
	must(t, e.Ack(e.ctx, l, raw(`{"x":1}`), false))
	if b := e.want(t, "a", `{"x":1}`, ``); b.Epoch != l.Epoch || b.Edit != 0 || b.Updated.IsZero() {
		t.Fatalf("%+v", b)
	}
	must(t, e.EditBookmark(e.ctx, "b", "set", raw(`{"y":2}`), nil))
	ids, err := e.BookmarkIDs(e.ctx, "")
	must(t, err)
	if !slices.Equal(ids, []string{"a", "b"}) {
		t.Fatal(ids)
	}
	must(t, e.DeleteBookmark(e.ctx, "a"))
	if _, err := e.Bookmark(e.ctx, "a"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("after delete: %v", err)
	}
	if h, err := e.History(e.ctx, "a", 0); err != nil || len(h) != 1 {
		t.Fatalf("history after delete: %v, %v", h, err)
	}
	other := e.Open(t, e.place) // durable: another process sees it
	if b, err := other.Bookmark(e.ctx, "b"); err != nil || !same(b.Completed, `{"y":2}`) {
		t.Fatalf("%+v, %v", b, err)
	}
}

func exact(t *testing.T, e env) {
	value := `{"z":1, "a":9007199254740993, "f":1.10, "s":"é\u0000\ud83d\ude00", "e":1E400}`
	must(t, e.EditBookmark(e.ctx, "id", "set", raw(value), raw(value)))
	b, err := e.Bookmark(e.ctx, "id")
	must(t, err)
	if !singer.EqualJSON(b.Completed, []byte(value)) || !singer.EqualJSON(b.Partial, []byte(value)) {
		t.Fatalf("%s", b.Completed)
	}
}

func oddIDs(t *testing.T, e env) {
	ids := []string{"%", "_", "a:b-to-c:x", "dev:tap-to-target", "x y:z", `é'"\`}
	for _, id := range ids {
		must(t, e.EditBookmark(e.ctx, id, "set", raw(`{"id":1}`), nil))
		e.want(t, id, `{"id":1}`, "")
	}
	for pattern, want := range map[string][]string{
		"": ids, "*": ids, "a:*": {"a:b-to-c:x"}, "?": {"%", "_"}, "*-to-*": {"a:b-to-c:x", "dev:tap-to-target"}, "dev": nil, "%": {"%"},
	} {
		got, err := e.BookmarkIDs(e.ctx, pattern)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}

func merge(t *testing.T, e env) {
	l := e.acquire(t, "a", "r1")
	must(t, e.Ack(e.ctx, l, raw(`{"bookmarks":{"a":1}}`), true)) // nothing there yet
	e.want(t, "a", ``, `{"bookmarks":{"a":1}}`)
	must(t, e.Ack(e.ctx, l, raw(`{"bookmarks":{"a":1,"b":1}}`), false))
	e.want(t, "a", `{"bookmarks":{"a":1,"b":1}}`, ``)
	must(t, e.Ack(e.ctx, l, raw(`{"bookmarks":{"b":2}}`), true))
	must(t, e.Ack(e.ctx, l, raw(`{"bookmarks":{"c":3}}`), true))
	e.want(t, "a", `{"bookmarks":{"a":1,"b":1}}`, `{"bookmarks":{"b":2,"c":3}}`)
	must(t, e.Ack(e.ctx, l, raw(`{"bookmarks":{"a":9}}`), false))
	e.want(t, "a", `{"bookmarks":{"a":9}}`, ``)
}

func clearing(t *testing.T, e env) {
	must(t, e.EditBookmark(e.ctx, "a", "set", raw(`{"x":1}`), nil))
	must(t, e.EditBookmark(e.ctx, "a", "clear", nil, nil))
	if b := e.want(t, "a", ``, ``); b.Edit != 2 {
		t.Fatalf("edit %d: the destination must learn of it", b.Edit)
	}
	if ids, err := e.BookmarkIDs(e.ctx, ""); err != nil || len(ids) != 0 {
		t.Fatalf("%v, %v", ids, err)
	}
}

// Invariant 7.
func history(t *testing.T, e env) {
	for i := range Keep + 3 {
		must(t, e.EditBookmark(e.ctx, "a", "set", raw(fmt.Sprintf(`{"n":%d}`, i)), nil))
	}
	must(t, e.EditBookmark(e.ctx, "b", "set", raw(`{"n":0}`), nil))
	h, err := e.History(e.ctx, "a", 0)
	must(t, err)
	if len(h) != Keep {
		t.Fatalf("%d revisions", len(h))
	}
	for i, r := range h {
		if want := fmt.Sprintf(`{"n":%d}`, Keep+2-i); !same(r.Completed, want) || r.Op != "set" || r.At.IsZero() {
			t.Fatalf("%d: %+v, want %s", i, r, want)
		}
		got, err := e.Revision(e.ctx, "a", r.ID)
		must(t, err)
		if !same(got.Completed, string(r.Completed)) {
			t.Fatalf("%+v", got)
		}
	}
	if h, err := e.History(e.ctx, "a", 2); err != nil || len(h) != 2 {
		t.Fatalf("%v, %v", h, err)
	}
	for id, revision := range map[string]int64{"a": h[Keep-1].ID - 1, "b": h[0].ID} { // pruned; another id's
		if _, err := e.Revision(e.ctx, id, revision); !errors.Is(err, state.ErrNotFound) {
			t.Fatalf("revision %d of %s: %v", revision, id, err)
		}
	}
}

func oneRevision(t *testing.T, e env) {
	must(t, e.EditBookmark(e.ctx, "a", "set", raw(`{"n":0}`), nil))
	for run := range 2 {
		l := e.acquire(t, "a", fmt.Sprint("run", run))
		for i := range 2 * Keep {
			must(t, e.Ack(e.ctx, l, raw(fmt.Sprintf(`{"run":%d,"i":%d}`, run, i)), false))
		}
		must(t, e.Release(e.ctx, l))
	}
	h, err := e.History(e.ctx, "a", 0)
	must(t, err)
	if len(h) != 3 || h[0].RunID != "run1" || !same(h[1].Completed, fmt.Sprintf(`{"run":0,"i":%d}`, 2*Keep-1)) || h[2].Op != "set" {
		t.Fatalf("%+v", h)
	}
}

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

func start(id, stateID string, at time.Time) state.Run {
	return state.Run{ID: id, StateID: stateID, Name: "tap-x target-y", Environment: "dev", Trigger: "cli",
		Status: state.Running, Started: at, LogPath: "/logs/" + id}
}

func runs(t *testing.T, e env) {
	t0 := time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.UTC)
	must(t, e.StartRun(e.ctx, start("r1", "a", t0)))
	must(t, e.StartRun(e.ctx, start("r2", "a", t0.Add(time.Hour))))
	must(t, e.StartRun(e.ctx, start("r3", "b", t0.Add(2*time.Hour))))
	streams := []state.StreamStats{{Stream: "users", Rows: 5, Bytes: 1 << 40, Seconds: 1.5, Bookmark: raw(`{"n":1.10}`)}}
	must(t, e.Beat(e.ctx, "r1", streams))
	r, err := e.Run(e.ctx, "r1")
	must(t, err)
	if r.Status != state.Running || r.Ended != nil || !r.Started.Equal(t0) || len(r.Streams) != 1 || r.Streams[0].Bytes != 1<<40 ||
		string(r.Streams[0].Bookmark) != `{"n":1.10}` || r.Heartbeat.IsZero() || r.LogPath != "/logs/r1" || r.Environment != "dev" || r.Trigger != "cli" {
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
	for _, err := range []error{e.Beat(e.ctx, "none", nil), second(e.Run(e.ctx, "none"))} {
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
	if err := e.Beat(e.ctx, "r1", nil); !errors.Is(err, state.ErrFenced) {
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
	old := start("b0", "b", now.Add(-100*24*time.Hour))
	must(t, e.StartRun(e.ctx, old))
	old.Status, old.Ended = state.Failed, &old.Started
	must(t, e.FinishRun(e.ctx, old))

	logs, err := e.PruneRuns(e.ctx, 3, 24*time.Hour)
	must(t, err)
	slices.Sort(logs)
	if fmt.Sprint(logs) != "[/logs/a3 /logs/a4 /logs/b0]" {
		t.Fatal(logs)
	}
	if logs, err := e.PruneRuns(e.ctx, 0, 0); err != nil || len(logs) != 0 {
		t.Fatalf("no limits: %v, %v", logs, err)
	}
	left, err := e.Runs(e.ctx, "", 0)
	must(t, err)
	if len(left) != 4 {
		t.Fatalf("%+v", left)
	}
}

func settings(t *testing.T, e env) {
	if _, ok, err := e.Setting(e.ctx, "tap-x", "user"); ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	must(t, e.PutSetting(e.ctx, "tap-x", "user", "a"))
	must(t, e.PutSetting(e.ctx, "tap-x", "user", "b"))
	must(t, e.PutSetting(e.ctx, "tap-x", "empty", ""))
	must(t, e.PutSetting(e.ctx, "tap-y", "user", "c"))
	if v, ok, err := e.Setting(e.ctx, "tap-x", "empty"); v != "" || !ok || err != nil {
		t.Fatalf("%q, %v, %v", v, ok, err)
	}
	all, err := e.SettingsIn(e.ctx, "tap-x")
	must(t, err)
	if len(all) != 2 || all["user"] != "b" {
		t.Fatal(all)
	}
	must(t, e.DeleteSetting(e.ctx, "tap-x", "user"))
	must(t, e.DeleteSetting(e.ctx, "tap-x", "user"))
	if _, ok, _ := e.Setting(e.ctx, "tap-x", "user"); ok {
		t.Fatal("deleted, and there")
	}
}
