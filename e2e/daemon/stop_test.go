package daemon

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"elt/internal/pgtest"
	"elt/internal/schedule"
	"elt/state"
)

// SIGTERM at any moment of two runs, one built in without keys, one of a
// third party's tap: the daemon is not ready at once, ends by itself within 25
// seconds and leaves no process; each run has ended or is back in the queue,
// and with the next daemon every row is there once.
func TestStoppedAtAnyMoment(t *testing.T) {
	rounds := 3 // of each of the four pairs
	if long() {
		rounds = 50
	}
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("ELT_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("ELT_TEST_SEED=%d", seed)
	for i, name := range []string{"sqlite sqlite", "sqlite postgres", "postgres sqlite", "postgres postgres"} {
		store, target, _ := strings.Cut(name, " ")
		t.Run("store "+store+", target "+target, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			s := newStopping(t, store, target)
			length := s.undisturbed()
			defer func() { t.Log(s.tally) }()
			for n := 1; n <= rounds && !t.Failed(); n++ {
				delay := time.Duration(random.Int64N(int64(length + length/8)))
				s.round(n, delay)
				if t.Failed() {
					t.Logf("round %d, SIGTERM %s after the start; a whole run takes %s", n, delay, length)
				}
			}
		})
	}
}

const stoppingRows = 30000

// stopping is a project with two loads, and where their rows go.
type stopping struct {
	*world
	target, uri string
	tally       stoppingTally
}

type stoppingTally struct {
	rounds, handedBack, refused int
	slowest, late               time.Duration
	lost, doubled               int
}

func (s stoppingTally) String() string {
	return fmt.Sprintf("%d rounds, %d runs handed back; slowest end %s; ready for %s after SIGTERM at most, then not ready %d times; %d rows lost, %d doubled",
		s.rounds, s.handedBack, s.slowest.Round(time.Millisecond), s.late.Round(100*time.Microsecond), s.refused, s.lost, s.doubled)
}

func newStopping(t *testing.T, store, target string) *stopping {
	s := &stopping{target: target}
	if store == "sqlite" {
		s.world = newWorld(t, "")
	} else {
		uri := pgtest.URL(t)
		s.world = onPostgres(t, "", uri, uri)
	}
	loader := "{batch_size_rows: 500}"
	if target == "postgres" {
		s.uri = pgtest.URL(t)
		u, err := url.Parse(s.uri)
		if err != nil {
			t.Fatal(err)
		}
		loader = fmt.Sprintf("{host: %s, port: %s, user: %s, database: %s, batch_size_rows: 500}", u.Hostname(), u.Port(), u.User.Username(), strings.TrimPrefix(u.Path, "/"))
	}
	s.link("tap-chaos")
	s.write("elt.yml", fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - {name: tap-csv, config: {infer: true, files: [{entity: orders, path: orders.csv, keys: []}]}}
  - {name: tap-chaos, namespace: tap_chaos, executable: ./tap-chaos, capabilities: [state],
     config: {steps: [{records: {stream: orders, to: %d, state_every: 100}}]}}
  loaders: [{name: target-%s, config: %s}]
jobs:
- {name: csv, tasks: [tap-csv target-%[2]s]}
- {name: chaos, tasks: [tap-chaos target-%[2]s]}
`, stoppingRows, target, loader))
	var rows strings.Builder
	rows.WriteString("id,text\n")
	for id := 1; id <= stoppingRows; id++ {
		fmt.Fprintf(&rows, "%d,row %d\n", id, id)
	}
	s.write("orders.csv", rows.String())
	return s
}

// round asks for both loads, starts a daemon and stops it; the next daemon
// brings them to their end, and is stopped too.
func (s *stopping) round(n int, delay time.Duration) {
	loads := s.loads(n)
	first := s.asked()
	time.Sleep(delay)
	s.terminate(first)
	s.tally.rounds++
	for _, id := range loads {
		switch e := s.execution(id); e.Status {
		case state.Queued:
			if e.Started != nil || strings.Contains(first.said.String(), id) {
				s.tally.handedBack++
			}
		case state.Succeeded:
		default:
			s.t.Errorf("%s is %s after the stop: %s\n%s", e.Name, e.Status, e.Cause, strings.Join(e.Tail, "\n"))
		}
	}
	if left := s.survivors(); len(left) > 0 {
		s.t.Errorf("left behind: %s", strings.Join(left, "; "))
	}
	second := s.asked()
	s.finish(n, loads)
	s.terminate(second)
}

// undisturbed is how long a daemon takes for both loads.
func (s *stopping) undisturbed() time.Duration {
	s.t.Helper()
	loads := s.loads(0)
	start := time.Now()
	d := s.asked()
	s.finish(0, loads)
	length := time.Since(start)
	s.terminate(d)
	return length
}

// loads asks for both loads, into places of their own.
func (s *stopping) loads(n int) (ids []string) {
	for _, job := range []string{"csv", "chaos"} {
		place := fmt.Sprint(job, n)
		o := schedule.Options{Env: map[string]string{"MELTANO_RUN_STATE_ID_SUFFIX": fmt.Sprint("n", n),
			"TARGET_SQLITE_DATABASE": place + ".db", "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": place}}
		e := state.Execution{ID: schedule.NewID(), Project: filepath.Base(s.dir), Environment: "dev", Name: job, Blocks: []string{job}, Trigger: "api", Options: o.JSON()}
		if _, _, err := s.store.Enqueue(s.t.Context(), e); err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func (s *stopping) execution(id string) state.Execution {
	s.t.Helper()
	e, err := s.store.Execution(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// finish waits for the end of both loads and counts their rows.
func (s *stopping) finish(n int, loads []string) {
	s.t.Helper()
	for _, id := range loads {
		e := s.execution(id)
		for end := time.Now().Add(patience); !e.Over() && time.Now().Before(end); e = s.execution(id) {
			time.Sleep(10 * time.Millisecond)
		}
		if e.Status != state.Succeeded {
			s.t.Fatalf("%s is %s: %s\n%s", e.Name, e.Status, e.Cause, strings.Join(e.Tail, "\n"))
		}
		driver, address, table := "sqlite3", filepath.Join(s.dir, fmt.Sprint(e.Name, n)+".db"), "orders"
		if s.target == "postgres" {
			driver, address, table = "pgx", s.uri, fmt.Sprint(e.Name, n)+".orders"
		}
		db, err := sql.Open(driver, address)
		if err != nil {
			s.t.Fatal(err)
		}
		var all, different int
		err = db.QueryRow("select count(*), count(distinct id) from "+table+" where id between 1 and "+strconv.Itoa(stoppingRows)).Scan(&all, &different)
		db.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		s.tally.lost += stoppingRows - different
		s.tally.doubled += all - different
		if all != stoppingRows || different != stoppingRows {
			s.t.Errorf("%s: %d rows, %d different, want %d", e.Name, all, different, stoppingRows)
		}
	}
}

// asked is a daemon whose readiness is asked for all the time, as a load
// balancer does.
type asked struct {
	*daemon
	asking sync.WaitGroup
	over   chan struct{}

	mu      sync.Mutex
	stopped time.Time     // when SIGTERM was sent
	late    time.Duration // after it, the last question that was answered with "ready"
	refused int           // how often it said after it that it is not ready
}

func (s *stopping) asked() *asked {
	address := freeAddress(s.t)
	a := &asked{over: make(chan struct{})}
	a.asking.Go(func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
		for {
			select {
			case <-a.over:
				return
			case <-time.After(2 * time.Millisecond):
			}
			at := time.Now()
			if res, err := client.Get("http://" + address + "/readyz"); err == nil {
				res.Body.Close()
				a.answered(at, res.StatusCode == http.StatusOK)
			}
		}
	})
	a.daemon = s.start("daemon", "--listen", address)
	return a
}

func (a *asked) answered(at time.Time, ready bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stopped.IsZero() || at.Before(a.stopped):
	case ready:
		a.late = at.Sub(a.stopped)
	default:
		a.refused++
	}
}

// terminate stops a daemon by SIGTERM. Only one that had not begun may end as
// a program does that has not learned of signals yet.
func (s *stopping) terminate(a *asked) {
	a.mu.Lock()
	a.stopped = time.Now()
	a.mu.Unlock()
	a.Process.Signal(syscall.SIGTERM)
	err := a.Wait()
	took := time.Since(a.stopped)
	close(a.over)
	a.asking.Wait()
	if err != nil && strings.Contains(a.said.String(), "daemon started") {
		s.t.Errorf("the daemon ended with %v", err)
	}
	if took > 25*time.Second {
		s.t.Errorf("the daemon took %s to end", took)
	}
	if a.late > 10*time.Second {
		s.t.Errorf("%s after SIGTERM the daemon said that it is ready", a.late)
	}
	s.tally.slowest, s.tally.late, s.tally.refused = max(s.tally.slowest, took), max(s.tally.late, a.late), s.tally.refused+a.refused
}

// A tap that hears no SIGTERM holds nobody up: it is ended in time, and its
// run goes back to the queue with the bookmark that it had.
func TestStoppedWithADeafTap(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all}\n", minutesAgo(2)))
	if !long() {
		w.env = append(w.env, "ELT_STOP_GRACE=2s")
	}
	w.write("tap.sh", strings.Replace(tap, "#!/bin/sh\n", "#!/bin/sh\ntrap '' TERM INT\n", 1))
	w.write("hang", "")
	d := w.daemon()
	w.begun(1)
	start := time.Now()
	d.Process.Signal(syscall.SIGTERM)
	err := d.Wait()
	took := time.Since(start)
	t.Logf("the daemon ended %s after SIGTERM", took.Round(time.Millisecond))
	if err != nil || took > 25*time.Second {
		t.Errorf("after %s, with %v", took, err)
	}
	if left := w.survivors(); len(left) > 0 {
		t.Errorf("left behind: %s", strings.Join(left, "; "))
	}
	w.until("a run handed back", are("queued"))
	w.remove("hang")
	w.daemon()
	w.until("the run", are("succeeded"))
	w.wantRows("1,2,3")
}
