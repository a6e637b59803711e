package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/state"
)

const fakeID = "dev:tap-chaos-to-target-fake"

func runFake(t *testing.T, b *bench) (*BlockReport, error) {
	t.Helper()
	return b.run(t, "tap-chaos", "target-fake")
}

// Invariant 3: the target claims first, its epoch is adopted, and the tap
// starts from the bookmark that the claim settled.
func TestClaim(t *testing.T) {
	b := newBench(t, `{steps: [`+tenRows+`]}`, `{}`)
	destination := func(name string, v any) {
		raw, err := json.Marshal(v)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(b.dir, name), raw, 0o600))
	}
	destination("destination.json", map[string]any{"Found": true, "Epoch": 41, "Edit": 3})
	destination("destination-state.json", json.RawMessage(`{"bookmarks":{"s":{"id":6}}}`))
	rep, err := runFake(t, b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.log)
	}
	if rep.Streams[0].Rows != 4 {
		t.Errorf("the tap did not start from the destination's bookmark: %+v", rep.Streams)
	}
	if got := b.store.leases[fakeID].epoch; got != 42 {
		t.Errorf("epoch %d is not the adopted one", got)
	}
	if string(b.store.bookmarks[fakeID].Completed) != `{"bookmarks":{"s":{"id":10}}}` {
		t.Errorf("%s", b.store.bookmarks[fakeID].Completed)
	}
	contains(t, "the report", strings.Join(rep.Notes, "\n"), "the store was lost")
	if edit := b.store.bookmarks[fakeID].Edit; edit != 3 {
		t.Errorf("the store counts %d edits, the destination 3", edit)
	}
	if !rep.Plugins[1].Native || rep.Plugins[1].Connector != "target-fake" {
		t.Errorf("%+v", rep.Plugins)
	}
	pin := b.store.settings[pinScope(fakeID)]["target-fake"]
	contains(t, "the pin", pin, `"native":true`, `"connector":"target-fake"`)

	// The destination loses its row: refused, unless the user trusts the store.
	must(t, os.Remove(filepath.Join(b.dir, "destination.json")))
	must(t, os.Remove(filepath.Join(b.dir, "destination-state.json")))
	if _, err = runFake(t, b); err == nil {
		t.Fatal("a destination that lost its position was accepted")
	}
	contains(t, "the error", fault.Render(err), "target-fake: state id", "has lost the position", "hint: was it replaced")
	b.TrustState = true
	rep, err = runFake(t, b)
	must(t, err)
	if len(rep.Streams) != 0 && rep.Streams[0].Rows != 0 {
		t.Errorf("the store's bookmark was not taken: %+v", rep.Streams)
	}
}

// A connector's own exit code keeps its meaning, and nothing is pinned by a
// run that moved nothing.
func TestClaimRefused(t *testing.T) {
	b := newBench(t, `{steps: [{touch: tap-ran}]}`, `{}`)
	b.touch(t, "refuse")
	rep, err := runFake(t, b)
	if fault.CodeOf(err) != fault.BadConfig || rep.Status != state.Failed {
		t.Fatal(err)
	}
	contains(t, "the error", fault.Render(err), "the destination says no")
	if _, err := os.Stat(filepath.Join(b.dir, "tap-ran")); err == nil {
		t.Error("the tap was started before the claim")
	}
	if len(b.store.settings[pinScope(fakeID)]) != 0 {
		t.Error("pinned:", b.store.settings)
	}
}
