package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"elt/state"
)

// note tells the store of a run of one stream.
func (w *world) note(id, stateID, status string, ended time.Time, stream, shape string) {
	w.t.Helper()
	r := state.Run{ID: id, Execution: "of-" + id, StateID: stateID, Name: "tap-own target-sqlite", Environment: "dev", Status: status, Ended: &ended,
		Streams: []state.StreamStats{{Stream: stream, Rows: 10, Bytes: 100, Seconds: 2, Error: "canary-pass-0003"}}}
	err := w.store.NoteStreams(w.t.Context(), r, map[string]state.SchemaVersion{stream: {Fingerprint: fmt.Sprintf("%x", shape), Shape: []byte(shape)}})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestStreams(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	old := now.Add(-3 * time.Hour)
	const first = `{"columns":[{"name":"id","type":"integer"},{"name":"name","type":"string","nullable":true}],"key":["id"]}`
	const second = `{"columns":[{"name":"id","type":"string"},{"name":"price","type":"number"}],"key":[],"replication_key":"id"}`
	own := "dev:tap-own-to-target-sqlite"
	w.note("r1", own, state.Succeeded, old, "public-a/b", first)
	w.note("r2", own, state.Failed, now, "public-a/b", second)
	w.note("r3", "typed", state.Succeeded, now, "x", first)
	w.note("r4", "pair", state.Succeeded, now, "y", first)
	all := into[List[StreamStatus]](t, w.want(200, "GET", "/api/v1/streams", ""))
	if len(all.Items) != 3 || all.NextCursor != "" {
		t.Fatalf("%+v", all)
	}
	a := all.Items[0]
	if a.StateID != own || a.Stream != "public-a/b" || a.Status != "failed" || a.RunID != "of-r2" || a.StepID != "r2" || a.Rows != 10 || a.RowsPerSecond != 5 ||
		!a.LastSuccessAt.Equal(old) || *a.AgeSeconds < 3*3600 || fmt.Sprint(a.Pipelines) != "[other tap-own target-sqlite]" || a.FreshWithin != 7200 || !a.Stale ||
		a.Schema.Version != 2 || a.Schema.Columns != 2 || len(a.Schema.Key) != 0 || strings.Contains(a.Error, "canary") {
		t.Errorf("%+v %+v", a, a.Schema)
	}
	if y := all.Items[1]; y.StateID != "pair" || fmt.Sprint(y.Pipelines) != "[tap-own target-sqlite]" || y.Stale || y.FreshWithin != 0 {
		t.Errorf("%+v", y)
	}
	if x := all.Items[2]; x.StateID != "typed" || len(x.Pipelines) != 0 {
		t.Errorf("%+v", x)
	}
	var paged []string
	for cursor := ""; ; {
		page := into[List[StreamStatus]](t, w.want(200, "GET", "/api/v1/streams?limit=1&cursor="+cursor, ""))
		for _, s := range page.Items {
			paged = append(paged, s.Stream)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if fmt.Sprint(paged) != "[public-a/b y x]" {
		t.Error(paged)
	}
	w.want(422, "GET", "/api/v1/streams?cursor=!", "")
	for query, want := range map[string]int{"pipeline=other": 1, "pipeline=load": 0, "pipeline=tap-own%20target-sqlite": 2, "state_id=typed": 1} {
		if got := into[List[StreamStatus]](t, w.want(200, "GET", "/api/v1/streams?"+query, "")); len(got.Items) != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	w.want(404, "GET", "/api/v1/streams?pipeline=none", "")

	d := into[StreamDetail](t, w.want(200, "GET", "/api/v1/streams/"+url.PathEscape(own)+"/"+url.PathEscape("public-a/b"), ""))
	if len(d.Schemas) != 2 || d.Schemas[0].ReplicationKey != "id" || d.Schemas[1].Version != 1 || d.Schemas[1].StepID != "r1" || len(d.Schemas[1].Changes) != 0 {
		t.Fatalf("%+v", d)
	}
	if got := fmt.Sprint(d.Schemas[0].Changes); got != "[{changed id integer string} {added price  number} {removed name string or null } {key  id } {replication_key   id}]" {
		t.Error(got)
	}
	w.want(404, "GET", "/api/v1/streams/"+url.PathEscape(own)+"/none", "")
}

func TestWorkers(t *testing.T) {
	w := newWorld(t)
	keep := func(d state.Daemon) {
		d.Project, d.Environment, d.Host = "p", "dev", "host"
		if err := w.store.KeepDaemon(t.Context(), d, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	keep(state.Daemon{Name: "a", Roles: []string{"worker"}, Queues: []string{"heavy"}, Slots: 2, Executor: "process"})
	keep(state.Daemon{Name: "b", Roles: []string{"api"}})
	heavy := func(e *state.Execution) { e.Queue = "heavy" }
	w.enqueue("x1", heavy)
	w.enqueue("x2", heavy)
	w.enqueue("x3")
	if _, err := w.store.Begin(t.Context(), "x1", "a"); err != nil {
		t.Fatal(err)
	}
	v := into[Workers](t, w.want(200, "GET", "/api/v1/workers", ""))
	if len(v.Daemons) != 2 || len(v.Queues) != 2 {
		t.Fatalf("%+v", v)
	}
	a, b := v.Daemons[0], v.Daemons[1]
	if !a.Alive || len(a.Running) != 1 || a.Running[0].ID != "x1" || a.Running[0].Queue != "heavy" || fmt.Sprintf("%v %d %s", a.Queues, a.Slots, a.Executor) != "[heavy] 2 process" ||
		len(b.Running) != 0 || b.Slots != 0 || fmt.Sprint(b.Roles) != "[api]" || time.Since(a.HeartbeatAt) > time.Minute {
		t.Errorf("%+v", v.Daemons)
	}
	usual, other := v.Queues[0], v.Queues[1]
	if usual.Name != "default" || usual.Waiting != 1 || usual.Workers != 0 || usual.Limit != nil || usual.OldestWaitingAt == nil ||
		other.Name != "heavy" || other.Running != 1 || other.Waiting != 1 || other.Workers != 1 || other.Limit == nil || *other.Limit != 3 {
		t.Errorf("%+v", v.Queues)
	}
}

func TestAlerts(t *testing.T) {
	w := newWorld(t)
	open := func(id, key string) {
		i := state.Incident{ID: id, Project: "p", Environment: "dev", Key: key, Kind: "failure", Pipeline: "load", Summary: "load failed: canary-pass-0003", Run: "x"}
		if ok, err := w.store.OpenIncident(t.Context(), i, nil, 0); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	w.want(http.StatusOK, "GET", "/api/v1/schedules", "") // secrets of the project are known from now on
	open("i1", "k1")
	open("i2", "k2")
	if _, err := w.store.ResolveIncident(t.Context(), "i1", nil, 0); err != nil {
		t.Fatal(err)
	}
	all := into[List[Alert]](t, w.want(200, "GET", "/api/v1/alerts", "")).Items
	if len(all) != 2 || all[0].ID != "i2" || !all[0].Open || all[1].Open || all[1].ResolvedAt == nil || all[0].RunID != "x" || strings.Contains(all[0].Summary, "canary") {
		t.Errorf("%+v", all)
	}
	if now := into[List[Alert]](t, w.want(200, "GET", "/api/v1/alerts?open=true", "")).Items; len(now) != 1 || now[0].ID != "i2" {
		t.Errorf("%+v", now)
	}
}
