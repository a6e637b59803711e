package kubernetes

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	fake "elt/internal/fake/kubernetes"
	"elt/internal/schedule"
	"elt/internal/worker"
	"elt/internal/worker/executortest"
	"elt/state"
	"elt/state/sqlite"
)

var settings = Settings{Image: "registry.example/elt:1", Keep: time.Hour, Pending: 10 * time.Minute, Grace: 2 * time.Second}

// cluster is a fake cluster whose containers run scripts in a folder.
func cluster(t *testing.T, dir string) *fake.Server {
	s := fake.Start(func(_ string, args, env []string) *exec.Cmd {
		var id string
		for _, v := range env {
			if rest, ok := strings.CutPrefix(v, worker.Mark+"="); ok {
				id = rest
			}
		}
		c := exec.Command("/bin/sh", "-c", strings.Join(args, " "))
		c.Dir, c.Env = dir, append(env, "EXECUTION="+id)
		return c
	})
	t.Cleanup(s.Close)
	return s
}

func client(s *fake.Server, namespace string) *Client {
	return NewClient(Cluster{Server: s.URL, Namespace: namespace, Token: func() (string, error) { return s.Token, nil }}, "")
}

func executor(t *testing.T, c *Client, s Settings) *Executor {
	t.Helper()
	tpl, err := c.Template(t.Context(), s, "", "/usr/bin/elt")
	if err != nil {
		t.Fatal(err)
	}
	return New(c, tpl, s, func(e state.Execution) ([]string, error) { return e.Blocks, nil })
}

func TestConformance(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(t *testing.T) executortest.Place {
		dir := t.TempDir()
		s := cluster(t, dir)
		return executortest.Place{Store: store(t), Dir: dir, Executor: func(t *testing.T) (worker.Executor, func(), func()) {
			return executor(t, client(s, fake.Namespace), settings), func() {}, func() {}
		}}
	})
}

// The same while the API server has trouble all the time.
func TestConformanceInTrouble(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(t *testing.T) executortest.Place {
		dir := t.TempDir()
		s := cluster(t, dir)
		var mu sync.Mutex
		n := 0
		s.Trouble(func(r *http.Request) int {
			mu.Lock()
			defer mu.Unlock()
			n++
			return []int{0, 429, 0, 503, 0, 0, -1, 500}[n%8]
		})
		stop := make(chan struct{})
		var cutting sync.WaitGroup
		cutting.Go(func() {
			for i, before := 0, 0; ; {
				select {
				case <-stop:
					return
				case <-time.After(150 * time.Millisecond):
				}
				mu.Lock()
				asked := n
				mu.Unlock()
				if asked < before+2 { // a busy machine: somebody must get somewhere
					continue
				}
				before = asked
				if s.Cut(); i%3 == 0 {
					s.Forget()
				}
				i++
			}
		})
		t.Cleanup(func() { close(stop); cutting.Wait() })
		return executortest.Place{Store: store(t), Dir: dir, Executor: func(t *testing.T) (worker.Executor, func(), func()) {
			return executor(t, client(s, fake.Namespace), settings), func() {}, func() {}
		}}
	})
}

func store(t *testing.T) state.Store {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// one starts a script and gives its run and its log's path.
func one(t *testing.T, s *fake.Server, set Settings, script string) (worker.Run, string, state.Execution) {
	t.Helper()
	now := time.Now()
	e := state.Execution{ID: schedule.NewID(), Name: "x", Blocks: []string{script}, Attempt: 1, Started: &now}
	path := filepath.Join(t.TempDir(), "log")
	log, err := worker.OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	r, err := executor(t, client(s, fake.Namespace), set).Start(t.Context(), e, log)
	if err != nil {
		t.Fatal(err)
	}
	return r, path, e
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain waited for %s", what)
		}
	}
}

// A pod that was taken away is lost, not failed, whether or not an exit code
// is left; a Job that was deleted by hand too.
func TestPodsTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := cluster(t, dir)
	for name, take := range map[string]func(job string){
		"evicted":   func(job string) { s.Disrupt(job, false) },
		"node lost": func(job string) { s.Disrupt(job, true) },
		"deleted":   func(job string) { _ = client(s, fake.Namespace).delete(t.Context(), job) },
	} {
		r, path, e := one(t, s, settings, "echo begun; sleep 600")
		job, err := jobName(e)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "the log", func() bool { text, _ := os.ReadFile(path); return strings.Contains(string(text), "begun") })
		take(job)
		if out := r.Outcome(); !out.Vanished || out.Cause == "" {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// A pod that does not start says why in the log, and fails in the end.
func TestPodDoesNotStart(t *testing.T) {
	t.Parallel()
	s := cluster(t, t.TempDir())
	s.Hold("ErrImagePull")
	set := settings
	set.Pending = time.Nanosecond
	r, path, _ := one(t, s, settings, "exit 0")
	wait(t, "the reason", func() bool {
		text, _ := os.ReadFile(path)
		return strings.Contains(string(text), "waits: ErrImagePull")
	})
	s.Hold("")
	if out := r.Outcome(); !out.OK() {
		t.Errorf("%+v", out)
	}
	s.Hold("ErrImagePull")
	r, _, _ = one(t, s, set, "exit 0")
	if out := r.Outcome(); out.OK() || out.Vanished || !strings.Contains(out.Cause, "did not start") {
		t.Errorf("%+v", out)
	}
}

// A log whose connection breaks again and again arrives whole, once.
func TestLogIsWhole(t *testing.T) {
	t.Parallel()
	s := cluster(t, t.TempDir())
	r, path, _ := one(t, s, settings, `i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); [ $((i%10)) = 0 ] && sleep 0.02; done`)
	for had := int64(-1); !isClosed(r.Ended()); time.Sleep(20 * time.Millisecond) {
		if log, err := os.Stat(path); err == nil && log.Size() > had { // each connection gets somewhere
			had = log.Size()
			s.Cut()
		}
	}
	if out := r.Outcome(); !out.OK() {
		t.Errorf("%+v", out)
	}
	text, _ := os.ReadFile(path)
	if got := strings.Split(strings.TrimSpace(string(text)), "\n"); len(got) != 300 || got[0] != "line 0" || got[299] != "line 299" {
		t.Errorf("%d lines, %q to %q", len(got), got[0], got[len(got)-1])
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A second Start of the same taking finds the Job; one of a later taking
// deletes it first, and begins anew.
func TestJobsAreFoundAgain(t *testing.T) {
	t.Parallel()
	s := cluster(t, t.TempDir())
	r, _, e := one(t, s, settings, "sleep 600")
	log, err := worker.OpenLog(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	x := executor(t, client(s, fake.Namespace), settings)
	again, err := x.Start(t.Context(), e, log)
	if err != nil || s.Created != 1 {
		t.Fatalf("%v, %d Jobs", err, s.Created)
	}
	again.Abandon()
	again.Outcome()
	later := e.Started.Add(time.Minute)
	e.Started = &later
	var third worker.Run
	wait(t, "a new Job", func() bool {
		third, err = x.Start(t.Context(), e, log)
		return err == nil
	})
	if out := r.Outcome(); !out.Vanished || s.Created != 2 {
		t.Errorf("%+v, %d Jobs", out, s.Created)
	}
	third.Stop(time.Second)
	if len(s.Jobs()) != 0 {
		t.Errorf("%v", s.Jobs())
	}
}

// What Kubernetes refuses for good is a failure with a hint.
func TestRefusals(t *testing.T) {
	s := cluster(t, t.TempDir())
	now := time.Now()
	e := state.Execution{ID: schedule.NewID(), Blocks: []string{"x"}, Attempt: 1, Started: &now}
	log, err := worker.OpenLog(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := executor(t, client(s, "other"), settings).Start(t.Context(), e, log); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("%v", err)
	}
	e.ID = "no_dns_name"
	if _, err := executor(t, client(s, fake.Namespace), settings).Start(t.Context(), e, log); err == nil {
		t.Error("an id that names no Job was taken")
	}
	if _, err := client(s, "").Template(t.Context(), Settings{}, "", ""); err == nil {
		t.Error("no image, and no error")
	}
}
