package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"elt/state"
)

// calls are what a caller's server got.
type gotCall struct {
	path string
	body map[string]any
}

func TestCallbacks(t *testing.T) {
	w := newWorld(t)
	got := make(chan gotCall, 10)
	status := make(chan int, 10)
	caller := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		c := gotCall{path: r.URL.Path}
		if err := json.Unmarshal(text, &c.body); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		rw.WriteHeader(<-status)
		got <- c
	}))
	defer caller.Close()
	own := into[RunDetail](t, w.want(202, "POST", "/api/v1/runs", `{"job":"load","callback_url":"`+caller.URL+`/own"}`))
	w.finish(state.Succeeded)
	adf := into[RunDetail](t, w.want(202, "POST", "/api/v1/runs", `{"job":"load","callBackUri":"`+caller.URL+`/adf"}`))
	w.finish(state.Failed, func(e *state.Execution) { e.ExitCode, e.Cause, e.Tail = 7, "no such host", []string{"the last line"} })

	due := func() []state.Callback {
		t.Helper()
		list, err := w.store.TakeCallbacks(t.Context(), "p", "dev", 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	list := due()
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	status <- 200
	w.server.callback(t.Context(), http.DefaultClient, list[0])
	c := <-got
	run, _ := c.body["run"].(map[string]any)
	if c.path != "/own" || c.body["event"] != "run.ended" || run["id"] != own.ID || run["status"] != "succeeded" || run["exit_code"] != 0.0 {
		t.Errorf("%+v", c)
	}
	status <- 503
	w.server.callback(t.Context(), http.DefaultClient, list[1])
	c = <-got
	e, _ := c.body["Error"].(map[string]any)
	output, _ := c.body["Output"].(map[string]any)
	if c.path != "/adf" || c.body["StatusCode"] != "500" || e["ErrorCode"] != "elt_failed" || e["Message"] != "no such host\nthe last line" || output["event"] != "run.ended" {
		t.Errorf("%+v", c)
	}
	if list = due(); len(list) != 0 {
		t.Errorf("repeated at once: %+v", list)
	}
	// What was refused is repeated later, what was answered is not; a caller
	// that is gone is no reason to stop.
	caller.Close()
	x := state.Callback{Execution: state.Execution{ID: adf.ID, Callback: caller.URL}, Attempt: calls}
	w.server.callback(t.Context(), http.DefaultClient, x)
	if list = due(); len(list) != 0 {
		t.Errorf("not given up: %+v", list)
	}
}

// The keys of a cloud's machines are not for callers to see.
func TestCallbackToLinkLocal(t *testing.T) {
	w := newWorld(t)
	w.enqueue("x")
	x := state.Callback{Execution: state.Execution{ID: "x", Callback: "http://169.254.169.254/latest/meta-data?key=canary-0006"}}
	_, err := w.server.call(t.Context(), caller(), x)
	if err == nil || !strings.Contains(err.Error(), "link-local") || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

// The service itself: it finds the end of a run and stops with its context.
func TestCallbackService(t *testing.T) {
	w := newWorld(t)
	called := make(chan struct{})
	caller := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(called) }))
	defer caller.Close()
	w.want(202, "POST", "/api/v1/runs", `{"job":"load","callback_url":"`+caller.URL+`"}`)
	w.finish(state.Succeeded)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.server.callbacks(ctx) }()
	<-called
	cancel()
	<-done
}
