package api

import (
	"encoding/json"
	"testing"
	"time"

	"elt/internal/schedule"
	"elt/state"
)

// A run is repeated from where it began when that is asked for, and when it
// keeps where that was; the next repetition is an ordinary one again.
func TestRetryFromState(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("one", func(e *state.Execution) { e.Options = schedule.Options{Select: []string{"a"}}.JSON() })
	begin := state.Run{ID: "step", Execution: id, StateID: "dev:x", Name: "tap-csv target-sqlite", Status: state.Running, Started: time.Now(),
		Detail: json.RawMessage(`{"plugins":[],"version":"1","given":{"settings":[{"plugin":"tap-csv","name":"api_key","value":"***","source":"dotenv","secret":true}],"streams":[{"stream":"a","method":"INCREMENTAL","replication_key":"id"}]},"start":{"bookmarks":{"a":{"id":12345678901234567890}}}}`)}
	if err := w.store.StartRun(t.Context(), begin); err != nil {
		t.Fatal(err)
	}
	w.finish(state.Failed)

	d := into[RunDetail](t, w.want(200, "GET", Base+"/runs/one", ""))
	got := d.Steps[0].Detail
	if string(got.Start) != `{"bookmarks":{"a":{"id":12345678901234567890}}}` || len(got.Given.Settings) != 1 || string(got.Given.Settings[0].Value) != `"***"` || got.Given.Streams[0].Keys == nil {
		t.Errorf("%s %+v", got.Start, got.Given)
	}

	again := into[RunDetail](t, w.want(202, "POST", Base+"/runs/one/retry?from_state=true", ""))
	if again.Options.StateOf != "one" || again.RetryOf != "one" || len(again.Options.Select) != 1 {
		t.Errorf("%+v", again.Options)
	}
	w.finish(state.Failed)
	w.want(409, "POST", Base+"/runs/"+again.ID+"/retry?from_state=true", "") // it never began to load
	plain := into[RunDetail](t, w.want(202, "POST", Base+"/runs/"+again.ID+"/retry", ""))
	if plain.Options.StateOf != "" || len(plain.Options.Select) != 1 {
		t.Errorf("%+v", plain.Options)
	}
	w.finish(state.Succeeded)

	w.enqueue("window", func(e *state.Execution) { e.Options = schedule.Options{From: "2026-01-01", To: "2026-02-01"}.JSON() })
	w.finish(state.Failed)
	if p := w.want(409, "POST", Base+"/runs/window/retry?from_state=true", "").problem(t); p.Code != "window" {
		t.Errorf("%+v", p)
	}
}
