package api

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"elt/state"
)

func logged(level, text string) string {
	return fmt.Sprintf(`{"level":%q,"plugin":"tap-own","run_id":"r","rows":3,"timestamp":"2026-01-02T03:04:05.678Z","event":%q}`, level, text)
}

func TestLogPages(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	path := "/api/v1/runs/" + id + "/logs"
	if page := into[LogPage](t, w.want(200, "GET", path, "")); len(page.Items) != 0 || page.Complete {
		t.Errorf("%+v", page)
	}
	w.writeLog(id, logged("info", "begun"), "plain words", logged("warning", "slow"), logged("error", "no such host"), strings.Repeat("x", 200_000))
	page := into[LogPage](t, w.want(200, "GET", path, ""))
	if len(page.Items) != 5 || page.Complete || page.NextCursor != page.Size {
		t.Fatalf("%+v", page)
	}
	first, plain, long := page.Items[0], page.Items[1], page.Items[4]
	if first.Text != "begun" || first.Plugin != "tap-own" || first.At == nil || string(first.Fields) != `{"rows":3}` || plain.Text != "plain words" || plain.Level != "info" ||
		!long.Truncated || len(long.Text) != longLine {
		t.Errorf("%+v %+v %d", first, plain, len(long.Text))
	}
	for query, want := range map[string]string{"?level=warning": "slow,no such host", "?text=HOST": "no such host", "?limit=2": "begun,plain words",
		fmt.Sprint("?limit=1&cursor=", plain.ID): "slow", "?tail=3&limit=2": "slow,no such host", "?level=critical": ""} {
		var texts []string
		for _, l := range into[LogPage](t, w.want(200, "GET", path+query, "")).Items {
			texts = append(texts, l.Text)
		}
		if got := strings.Join(texts, ","); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	f, err := os.OpenFile(w.server.LogPath(id), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprint(f, "half a")
	if page := into[LogPage](t, w.want(200, "GET", fmt.Sprint(path, "?cursor=", page.NextCursor), "")); len(page.Items) != 0 {
		t.Errorf("half a line is shown: %+v", page)
	}
	fmt.Fprintln(f, " line")
	w.finish(state.Succeeded)
	if page := into[LogPage](t, w.want(200, "GET", fmt.Sprint(path, "?cursor=", page.NextCursor), "")); len(page.Items) != 1 || page.Items[0].Text != "half a line" || !page.Complete {
		t.Errorf("%+v", page)
	}
	w.enqueue("elsewhere")
	w.finish(state.Succeeded)
	if p := w.want(404, "GET", "/api/v1/runs/elsewhere/logs", "").problem(t); p.Code != "no_log" || !strings.Contains(p.Hint, "worker") {
		t.Errorf("%+v", p)
	}
	w.want(404, "GET", "/api/v1/runs/none/logs", "")
}

// stream is a followed log.
type stream struct {
	*http.Response
	lines *bufio.Scanner
}

func (w *world) follow(path string, headers ...string) stream {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.http.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.tokens[ScopeRead])
	r.Header.Set("Accept", "text/event-stream")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := w.http.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	return stream{res, bufio.NewScanner(res.Body)}
}

// next is the next event: its id, name and data; "" when the stream ends.
func (s stream) next() (id, event, data string) {
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if event != "" {
				return id, event, data
			}
		}
	}
	return "", "", ""
}

func TestFollow(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	s := w.follow("/api/v1/runs/" + id + "/logs") // before the run says anything
	w.writeLog(id, logged("info", "one"), logged("debug", "quiet"), logged("info", "two"))
	at, event, data := s.next()
	if event != "log" || !strings.Contains(data, `"text":"one"`) || at == "" {
		t.Fatalf("%s %s %s", at, event, data)
	}
	s.Body.Close() // the connection is cut; the asker comes again
	s = w.follow("/api/v1/runs/"+id+"/logs?level=info", "Last-Event-ID: "+at)
	if _, _, data := s.next(); !strings.Contains(data, `"text":"two"`) {
		t.Fatal(data)
	}
	w.writeLog(id, logged("info", "three"))
	w.finish(state.Failed, func(e *state.Execution) { e.ExitCode, e.Cause = 3, "why" })
	if _, _, data := s.next(); !strings.Contains(data, `"text":"three"`) {
		t.Fatal(data)
	}
	if _, event, data := s.next(); event != "end" || !strings.Contains(data, `"exit_code":3`) || !strings.Contains(data, `"status":"failed"`) {
		t.Fatal(event, data)
	}
	if _, event, _ := s.next(); event != "" {
		t.Fatal("the stream goes on after its end")
	}
}

// Who follows a run is told how far it is; so is who asks for it.
func TestProgress(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	e, err := w.store.Begin(t.Context(), id, "worker")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	step := state.Run{ID: "step", Execution: id, Name: "tap-own target-sqlite", Status: state.Running, Started: now.Add(-10 * time.Second), Detail: []byte(`{"version":"1"}`)}
	beat := func(rows int64, rate float64) {
		err := w.store.Beat(t.Context(), "step", []state.StreamStats{{Stream: "s", Rows: rows, Bytes: 8 * rows, Seconds: 10, Rate: rate}}, []byte(`{"bottleneck":"tap-own"}`))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.store.StartRun(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	beat(100, 7)
	w.writeLog(id, logged("info", "one"))
	s := w.follow("/api/v1/runs/" + id + "/logs")
	progress := func(want string) {
		t.Helper()
		for {
			at, event, data := s.next()
			if event == "progress" && strings.Contains(data, want) && strings.Contains(data, `"bottleneck":"tap-own"`) {
				if at != "" {
					t.Error("progress moves the place in the log")
				}
				return
			}
			if event == "" || event == "end" {
				t.Fatalf("no %s: %s", want, event)
			}
		}
	}
	progress(`"rows":100,"bytes":800,"rows_per_second":7`)
	beat(200, 33)
	progress(`"rows":200,"bytes":1600,"rows_per_second":33`)
	d := into[RunDetail](t, w.want(200, "GET", "/api/v1/runs/"+id, ""))
	if d.Bottleneck != "tap-own" || d.RowsPerSecond != 33 || d.Rows != 200 || d.Steps[0].RowsPerSecond != 33 || d.Steps[0].Bottleneck != "tap-own" {
		t.Errorf("%+v", d)
	}
	streams := into[List[StreamOfRun]](t, w.want(200, "GET", "/api/v1/runs/"+id+"/streams", "")).Items
	if len(streams) != 1 || streams[0].Bottleneck != "tap-own" || streams[0].RowsPerSecond != 33 {
		t.Errorf("%+v", streams)
	}
	ended := step.Started.Add(10 * time.Second)
	step.Status, step.Ended, step.Detail, step.Streams = state.Succeeded, &ended, []byte(`{"bottleneck":"target-sqlite"}`), []state.StreamStats{{Stream: "s", Rows: 300, Seconds: 5}}
	if err := w.store.FinishRun(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	e.Status = state.Succeeded
	if err := w.store.End(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	d = into[RunDetail](t, w.want(200, "GET", "/api/v1/runs/"+id, ""))
	if d.Bottleneck != "target-sqlite" || d.RowsPerSecond != 0 || d.Steps[0].RowsPerSecond != 30 || d.Steps[0].Streams[0].RowsPerSecond != 60 {
		t.Errorf("%+v", d)
	}
}

// A hundred follow at once; all see everything, and all end when the daemon stops.
func TestHundredFollowers(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	w.writeLog(id, logged("info", "line 0"))
	var all sync.WaitGroup
	var seen sync.WaitGroup
	for range 100 {
		s := w.follow("/api/v1/runs/" + id + "/logs")
		seen.Add(1)
		all.Go(func() {
			for n := range 20 {
				if _, _, data := s.next(); !strings.Contains(data, fmt.Sprintf(`"text":"line %d"`, n)) {
					t.Errorf("line %d: %s", n, data)
					break
				}
			}
			seen.Done()
			if _, event, _ := s.next(); event != "" {
				t.Error("not ended by the stop")
			}
		})
	}
	for n := 1; n < 20; n++ {
		w.writeLog(id, logged("info", fmt.Sprint("line ", n)))
	}
	seen.Wait()
	w.server.Stopping()
	all.Wait()
	w.want(503, "GET", "/api/v1/runs/"+id+"/logs", "", "Accept: text/event-stream")
}

// A log of a gigabyte is read by pages and searched without being held.
func TestHugeLog(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	w.writeLog(id, logged("info", "first"))
	path := w.server.LogPath(id)
	if err := os.Truncate(path, 1<<30); err != nil { // the rest is one line without an end
		t.Skipf("no file of 1 GB here: %v", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "\n%s\n", logged("info", "last"))
	f.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	page := into[LogPage](t, w.want(200, "GET", "/api/v1/runs/"+id+"/logs?text=last", ""))
	if len(page.Items) != 0 || page.NextCursor < scanned || page.NextCursor > scanned+2*endless || page.Size < 1<<30 {
		t.Errorf("%d of %d, %d items", page.NextCursor, page.Size, len(page.Items))
	}
	page = into[LogPage](t, w.want(200, "GET", "/api/v1/runs/"+id+"/logs?tail=1", ""))
	if len(page.Items) != 1 || page.Items[0].Text != "last" {
		t.Errorf("%+v", page)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 32<<20 {
		t.Errorf("%d MB stay in memory", grown>>20)
	}
	if after.TotalAlloc-before.TotalAlloc > 256<<20 {
		t.Errorf("%d MB were taken", (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}

// No answer holds a secret, whoever asks and wherever it was written.
func TestNoSecretInAnyAnswer(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x", func(e *state.Execution) {
		e.Options = []byte(`{"env":{"SECRET_OF_RUN":"canary-env-0004"}}`)
		e.Callback = "https://hooks.example/?sig=canary-sig-0005"
	})
	w.want(200, "GET", "/api/v1/projects", "") // which learns the project's secrets
	w.writeLog(id, logged("error", "login with canary-pass-0003 failed"), "Y2FuYXJ5LWtleS0wMDAx canary-key-0001", logged("info", "https://me:canary-url-0002@host/x"))
	w.finish(state.Failed, func(e *state.Execution) {
		e.ExitCode, e.Cause, e.Tail = 1, "canary-pass-0003 is wrong", []string{"with canary-key-0001"}
	})
	if err := w.store.StartRun(t.Context(), state.Run{ID: "l", StateID: "s", Name: "a b", Environment: "dev", Status: state.Running, Started: time.Now(), Cause: "canary-key-0001"}); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{kind}/{name}", "extractors/tap-own", "{name}", "nightly", "{state_id}", "s", "{id}", id)
	for _, r := range w.server.Routes() {
		if r.Method != http.MethodGet {
			continue
		}
		if text := w.ask("GET", fill.Replace(r.Path), "").text; strings.Contains(text, "canary") {
			t.Errorf("%s: %s", r.Path, text)
		}
	}
	d := into[PluginDetail](t, w.want(200, "GET", "/api/v1/plugins/extractors/tap-own", ""))
	seen := map[string]string{}
	for _, s := range d.Settings {
		seen[s.Name] = string(s.Value) + " " + s.Source
	}
	if seen["api_key"] != `"***" project_file` || seen["db_password"] != `"***" project_file` || seen["url"] != `"https://me:***@host/x" project_file` {
		t.Errorf("%v", seen)
	}
	s := w.follow("/api/v1/runs/" + id + "/logs")
	for {
		_, event, data := s.next()
		if strings.Contains(data, "canary") || strings.Contains(data, "Y2FuYXJ5LWtleS0wMDAx") {
			t.Error(data)
		}
		if event == "" {
			break
		}
	}
	w.want(422, "POST", "/api/v1/runs?wait=x", `{"job":"load"}`)
	if strings.Contains(w.log.String(), "canary") {
		t.Error(w.log.String())
	}
}
