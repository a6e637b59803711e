package api

import (
	"strings"
	"testing"

	"elt/state"
)

// Who asks again for what has not changed gets no body; a change, and a query
// of another kind, are told.
func TestUnchangedAnswersAreNotSentAgain(t *testing.T) {
	w := newWorld(t)
	w.enqueue("one")
	w.finish(state.Succeeded)
	w.writeLog("one", "it was good")
	for _, path := range []string{"/pipelines?runs=30", "/runs", "/schedules", "/streams", "/bookmarks", "/alerts", "/plugins", "/backfills", "/tokens", "/runs/one", "/runs/one/logs"} {
		tag := w.want(200, "GET", Base+path, "").Header.Get("ETag")
		if !strings.HasPrefix(tag, `"`) {
			t.Fatalf("%s: ETag %q", path, tag)
		}
		for _, have := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			if r := w.want(304, "GET", Base+path, "", "If-None-Match: "+have); r.text != "" || r.Header.Get("ETag") != tag {
				t.Errorf("%s, If-None-Match: %s: %q, ETag %s", path, have, r.text, r.Header.Get("ETag"))
			}
		}
		if r := w.want(200, "GET", Base+path, "", `If-None-Match: "other"`); r.text == "" {
			t.Errorf("%s: no body for who has another answer", path)
		}
	}
	before := w.want(200, "GET", Base+"/runs", "").Header.Get("ETag")
	w.enqueue("two")
	if r := w.want(200, "GET", Base+"/runs", "", "If-None-Match: "+before); !strings.Contains(r.text, `"two"`) {
		t.Error("a new run was not told")
	}
	// Errors are told, whoever has what; and nobody learns anything without a token.
	w.want(404, "GET", Base+"/runs/none", "", "If-None-Match: *")
	w.want(401, "GET", Base+"/runs", "", "Authorization: ", "If-None-Match: *")
}

// A bookmark's ETag counts the changes by users, for If-Match: a run moves the
// bookmark and not the tag, so nobody is told that it is what they have.
func TestBookmarkIsAlwaysTold(t *testing.T) {
	w := newWorld(t)
	const path = Base + "/bookmarks/dev:tap-csv-to-target-sqlite"
	w.want(200, "PUT", path, `{"state": {"bookmarks": {"a": 1}}}`, "If-Match: *")
	tag := w.want(200, "GET", path, "").Header.Get("ETag")
	if tag != `"1"` {
		t.Fatalf("ETag %s", tag)
	}
	w.want(200, "GET", path, "", "If-None-Match: "+tag)
}

// The names that askers give their requests are apart from those by which elt
// repeats a run: nobody can take a retry's place.
func TestKeysOfRequestsAreApart(t *testing.T) {
	w := newWorld(t)
	w.want(202, "POST", Base+"/runs", `{"job": "load"}`, "Idempotency-Key: retry of one")
	if _, added, err := w.store.Enqueue(t.Context(), state.Execution{ID: "two", Project: "p", Environment: "dev", Name: "load", Blocks: []string{"load"}, Trigger: "retry", Key: "retry of one"}); err != nil || !added {
		t.Errorf("added %v, %v", added, err)
	}
}
