package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"go.uber.org/goleak"

	"elt/e2e/chaos"
	"elt/internal/fault"
	"elt/internal/load"
	"elt/internal/logging"
	"elt/internal/proc"
	"elt/internal/project"
	"elt/internal/secret"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/plugins"
	"elt/taps"
	"elt/targets"
)

// The test binary is also the plugins: as tap-chaos and target-chaos by its
// name, as a built-in connector by its first argument.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "tap-chaos":
		chaos.Tap()
		return
	case "target-chaos":
		chaos.Target()
		return
	}
	if len(os.Args) > 2 && (os.Args[1] == "target" || os.Args[1] == "fuse") {
		builtIn()
		return
	}
	goleak.VerifyTestMain(m)
}

// direct is a guard without a process: it holds the lock itself.
type direct struct {
	proc.Direct
	lock *flock.Flock
}

func newDirect(path string) (Guard, error) {
	lock := flock.New(path)
	if ok, err := lock.TryLock(); !ok || err != nil {
		return nil, fmt.Errorf("lock %s: %v", path, err)
	}
	return direct{lock: lock}, nil
}

func (direct) Ready() error   { return nil }
func (d direct) Close() error { return d.lock.Close() }

// bench is a project in a folder with its runner.
type bench struct {
	*Runner
	dir   string
	store *memory
	log   *bytes.Buffer
}

const projectHead = `
default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: tap-chaos
    namespace: tap_chaos
    executable: ./tap-chaos
    capabilities: [state]
    settings: [{name: password, kind: password}]
    config: %s
  loaders:
  - name: target-chaos
    namespace: target_chaos
    executable: ./target-chaos
    config: %s
  - name: target-fake
`

func newBench(t *testing.T, tapConfig, targetConfig string) *bench {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	for _, name := range []string{"tap-chaos", "target-chaos"} {
		must(t, os.Symlink(self, filepath.Join(dir, name)))
	}
	must(t, os.WriteFile(filepath.Join(dir, "meltano.yml"), fmt.Appendf(nil, projectHead, tapConfig, targetConfig), 0o644))
	b := &bench{dir: dir, store: newMemory(), log: &bytes.Buffer{}}
	resolver := &plugins.Resolver{Self: self, Taps: taps.NewRegistry(), Targets: targets.NewRegistry(fakeTarget{})}
	p, err := project.Load(t.Context(), project.Options{Dir: dir, Environ: []string{"GORACE=atexit_sleep_ms=0"}, Connector: func(kind project.Kind, name string) (spec.Spec, bool) {
		return fakeTarget{}.Spec(), name == "target-fake"
	}})
	must(t, err)
	resolver.Project = p
	console, err := logging.NewSink((&secret.Redactor{}).Writer(b.log), logging.Options{Level: "debug"})
	must(t, err)
	b.Runner = &Runner{Project: p, Store: b.store, Plugins: resolver, Redactor: &secret.Redactor{}, Console: console, Machine: "m",
		Guard:   newDirect,
		Options: Options{LeaseTTL: time.Minute, Grace: 3 * time.Second}}
	return b
}

const id = "dev:tap-chaos-to-target-chaos"

// run runs the two chaos plugins, or others.
func (b *bench) run(t *testing.T, blocks ...string) (*BlockReport, error) {
	t.Helper()
	return b.runIn(t, t.Context(), blocks...)
}

func (b *bench) runIn(t *testing.T, ctx context.Context, blocks ...string) (*BlockReport, error) {
	t.Helper()
	if len(blocks) == 0 {
		blocks = []string{"tap-chaos", "target-chaos"}
	}
	plan, err := b.Project.Plan(blocks, project.PlanOptions{})
	must(t, err)
	report, err := b.Run(ctx, plan)
	return report.Blocks[len(report.Blocks)-1], err
}

func (b *bench) lines(t *testing.T, name string) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(b.dir, name))
	must(t, err)
	return bytes.Count(raw, []byte("\n"))
}

// begin runs in the background until file is there; finish waits for the end.
func (b *bench) begin(t *testing.T, ctx context.Context, file string) (finish func() (*BlockReport, error)) {
	t.Helper()
	type result struct {
		report *BlockReport
		err    error
	}
	done := make(chan result, 1)
	go func() {
		report, err := b.runIn(t, ctx)
		done <- result{report, err}
	}()
	for range 40000 {
		if _, err := os.Stat(filepath.Join(b.dir, file)); err == nil {
			return func() (*BlockReport, error) { r := <-done; return r.report, r.err }
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not come: %s", file, b.log)
	return nil
}

func (b *bench) touch(t *testing.T, file string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(b.dir, file), nil, 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not say %q:\n%s", what, part, text)
		}
	}
}

// fakeTarget is a built-in target whose process is this test binary.
type fakeTarget struct{}

func (fakeTarget) Spec() spec.Spec {
	return spec.Spec{Name: "target-fake", Settings: []spec.Setting{{Name: "mode", Type: spec.String}}}
}
func (fakeTarget) Open(context.Context, spec.Config) (targets.Sink, error) { return nil, nil }

// builtIn claims as load.Serve does: the destination is the file destination.json
// beside the project; then it acknowledges every STATE, or does what refuse says.
func builtIn() {
	var req load.ClaimRequest
	raw, _ := os.ReadFile(os.Getenv(load.EnvClaim))
	if json.Unmarshal(raw, &req) != nil || os.Getenv(load.EnvEnd) != "1" {
		os.Exit(90)
	}
	var found targets.Fence
	if kept, err := os.ReadFile("destination.json"); err == nil {
		if json.Unmarshal(kept, &found) != nil {
			os.Exit(91)
		}
	}
	var state map[string]json.RawMessage
	if kept, err := os.ReadFile("destination-state.json"); err == nil {
		json.Unmarshal(kept, &state)
		found.Bookmarks = singer.NewBookmarks(kept)
	}
	if _, err := os.Stat("refuse"); err == nil {
		fmt.Fprintln(os.Stderr, "Error: the destination says no")
		os.Exit(15)
	}
	fence, decision, err := load.Decide(req, found)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error: "+fault.Render(err))
		os.Exit(1)
	}
	keep := func() {
		raw, _ := json.Marshal(struct {
			Found       bool
			Epoch, Edit int64
		}{true, fence.Epoch, fence.Edit})
		os.WriteFile("destination.json", raw, 0o600)
	}
	keep()
	reply, _ := json.Marshal(load.ClaimReply{Type: load.TypeClaim, StateID: req.StateID, Epoch: fence.Epoch, Edit: fence.Edit,
		Bookmarks: decision.Bookmarks.Raw(), Source: decision.Source, Note: decision.Note, Kept: true})
	fmt.Printf("%s\n", reply)
	ended := false
	in := json.NewDecoder(os.Stdin)
	for {
		var m struct {
			Type  string
			Value json.RawMessage
		}
		if in.Decode(&m) != nil {
			break
		}
		switch m.Type {
		case "STATE":
			os.WriteFile("destination-state.json", m.Value, 0o600)
			fmt.Printf("%s\n", m.Value)
		case "ELT_END":
			ended = true
		}
	}
	if !ended {
		os.Exit(92)
	}
}
