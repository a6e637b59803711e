package statetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"elt/internal/singer"
	"elt/state"
)

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
