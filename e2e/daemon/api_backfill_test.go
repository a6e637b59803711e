package daemon

import (
	"encoding/json"
	"io"
	"strings"
	"syscall"
	"testing"

	"elt/internal/api"
)

// A backfill by the API whose daemon is stopped goes on as the same backfill
// with the next daemon: what is done is not done again.
func TestBackfillByAPI(t *testing.T) {
	w := newWorld(t, "")
	w.write("elt.yml", `default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: tap-slow
    namespace: tap_slow
    executable: ./tap.sh
    capabilities: [state]
    backfill: {start: start_date, end: end_date, format: '%Y-%m-%d'}
  loaders: [{name: target-sqlite, config: {database: out.db}}]
`)
	s := w.server()
	const request = `{"blocks":["tap-slow","target-sqlite"],"from":"2024-01-01","to":"2024-01-15","chunk":"1w"}`
	res := s.request("POST", "/backfills/plan", request)
	text, _ := io.ReadAll(res.Body)
	var plan api.BackfillPlan
	if err := json.Unmarshal(text, &plan); err != nil || res.StatusCode != 200 || plan.Chunks != 2 || plan.Plan == nil || plan.Plan.Start != "start_date" {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	w.write("tap.sh", strings.Replace(tap, "echo begun", "[ ! -e second ] && touch second || touch hang\necho begun", 1)) // the second chunk hangs
	d := s.run(202, "POST", "/backfills", request)
	if d.BackfillID == "" {
		t.Fatalf("%+v", d)
	}
	w.begun(2)
	s.Process.Signal(syscall.SIGTERM)
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	w.until("a run handed back", are("queued"))
	w.write("tap.sh", tap)
	w.remove("hang")
	s = w.server()
	w.until("its end", are("succeeded"))
	var b api.Backfill
	text, _ = io.ReadAll(s.request("GET", "/backfills/"+d.BackfillID, "").Body)
	if err := json.Unmarshal(text, &b); err != nil || b.Status != "succeeded" || b.ChunksDone != 2 || b.Chunks[0].Attempts != 1 || b.Chunks[1].Attempts != 2 {
		t.Errorf("%s", text)
	}
	if all, err := w.store.Backfills(t.Context(), 0); err != nil || len(all) != 1 {
		t.Errorf("%d backfills, %v", len(all), err)
	}
	w.wantRows("1,2,3")
	for args, want := range map[string]string{"list": "2/2", "list --json": `"chunks_done": 2`, "show " + b.ID: "2024-01-08", "show --json " + b.ID: `"attempts": 2`} {
		if out, talk, code := s.elt(append([]string{"backfill"}, strings.Fields(args)...)...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: %d\n%s\n%s", args, code, out, talk)
		}
	}
	for _, verb := range []string{"cancel", "resume"} { // it has succeeded
		if _, talk, code := s.elt("backfill", verb, b.ID); code != 1 || !strings.Contains(talk, b.ID) {
			t.Errorf("%s: %d %s", verb, code, talk)
		}
	}
}
