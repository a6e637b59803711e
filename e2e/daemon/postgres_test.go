package daemon

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/pgtest"
	"elt/internal/schedule"
	"elt/state"
	"elt/state/postgres"
)

// onPostgres is a world whose store is uri; the test itself looks at direct.
func onPostgres(t *testing.T, schedules, uri, direct string) *world {
	w := newProject(t, schedules)
	w.env = []string{"ELT_DATABASE_URI=" + uri}
	s, err := postgres.Open(t.Context(), postgres.Options{URI: direct})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w.store = s
	return w
}

// ask enqueues the job "load", each request with its own database for rows.
func (w *world) ask(n int, change func(*state.Execution)) (ids []string) {
	w.t.Helper()
	for i := range n {
		e := state.Execution{ID: schedule.NewID(), Project: filepath.Base(w.dir), Environment: "dev", Name: "load", Blocks: []string{"load"}, Trigger: "api"}
		o := schedule.Options{Env: map[string]string{"MELTANO_RUN_STATE_ID_SUFFIX": fmt.Sprint("n", i), "TARGET_SQLITE_DATABASE": fmt.Sprintf("out%d.db", i)}}
		e.Options = o.JSON()
		if change != nil {
			change(&e)
		}
		if _, _, err := w.store.Enqueue(w.t.Context(), e); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

// begunCount is how often the tap began, over all runs.
func (w *world) begunCount() int {
	text, _ := os.ReadFile(filepath.Join(w.dir, "begun"))
	return strings.Count(string(text), "begun")
}

// all says that every execution succeeded, and none was repeated.
func (w *world) all(n int) []state.Execution {
	w.t.Helper()
	list := w.until(fmt.Sprint(n, " runs to succeed"), func(list []state.Execution) bool {
		for _, e := range list {
			if e.Over() && e.Status != state.Succeeded {
				w.t.Fatalf("%s: %s: %s\n%s", e.ID, e.Status, e.Cause, strings.Join(e.Tail, "\n"))
			}
		}
		return len(list) == n && !slices.ContainsFunc(list, func(e state.Execution) bool { return !e.Over() })
	})
	if got := w.begunCount(); got != n {
		w.t.Errorf("the tap began %d times in %d runs", got, n)
	}
	return list
}

func long() bool { return os.Getenv("ELT_TEST_LONG") != "" }

// A scheduler, an API and three workers, in processes of their own: each run
// begins once, soon, and all workers have their share; a lock that two jobs
// share is held by one run at a time, and a queue's limit is kept.
// ELT_TEST_RUNS says how many runs, ELT_TEST_PAUSE how long between two.
func TestManyWorkers(t *testing.T) {
	uri := pgtest.URL(t)
	w := onPostgres(t, fmt.Sprintf(`- {name: s, job: load, every: 1h, start_date: '%s', catchup: all, queue: narrow}
queues: [{name: narrow, limit: 1}]
`, minutesAgo(2)), uri, uri)
	w.calmly()
	w.env = append(w.env, "ELT_KEEP_RUNS=1000000") // all are counted below
	w.daemon("--role", "scheduler")
	for range 3 {
		w.daemon("--role", "worker", "--workers", "2")
	}
	w.start("daemon", "--role", "api", "--listen", freeAddress(t))
	w.until("the schedule's run", are("succeeded"))
	runs, pause := 24, 150*time.Millisecond
	if n, err := strconv.Atoi(os.Getenv("ELT_TEST_RUNS")); err == nil {
		runs = n
	}
	if d, err := time.ParseDuration(os.Getenv("ELT_TEST_PAUSE")); err == nil {
		pause = d
	}
	start := time.Now()
	for i := range runs {
		w.ask(1, func(e *state.Execution) {
			switch o, _ := schedule.OptionsOf(*e); {
			case i%6 == 0:
				e.Lock = "lock warehouse"
			case i%6 == 1:
				e.Queue = "narrow"
			default:
				o.Env["MELTANO_RUN_STATE_ID_SUFFIX"], o.Env["TARGET_SQLITE_DATABASE"] = fmt.Sprint("m", i%50), fmt.Sprintf("many%d.db", i%50)
				e.Options, e.Lock = o.JSON(), fmt.Sprint("lock ", i%50)
			}
			if i%6 < 2 {
				o, _ := schedule.OptionsOf(*e)
				o.Env["MELTANO_RUN_STATE_ID_SUFFIX"], o.Env["TARGET_SQLITE_DATABASE"] = fmt.Sprint("k", i%6), fmt.Sprintf("kept%d.db", i%6)
				e.Options = o.JSON()
			}
		})
		time.Sleep(pause)
	}
	list := w.all(runs + 1)
	took := time.Since(start).Round(time.Second)
	share := map[string]int{}
	var delays []time.Duration
	for i, e := range list {
		share[e.Worker]++
		if e.Lock != "lock warehouse" && e.Queue == "" {
			delays = append(delays, e.Started.Sub(e.NotBefore))
		}
		for _, before := range list[:i] {
			same := e.Lock == before.Lock && e.Lock != "" || e.Queue == "narrow" && before.Queue == "narrow"
			if same && e.Started.Before(*before.Ended) && before.Started.Before(*e.Ended) {
				t.Errorf("%s and %s ran at the same time: lock %q, queue %q", before.ID, e.ID, e.Lock, e.Queue)
			}
		}
	}
	if len(share) != 3 {
		t.Errorf("shares of the workers: %v", share)
	}
	slices.Sort(delays)
	t.Logf("%d runs in %s, by worker %v; those that wait for nothing began after %s (median), %s (95 of 100), %s (at most)",
		len(list), took, slices.Sorted(maps.Values(share)), delays[len(delays)/2], delays[len(delays)*95/100], delays[len(delays)-1])
}

// A worker is killed with SIGKILL: with the times that elt has when nobody
// sets them, another one repeats its run.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	uri := pgtest.URL(t)
	w := onPostgres(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all, retries: 1}\n", minutesAgo(2)), uri, uri)
	w.env = append(w.env, "ELT_WORKER_TTL=12s")
	w.write("hang", "")
	first := w.daemon()
	w.begun(1)
	w.daemon("--role", "worker")
	time.Sleep(4 * time.Second) // it has seen the store for a while, as one that stays has
	killed := time.Now()
	first.Process.Kill()
	first.Wait()
	w.begun(2)
	t.Logf("the run was repeated %s after the kill", time.Since(killed).Round(100*time.Millisecond))
	w.remove("hang")
	list := w.until("a lost run and its retry", are("lost succeeded"))
	if list[1].RetryOf != list[0].ID || list[1].Worker == list[0].Worker {
		t.Errorf("%+v", list[1])
	}
	w.wantRows("1,2,3")
}

// A worker and all its processes stand still, as on a machine that is
// suspended, and go on after another has repeated the run: they write neither
// rows nor a bookmark, and end.
func TestZombies(t *testing.T) {
	t.Parallel()
	uri := pgtest.URL(t)
	w := onPostgres(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all, retries: 1}\n", minutesAgo(2)), uri, uri)
	w.briefly()
	w.env = append(w.env, "ELT_LEASE_TTL=2s")
	rows, hang, _ := strings.Cut(tap, "echo begun >>\"$BEGUN\"\n") // rows come after the wait: no transaction is open meanwhile
	w.write("tap.sh", "#!/bin/sh\necho begun >>\"$BEGUN\"\n"+hang+rows)
	w.write("hang", "")
	first := w.daemon()
	w.begun(1)
	stopped := w.tree(first.Process.Pid)
	for _, pid := range stopped {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	w.daemon("--role", "worker")
	w.begun(2)
	w.remove("hang")
	list := w.until("a lost run and its retry", are("lost succeeded"))
	id := w.bookmark()
	before, err := w.store.History(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range slices.Backward(stopped) {
		syscall.Kill(pid, syscall.SIGCONT)
	}
	runs, err := w.store.RunsOf(t.Context(), list[0].ID)
	if err != nil || len(runs) != 1 {
		t.Fatalf("%+v %v", runs, err)
	}
	w.gone(stopped[1:]) // the daemon itself stays
	after, err := w.store.History(t.Context(), id, 0)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d changes of the bookmark became %d (%v)", len(before), len(after), err)
	}
	for _, r := range after {
		if r.RunID == runs[0].ID {
			t.Errorf("the lost run wrote a bookmark: %+v", r)
		}
	}
	w.until("nothing else", are("lost succeeded"))
	w.wantRows("1,2,3")
}

// Connections to the database are killed all the time, then the network is
// cut, then it swallows everything for a while: every run begins and ends once.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	direct := pgtest.URL(t)
	net, uri := newLink(t, direct)
	w := onPostgres(t, "- {name: s, job: load, interval: '@once'}\n", uri, direct)
	w.env = append(w.env, "ELT_WORKER_TTL=8s")
	for range 2 {
		w.daemon("--workers", "2")
	}
	conn, err := pgx.Connect(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	n := len(w.ask(8, nil))
	for range 20 {
		if _, err := conn.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'elt' and datname = current_database() and random() < 0.3"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.all(n)
	w.write("hang", "")
	n += len(w.ask(4, nil))
	w.begun(n)
	net.set(true, false)
	time.Sleep(2 * time.Second)
	net.set(false, false)
	time.Sleep(2 * time.Second)
	net.set(false, true)
	time.Sleep(3 * time.Second)
	net.set(false, false)
	w.remove("hang")
	w.all(n)
}

// bookmark is the state id of the only bookmark, which says that row 3 is there.
func (w *world) bookmark() string {
	w.t.Helper()
	ids, err := w.store.BookmarkIDs(w.t.Context(), "")
	if err != nil || len(ids) != 1 {
		w.t.Fatalf("bookmarks %v (%v)", ids, err)
	}
	b, err := w.store.Bookmark(w.t.Context(), ids[0])
	if err != nil || !strings.Contains(string(b.Completed), `{"id":3}`) && !strings.Contains(string(b.Completed), `"id": 3`) {
		w.t.Errorf("bookmark %s (%v)", b.Completed, err)
	}
	return ids[0]
}

// tree is a process and all below it, parents first.
func (w *world) tree(root int) []int {
	w.t.Helper()
	children := map[int][]int{}
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range found {
		text, _ := os.ReadFile(path)
		_, rest, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if !ok || err != nil || len(fields) < 2 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	list := []int{root}
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list
}

// gone waits until none of the processes runs.
func (w *world) gone(pids []int) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		left := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			return err != nil || strings.Contains(string(stat), ") Z ") || strings.Contains(string(cmdline), "daemon/") // the guard of the daemon itself
		})
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("still there: %v", left)
		}
	}
}
