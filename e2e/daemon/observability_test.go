package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/schedule"
	"elt/state"
)

// A run of the daemon goes on the trace of the request that asked for it, and
// tells its lineage; one that fails says so in both. A collector that is away
// changes nothing.
func TestTraceAndLineage(t *testing.T) {
	collector := newInbox(t)
	events := filepath.Join(t.TempDir(), "lineage.jsonl")
	w := newWorld(t, "- {name: s, job: load, interval: '@yearly'}\n")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OPENLINEAGE_URL", "file://"+events)
	t.Setenv("OPENLINEAGE_NAMESPACE", "shop")
	w.daemon()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ask := func(n int) {
		e := state.Execution{ID: fmt.Sprintf("0198f6c2-0000-7000-8000-00000000000%d", n), Project: filepath.Base(w.dir), Environment: "dev", Name: "load",
			Blocks: []string{"load"}, Trigger: "api", Options: schedule.Options{Trace: parent}.JSON()}
		if _, _, err := w.store.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	ask(1)
	w.until("a run", are("succeeded"))
	w.write("tap.sh", "#!/bin/sh\necho 'no such host' >&2\nexit 3\n")
	ask(2)
	w.until("a failure", are("succeeded failed"))

	sent := collector.read()
	if len(sent) != 2 {
		t.Fatalf("%d traces", len(sent))
	}
	names := map[string]string{}
	for _, s := range spansOf(t, sent[0]) {
		if s.TraceID != "0af7651916cd43dd8448eb211c80319c" || s.SpanID == "" || s.Start >= s.End && !strings.HasPrefix(s.Name, "stream") || s.Status.Code != 1 {
			t.Errorf("%+v", s)
		}
		names[s.Name] = s.Parent
		names["id of "+s.Name] = s.SpanID
	}
	const run, first, last = "run tap-slow target-sqlite", "process tap-slow", "process target-sqlite"
	if names["elt run"] != "b7ad6b7169203331" || names[run] != names["id of elt run"] || names[first] != names["id of "+run] ||
		names[last] != names["id of "+run] || names["stream s"] != names["id of "+first] {
		t.Errorf("%v", names)
	}
	failed := 0
	for _, s := range spansOf(t, sent[1]) {
		if s.Status.Code == 2 {
			failed++
		}
	}
	if failed < 3 { // the whole, the run, the tap
		t.Errorf("%d spans failed: %s", failed, sent[1])
	}

	text, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for line := range strings.Lines(string(text)) {
		var e struct {
			EventType string
			Run       struct {
				RunID  string
				Facets struct {
					Parent struct{ Run struct{ RunID string } }
				}
			}
			Outputs []struct{ Namespace, Name string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		told = append(told, e.EventType)
		if !strings.HasPrefix(e.Run.Facets.Parent.Run.RunID, "0198f6c2-0000-7000-8000-00000000000") {
			t.Errorf("%s", line)
		}
		if e.EventType == "COMPLETE" && (len(e.Outputs) != 1 || e.Outputs[0].Name != filepath.Join(w.dir, "out.db")+":s" || !strings.Contains(line, `"rowCount":3`)) {
			t.Errorf("%s", line)
		}
	}
	if got := strings.Join(told, " "); got != "START COMPLETE START FAIL" || !strings.Contains(string(text), `"errorMessage"`) {
		t.Errorf("%s\n%s", got, text)
	}

	collector.Close()
	w.write("tap.sh", tap)
	c := exec.Command(elt, "--cwd", w.dir, "run", "load")
	c.Env = append(os.Environ(), "OPENLINEAGE_URL=http://127.0.0.1:1", "BEGUN=/dev/null")
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "trace was not sent") || !strings.Contains(string(out), "lineage is not told") {
		t.Errorf("%v\n%s", err, out)
	}
}

type sentSpan struct {
	TraceID, SpanID, Name string
	Parent                string `json:"parentSpanId"`
	Start                 string `json:"startTimeUnixNano"`
	End                   string `json:"endTimeUnixNano"`
	Status                struct{ Code int }
}

func spansOf(t *testing.T, text string) []sentSpan {
	t.Helper()
	var r struct {
		ResourceSpans []struct{ ScopeSpans []struct{ Spans []sentSpan } }
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil || len(r.ResourceSpans) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	return r.ResourceSpans[0].ScopeSpans[0].Spans
}
