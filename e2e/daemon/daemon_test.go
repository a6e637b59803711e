// Package daemon starts `elt daemon` as a user does, kills it, stops it, runs
// several on one store, and looks at what is left in the store and the table.
package daemon

import (
	"bytes"
	"cmp"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	_ "elt/cmd" // so that go test runs anew when the binary has changed
	"elt/e2e/chaos"
	"elt/internal/pgtest"
	"elt/state"
	"elt/state/sqlite"
)

var elt string

// TestMain lets the test binary also be third parties' taps, by links to it.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "tap-chaos":
		chaos.Tap()
	case "tap-steady":
		steadyTap()
	default:
		os.Exit(run(m))
	}
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "elt-daemon-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	elt = filepath.Join(dir, "elt")
	if out, err := exec.Command("go", "build", "-o", elt, "elt").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building elt: %v\n%s", err, out)
		return 1
	}
	return pgtest.Main(m)
}

// world is a project and the daemons on it.
type world struct {
	t     *testing.T
	dir   string
	store state.Store
	env   []string // of its daemons, beside the usual
	// program is the elt of its daemons; "" is this tree's.
	program string
}

// patience is how long tests wait for what takes a moment on an idle machine.
const patience = 3 * time.Minute

// A worker that is alive beats within its time, however busy the machine;
// calmly gives it plenty, for tests of several workers that wait for none to be
// missed, and briefly little, for those that do.
func (w *world) calmly()  { w.env = append(w.env, "ELT_WORKER_TTL=1m") }
func (w *world) briefly() { w.env = append(w.env, "ELT_WORKER_TTL=2s") }

// A tap that gives rows 1 to 3, and then hangs as long as the file "hang" is there.
const tap = `#!/bin/sh
echo '{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"}}},"key_properties":["id"]}'
for i in 1 2 3; do echo "{\"type\":\"RECORD\",\"stream\":\"s\",\"record\":{\"id\":$i}}"; done
echo '{"type":"STATE","value":{"bookmarks":{"s":{"id":3}}}}'
echo begun >>"$BEGUN"
while [ -e hang ]; do sleep 0.1; done
`

func newWorld(t *testing.T, schedules string) *world {
	w := newProject(t, schedules)
	if out, err := exec.Command(elt, "--cwd", w.dir, "state", "list").CombinedOutput(); err != nil { // makes the store
		t.Fatalf("%v\n%s", err, out)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(w.dir, ".elt", "elt.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w.store = s
	return w
}

func newProject(t *testing.T, schedules string) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.write("tap.sh", tap)
	w.write("elt.yml", `default_environment: dev
environments: [{name: dev}]
plugins:
  extractors: [{name: tap-slow, namespace: tap_slow, executable: ./tap.sh}]
  loaders: [{name: target-sqlite, config: {database: out.db}}]
jobs: [{name: load, tasks: [tap-slow target-sqlite]}]
schedules:
`+schedules)
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// link makes the test binary a tap of the project.
func (w *world) link(name string) {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// airflow starts what Meltano's users start.
func (w *world) airflow() *daemon { return w.start("invoke", "airflow", "scheduler") }

type daemon struct {
	*exec.Cmd
	said bytes.Buffer
}

func (w *world) daemon(args ...string) *daemon {
	return w.start(append([]string{"daemon", "--listen", ""}, args...)...)
}

// start starts a daemon; it is killed when the test ends.
func (w *world) start(args ...string) *daemon {
	w.t.Helper()
	d := &daemon{Cmd: exec.Command(cmp.Or(w.program, elt), append([]string{"--cwd", w.dir}, args...)...)}
	d.Stderr = &d.said
	d.Env = append(os.Environ(), w.mark(), "ELT_SERVER=http://127.0.0.1:1", "ELT_WORKER_TTL=6s", "BEGUN="+filepath.Join(w.dir, "begun"))
	d.Env = append(d.Env, w.env...)
	if err := d.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if d.ProcessState == nil {
			d.Process.Kill()
			d.Wait()
		}
		if w.t.Failed() {
			w.t.Logf("daemon %d said:\n%s", d.Process.Pid, d.said.String())
		}
	})
	return d
}

func (w *world) mark() string { return "ELT_TEST_MARK=" + w.dir }

// until waits until the executions, oldest first, are as said.
func (w *world) until(what string, ok func([]state.Execution) bool) []state.Execution {
	w.t.Helper()
	var list []state.Execution
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var err error
		if list, err = w.store.Executions(w.t.Context(), state.Which{}); err != nil {
			w.t.Fatal(err)
		}
		slices.Reverse(list)
		if ok(list) {
			return list
		}
	}
	w.t.Fatalf("in vain waited for %s: %s", what, statuses(list))
	return nil
}

func statuses(list []state.Execution) string {
	var words []string
	for _, e := range list {
		words = append(words, e.Status)
	}
	return strings.Join(words, " ")
}

func are(want string) func([]state.Execution) bool {
	return func(list []state.Execution) bool { return statuses(list) == want }
}

func (w *world) begun(n int) {
	w.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text, _ := os.ReadFile(filepath.Join(w.dir, "begun")); bytes.Count(text, []byte("begun")) >= n {
			return
		}
	}
	w.t.Fatalf("the tap did not begin %d times", n)
}

func (w *world) wantRows(want string) {
	w.t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(w.dir, "out.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	var got string
	if err := db.QueryRow(`select group_concat(id) from (select id from s order by id)`).Scan(&got); err != nil || got != want {
		w.t.Errorf("rows %q, want %q (%v)", got, want, err)
	}
}

// survivors are the processes of this world still there after a while.
func (w *world) survivors() (left []string) {
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if left = w.living(); len(left) == 0 {
			return nil
		}
	}
	return left
}

// living are the command lines of the processes of this world.
func (w *world) living() (all []string) {
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range found {
		environ, _ := os.ReadFile(path)
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		if bytes.Contains(environ, []byte(w.mark()+"\x00")) && !bytes.Contains(stat, []byte(") Z ")) {
			cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			all = append(all, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return all
}

// minutesAgo is a start_date by which an "every: 1m" has n slots due.
func minutesAgo(n int) string {
	return time.Now().UTC().Truncate(time.Minute).Add(-time.Duration(n)*time.Minute + time.Second).Format(time.RFC3339)
}

// Three daemons find three missed slots: each fires once, one run at a time.
func TestSeveralDaemonsFireEachSlotOnce(t *testing.T) {
	w := newWorld(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all, overlap: queue}\n",
		time.Now().UTC().Truncate(time.Minute).Add(-150*time.Minute).Format(time.RFC3339)))
	w.calmly()
	for range 3 {
		w.daemon()
	}
	list := w.until("three runs", are("succeeded succeeded succeeded"))
	slots := map[string]bool{}
	for i, e := range list {
		slots[e.Slot.String()] = true
		if e.Trigger != "schedule" || e.Name != "s" || e.ExitCode != 0 {
			t.Errorf("%+v", e)
		}
		if i > 0 && e.Started.Before(*list[i-1].Ended) {
			t.Errorf("run %d began before the one before it had ended", i)
		}
	}
	if len(slots) != 3 {
		t.Errorf("%d slots", len(slots))
	}
	w.wantRows("1,2,3")
	runs, err := w.store.RunsOf(t.Context(), list[0].ID)
	if err != nil || len(runs) != 1 || runs[0].Trigger != "schedule" || runs[0].Status != state.Succeeded {
		t.Errorf("the runs of the execution: %+v %v", runs, err)
	}
}

// A daemon killed in mid-run leaves no process; the next one declares the run
// lost and repeats it.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all, retries: 1, retry_delay: 1s}\n", minutesAgo(2)))
	w.briefly()
	w.write("hang", "")
	d := w.daemon()
	w.begun(1)
	d.Process.Kill()
	d.Wait()
	if left := w.survivors(); len(left) > 0 {
		t.Fatalf("left behind: %s", strings.Join(left, "; "))
	}
	w.remove("hang")
	w.daemon()
	list := w.until("a lost run and its retry", are("lost succeeded"))
	if list[1].RetryOf != list[0].ID || list[1].Attempt != 2 || list[1].Trigger != "retry" {
		t.Errorf("%+v", list[1])
	}
	w.wantRows("1,2,3")
}

// SIGTERM in mid-run: the run is stopped and handed back, the daemon ends with
// 0 and leaves nothing behind; the next one runs it.
func TestStoppedDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all}\n", minutesAgo(2)))
	w.write("hang", "")
	d := w.daemon()
	w.begun(1)
	d.Process.Signal(syscall.SIGTERM)
	if err := d.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	if left := w.survivors(); len(left) > 0 {
		t.Errorf("left behind: %s", strings.Join(left, "; "))
	}
	w.until("a run handed back", are("queued"))
	w.remove("hang")
	w.daemon()
	list := w.until("the run", are("succeeded"))
	w.wantRows("1,2,3")
	if runs, err := w.store.RunsOf(t.Context(), list[0].ID); err != nil || len(runs) != 2 || runs[0].Status != state.Cancelled || runs[1].Status != state.Succeeded {
		t.Errorf("%+v %v", runs, err)
	}
}

// A cancelled run ends with its processes; a failed one says why, with its
// last lines; a bad schedule is told and harms no other.
func TestCancelAndFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fmt.Sprintf(`- {name: s, job: load, every: 1h, start_date: '%s', catchup: all}
- {name: bad, job: load, interval: never}
`, minutesAgo(2)))
	w.write("hang", "")
	d := w.daemon()
	w.begun(1)
	list := w.until("a run", are("running"))
	if _, err := w.store.CancelExecution(t.Context(), list[0].ID, "by a test"); err != nil {
		t.Fatal(err)
	}
	w.until("its end", are("cancelled"))
	w.remove("hang")
	w.write("tap.sh", "#!/bin/sh\necho 'no such host' >&2\nexit 3\n")
	add(t, w.store, list[0])
	list = w.until("a failure", are("cancelled failed"))
	if e := list[1]; e.ExitCode == 0 || !strings.Contains(e.Cause, "tap-slow") || !strings.Contains(strings.Join(e.Tail, "\n"), "no such host") {
		t.Errorf("exit code %d, cause %q, tail %q", e.ExitCode, e.Cause, e.Tail)
	}
	d.Process.Signal(syscall.SIGTERM)
	d.Wait()
	if text := d.said.String(); strings.Count(text, "runs only by hand") != 1 {
		t.Errorf("it said:\n%s", text)
	}
}

func add(t *testing.T, store state.Store, like state.Execution) {
	t.Helper()
	e := state.Execution{ID: "0198f6c2-0000-7000-8000-000000000001", Project: like.Project, Environment: like.Environment, Name: "load",
		Blocks: []string{"load"}, Trigger: "api"}
	if _, _, err := store.Enqueue(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// In place of Airflow's scheduler: its DAGs do not catch up.
func TestInPlaceOfAirflow(t *testing.T) {
	w := newWorld(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s'}\n- {name: new, job: load, every: 1h, start_date: '%s', catchup: all}\n",
		minutesAgo(90), minutesAgo(2)))
	if _, err := w.store.Fire(t.Context(), state.Slot{Project: filepath.Base(w.dir), Environment: "dev", Schedule: "s",
		Slot: time.Now().Add(-3 * time.Hour), Outcome: state.SlotSeen}, nil, false); err != nil {
		t.Fatal(err)
	}
	d := w.airflow()
	w.until("the schedule that asks for it", are("succeeded"))
	slots, err := w.store.Slots(t.Context(), filepath.Base(w.dir), "dev", "s", 0)
	if err != nil || len(slots) != 3 || slots[0].Outcome != state.SlotMissed || slots[1].Outcome != state.SlotMissed {
		t.Errorf("%+v %v", slots, err)
	}
	d.Process.Signal(syscall.SIGTERM)
	if err := d.Wait(); err != nil {
		t.Error(err)
	}
	for args, code := range map[string]int{"db init": 0, "webserver": 1} {
		c := exec.Command(elt, append([]string{"--cwd", w.dir, "invoke", "airflow"}, strings.Fields(args)...)...)
		out, _ := c.CombinedOutput()
		if c.ProcessState.ExitCode() != code || !strings.Contains(string(out), "elt stands in for Airflow") {
			t.Errorf("airflow %s: %d\n%s", args, c.ProcessState.ExitCode(), out)
		}
	}
}
