package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"elt/state"
)

func TestStartRun(t *testing.T) {
	w := newWorld(t)
	r := w.want(202, "POST", "/api/v1/runs", `{"job":"load","select":["a*"],"env":{"TAP_CSV_X":"canary-env-0009"},"priority":3,"full_refresh":true}`, "Idempotency-Key: k1")
	d := into[RunDetail](t, r)
	if d.Status != "queued" || d.Name != "load" || d.Trigger != "api" || d.Priority != 3 || !d.Options.FullRefresh || fmt.Sprint(d.Options.EnvNames) != "[TAP_CSV_X]" ||
		d.ExitCode != nil || d.Kind != "queued" || len(d.Attempts) != 1 || r.Header.Get("Location") != "/api/v1/runs/"+d.ID || strings.Contains(r.text, "canary") {
		t.Errorf("%s", r.text)
	}
	again := into[RunDetail](t, w.want(202, "POST", "/api/v1/runs", `{"job":"load","select":["a*"],"env":{"TAP_CSV_X":"canary-env-0009"},"priority":3,"full_refresh":true}`, "Idempotency-Key: k1"))
	if again.ID != d.ID {
		t.Error("one key, two runs")
	}
	if p := w.want(422, "POST", "/api/v1/runs", `{"job":"other"}`, "Idempotency-Key: k1").problem(t); p.Code != "key_reused" {
		t.Errorf("%+v", p)
	}
	if list, err := w.store.Executions(t.Context(), state.Which{}); err != nil || len(list) != 1 || list[0].Lock != "job load" {
		t.Errorf("%+v %v", list, err)
	}
	for request, want := range map[string]string{
		`{"blocks":["tap-csv","target-sqlit"]}`: `unknown_block did you mean "target-sqlite"?`,
		`{"job":"laod"}`:                        `unknown_job did you mean "load"?`,
		`{"schedule":"nightl"}`:                 `unknown_schedule did you mean "nightly"?`,
		`{}`:                                    "invalid",
		`{"job":"load","blocks":["tap-csv","target-sqlite"]}`:                      "invalid",
		`{"job":"load","from":"2024-01-01"}`:                                       "invalid",
		`{"job":"load","from":"2024-01-01","to":"2023-01-01"}`:                     "invalid",
		`{"job":"load","from":"2024-01-01","to":"2024-02-01","full_refresh":true}`: "invalid",
		`{"job":"load","from":"2024-01-01","to":"2024-02-01","chunk":"7 moons"}`:   "invalid",
		`{"job":"load","chunk":"7d"}`:                                              "invalid",
		`{"job":"load","env":{"LD_PRELOAD":"/tmp/x.so"}}`:                          "env_refused",
		`{"job":"load","env":{"ELT_DATABASE_URI":"x"}}`:                            "env_refused",
		`{"job":"load","env":{"path":"x"}}`:                                        "env_refused",
		`{"job":"load","env":{"A B":"x"}}`:                                         "invalid",
		`{"job":"load","callback_url":"file:///etc/passwd"}`:                       "invalid",
		`{"job":"load","callback_url":"http://h/x","callBackUri":"http://h/x"}`:    "invalid",
		`{"job":"load","callback_url":"http://169.254.169.254/latest"}`:            "invalid",
		`{"blocks":["--full-refresh"]}`:                                            "unknown_block",
	} {
		p := w.want(422, "POST", "/api/v1/runs", request).problem(t)
		if got := strings.TrimSpace(p.Code + " " + p.Hint); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s %s", request, got, p.Detail)
		}
	}
	if d := into[RunDetail](t, w.want(202, "POST", "/api/v1/runs", `{"job":"load","from":"2024-01-01","to":"2024-02-01","chunk":"7d"}`)); d.BackfillID == "" || d.Options.Chunk != "7d" {
		t.Errorf("%+v", d)
	}
	if d := into[RunDetail](t, w.want(202, "POST", "/api/v1/runs", `{"schedule":"nightly"}`)); d.Schedule != "nightly" || fmt.Sprint(d.Options.EnvNames) != "[SECRET_OF_RUN]" {
		t.Errorf("%+v", d)
	}
	// What works on the same state id waits for the other.
	d = into[RunDetail](t, w.want(202, "POST", "/api/v1/runs", `{"blocks":["tap-csv","target-sqlite"]}`))
	if e, err := w.store.Execution(t.Context(), d.ID); err != nil || e.Lock != "job load" {
		t.Errorf("%+v %v", e, err)
	}
	w.want(422, "POST", "/api/v1/runs?wait=soon", `{"job":"load"}`)
}

func TestWaitForRun(t *testing.T) {
	w := newWorld(t)
	w.server.Enqueued = func() {
		w.finish(state.Failed, func(e *state.Execution) {
			e.ExitCode, e.Cause, e.Tail = 7, "tap-own ended with 7: canary-pass-0003", []string{"line one", "no such host canary-key-0001"}
		})
		w.server.Look()
	}
	d := into[RunDetail](t, w.want(200, "POST", "/api/v1/runs?wait=30s", `{"job":"load"}`))
	if d.Status != "failed" || *d.ExitCode != 7 || !strings.HasPrefix(d.Cause, "tap-own ended with 7") || len(d.LastLines) != 2 || !strings.HasPrefix(d.LastLines[1], "no such host") {
		t.Errorf("%+v", d)
	}
	w.server.Enqueued = func() {}
	if d := into[RunDetail](t, w.want(202, "POST", "/api/v1/runs?wait=50ms", `{"job":"load"}`)); d.Status != "queued" {
		t.Errorf("%+v", d)
	}
	w.server.Stopping() // ends waits at once
	w.want(202, "POST", "/api/v1/runs?wait=60s", `{"job":"other"}`)
	w.want(503, "GET", "/readyz", "")
	w.want(200, "GET", "/healthz", "")
}

func TestCancelAndRetry(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("0198f6c2-0000-7000-8000-000000000001")
	w.want(409, "POST", "/api/v1/runs/"+id+"/retry", "")
	d := into[RunDetail](t, w.want(200, "POST", "/api/v1/runs/"+id+"/cancel", ""))
	if d.Status != "cancelled" || d.Cause != "cancelled by admin" {
		t.Errorf("%+v", d)
	}
	w.want(409, "POST", "/api/v1/runs/"+id+"/cancel", "")
	w.want(404, "POST", "/api/v1/runs/none/cancel", "")
	d = into[RunDetail](t, w.want(202, "POST", "/api/v1/runs/"+id+"/retry", "", "Idempotency-Key: r"))
	if d.RetryOf != id || d.Attempt != 2 || d.Trigger != "retry" || len(d.Attempts) != 2 || d.Attempts[0].ID != id {
		t.Errorf("%+v", d)
	}
	if twice := into[RunDetail](t, w.want(202, "POST", "/api/v1/runs/"+id+"/retry", "", "Idempotency-Key: r")); twice.ID != d.ID {
		t.Error("repeated twice under one key")
	}
	first := into[RunDetail](t, w.want(200, "GET", "/api/v1/runs/"+id, ""))
	if len(first.Attempts) != 2 || first.Attempts[1].ID != d.ID {
		t.Errorf("%+v", first.Attempts)
	}
	local := state.Run{ID: "local-1", StateID: "dev:x", Name: "tap-csv target-sqlite", Environment: "dev", Trigger: "cli", Status: state.Running, Started: time.Now()}
	if err := w.store.StartRun(t.Context(), local); err != nil {
		t.Fatal(err)
	}
	if p := w.want(409, "POST", "/api/v1/runs/local-1/cancel", "").problem(t); p.Code != "local_run" {
		t.Errorf("%+v", p)
	}
	w.want(409, "POST", "/api/v1/runs/local-1/retry", "")
}

// Runs of the queue and typed ones are one list, page by page.
func TestListRuns(t *testing.T) {
	w := newWorld(t)
	var want []string
	for n := range 12 {
		id := fmt.Sprintf("run-%02d", n)
		if n%3 == 0 {
			r := state.Run{ID: id, StateID: "dev:x", Name: "tap-csv target-sqlite", Environment: "dev", Trigger: "cli", Status: state.Running, Started: time.Now()}
			if err := w.store.StartRun(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		} else {
			w.enqueue(id, func(e *state.Execution) { e.Name = []string{"load", "nightly"}[n%2] })
		}
		want = append([]string{id}, want...)
	}
	w.finish(state.Succeeded)
	var got []string
	cursor := ""
	for pages := 0; ; pages++ {
		page := into[List[Run]](t, w.want(200, "GET", "/api/v1/runs?limit=5&cursor="+cursor, ""))
		for _, r := range page.Items {
			got = append(got, r.ID)
			if local := r.Kind == "local"; local != (r.Trigger == "cli") {
				t.Errorf("%+v", r)
			}
		}
		if cursor = page.NextCursor; cursor == "" || pages > 5 {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\n%v", got, want)
	}
	for query, n := range map[string]int{"?kind=local": 4, "?kind=queued": 8, "?pipeline=load": 8, "?status=succeeded": 1, "?status=queued,running": 11,
		"?environment=prod": 0, "?pipeline=tap-csv%20target-sqlite": 4, "?since=2030-01-01T00:00:00Z": 0} {
		if page := into[List[Run]](t, w.want(200, "GET", "/api/v1/runs"+query, "")); len(page.Items) != n {
			t.Errorf("%s: %d, want %d", query, len(page.Items), n)
		}
	}
	w.want(422, "GET", "/api/v1/runs?cursor=xyz", "")
	w.want(422, "GET", "/api/v1/runs?limit=0", "")
	w.want(422, "GET", "/api/v1/runs?status=odd", "")

	pipes := into[List[Pipeline]](t, w.want(200, "GET", "/api/v1/pipelines?runs=3", ""))
	if len(pipes.Items) != 4 {
		t.Fatalf("%+v", pipes)
	}
	load := pipes.Items[0]
	if load.Name != "load" || load.Kind != "job" || len(load.LastRuns) != 3 || len(load.Schedules) != 1 || load.NextFire == nil || load.Sets[0].StateID != "dev:tap-csv-to-target-sqlite" {
		t.Errorf("%+v", load)
	}
	if seen := pipes.Items[3]; seen.Name != "tap-csv target-sqlite" || len(seen.LastRuns) != 3 || seen.LastRuns[0].Kind != "local" {
		t.Errorf("%+v", seen)
	}
	if one := into[Pipeline](t, w.want(200, "GET", "/api/v1/pipelines/load", "")); len(one.LastRuns) != 8 || len(one.Schedules[0].NextFires) != 10 || one.LastSuccessAt == nil {
		t.Errorf("%+v", one)
	}
	if p := w.want(404, "GET", "/api/v1/pipelines/laod", "").problem(t); p.Hint != `did you mean "load"?` {
		t.Errorf("%+v", p)
	}
}

func TestStepsAndStreams(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	r := state.Run{ID: "step", Execution: id, StateID: "dev:x", Name: "tap-csv target-sqlite", Environment: "dev", Status: state.Running, Started: time.Now()}
	if err := w.store.StartRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	end := r.Started.Add(2 * time.Second)
	r.Status, r.Ended, r.Streams = state.Succeeded, &end, []state.StreamStats{{Stream: "a", Rows: 10, Bytes: 200, Seconds: 2, Bookmark: json.RawMessage(`{"n":9007199254740993}`)}}
	r.Detail = json.RawMessage(`{"plugins":[{"name":"tap-csv","type":"extractor","native":true,"reason":"built in"}],"fused":true,"version":"1"}`)
	if err := w.store.FinishRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	d := into[RunDetail](t, w.want(200, "GET", "/api/v1/runs/"+id, ""))
	if d.Rows != 10 || d.Bytes != 200 || len(d.Steps) != 1 || d.Steps[0].Seconds != 2 || !d.Steps[0].Detail.Fused || d.Steps[0].Detail.Plugins[0].Name != "tap-csv" {
		t.Errorf("%+v", d)
	}
	text := w.want(200, "GET", "/api/v1/runs/"+id+"/streams", "").text
	if !strings.Contains(text, `"bookmark":{"n":9007199254740993}`) || !strings.Contains(text, `"rows_per_second":5`) {
		t.Error(text)
	}
	if d := into[RunDetail](t, w.want(200, "GET", "/api/v1/runs/step", "")); d.Kind != "local" {
		t.Errorf("%+v", d)
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.enqueue("x")
	w.finish(state.Succeeded)
	w.enqueue("y")
	e, err := w.store.Execution(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	measured := state.Run{ID: "m", Execution: "x", StateID: "dev:x", Status: state.Running, Started: time.Now(),
		Detail: json.RawMessage(`{"gauges":[{"metric":"replication_slot_lag_bytes","value":4096,"tags":{"slot":"s1"}},{"metric":"other","value":1}]}`)}
	if err := w.store.StartRun(t.Context(), measured); err != nil {
		t.Fatal(err)
	}
	w.server.Metrics.Ended(e)
	text := w.want(http.StatusOK, "GET", "/metrics", "").text
	for _, want := range []string{`elt_runs{status="succeeded"} 1`, `elt_runs{status="queued"} 1`, "elt_queue_length 1", `elt_run_duration_seconds_count{pipeline="load",status="succeeded"} 1`,
		`elt_replication_slot_lag_bytes{pipeline="load",slot="s1"} 4096`,
		"elt_store_up 1", `elt_build_info{version="test"} 1`, "go_goroutines"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
