package daemon

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"elt/internal/pgtest"
	"elt/state"
)

// The store's database is away in mid-load, and comes back; or its replica
// takes its place. No process ends, loading goes on, nobody is declared lost,
// the bookmark comes later, and so does a slot that fell into the gap.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	t.Run("stopped and started", func(t *testing.T) {
		t.Parallel()
		server := pgtest.NewServer(t)
		away(t, server.URL(), server.URL(), server.Stop, server.Start)
	})
	t.Run("its replica takes over", func(t *testing.T) {
		t.Parallel()
		first := pgtest.NewServer(t)
		second := first.Replica()
		away(t, first.Either(second), first.Either(second), first.Stop, second.Promote)
	})
	t.Run("its machine vanishes and its replica takes over", func(t *testing.T) {
		t.Parallel()
		first := pgtest.NewServer(t)
		second := first.Replica()
		net, _ := newLink(t, first.URL())
		u, err := url.Parse(first.Either(second))
		if err != nil {
			t.Fatal(err)
		}
		_, u.Host, _ = strings.Cut(u.Host, ",")
		u.Host = net.Addr().String() + "," + u.Host
		away(t, u.String(), first.Either(second), func() { net.set(false, true) }, func() {
			first.Stop()
			second.Promote()
		})
	})
}

func away(t *testing.T, uri, direct string, leave, comeBack func()) {
	start := time.Now().UTC().Truncate(time.Second).Add(-55 * time.Second)
	gap := 6 * time.Second // longer than a worker may be silent
	if long() {
		gap = 60 * time.Second
	}
	w := onPostgres(t, "", uri, direct)
	w.env = append(w.env, "ELT_WORKER_TTL=5s")
	w.steady(fmt.Sprintf("- {name: s, job: load, every: 1m, start_date: '%s', catchup: all, overlap: queue}", start.Format(time.RFC3339)),
		"target-sqlite", "{database: out.db, batch_max_age_seconds: 1}")
	daemons := []*daemon{w.daemon("--role", "scheduler"), w.daemon("--role", "worker"), w.daemon("--role", "worker")}
	out := rows{"sqlite3", filepath.Join(w.dir, "out.db"), "s"}
	out.more(t, 0)
	leave()
	left := time.Now()
	out.more(t, 50) // a batch that was under way, and then some more
	time.Sleep(time.Until(left.Add(gap)))
	out.more(t, 50)
	w.remove("hang") // the load ends while there is nobody to tell
	slot := start.Add(time.Minute)
	time.Sleep(max(time.Second, time.Until(slot.Add(time.Second))))
	comeBack()
	t.Logf("the store was away for %s", time.Since(left).Round(time.Second))
	list := w.until("the run and the one of the gap", func(list []state.Execution) bool {
		return len(list) >= 2 && list[0].Over() && list[1].Over()
	})
	for _, e := range list[:2] {
		if e.Status != state.Succeeded || e.Attempt != 1 {
			t.Errorf("%s: %s, attempt %d: %s\n%s", e.Slot, e.Status, e.Attempt, e.Cause, strings.Join(e.Tail, "\n"))
		}
	}
	for _, d := range daemons {
		if err := d.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("daemon %d: %v", d.Process.Pid, err)
		}
	}
	slots, err := w.store.Slots(t.Context(), filepath.Base(w.dir), "dev", "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		if s.Outcome != state.SlotFired {
			t.Errorf("%+v", s)
		}
	}
	w.complete(out)
}

// The destination and the store are databases of one server, and its replica
// takes its place in mid-load: the run fails or goes back to the queue, and is
// repeated; every row is there once.
func TestFailoverOfTheDestination(t *testing.T) {
	t.Parallel()
	first := pgtest.NewServer(t)
	first.Exec("create database store", "create database rows")
	second := first.Replica()
	either := first.Either(second)
	uri, target := strings.Replace(either, "/postgres?", "/store?", 1), strings.Replace(either, "/postgres?", "/rows?", 1)
	w := onPostgres(t, "", uri, uri)
	w.steady(fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all, retries: 5, retry_delay: 1s}", minutesAgo(2)),
		"target-postgres", fmt.Sprintf("{sqlalchemy_url: '%s', default_target_schema: public, batch_max_age_seconds: 1}", target))
	w.daemon()
	w.begun(1)
	out := rows{"pgx", target, "s"}
	out.more(t, 0)
	first.Stop()
	time.Sleep(2 * time.Second)
	second.Promote()
	w.begun(2)
	out.more(t, 50)
	w.remove("hang")
	list := w.until("a run that succeeds", func(list []state.Execution) bool { return list[len(list)-1].Status == state.Succeeded })
	t.Log(statuses(list))
	if slices.ContainsFunc(list, func(e state.Execution) bool { return e.Status == state.Lost }) {
		t.Errorf("a run was declared lost: %s", statuses(list))
	}
	w.complete(out)
}

// steady makes the project one whose load goes on until the file "hang" is gone.
func (w *world) steady(schedule, target, config string) {
	w.link("tap-steady")
	w.write("elt.yml", fmt.Sprintf(`default_environment: dev
environments: [{name: dev}]
plugins:
  extractors: [{name: tap-steady, namespace: tap_steady, executable: ./tap-steady, capabilities: [state]}]
  loaders: [{name: %s, config: %s}]
jobs: [{name: load, tasks: [tap-steady %[1]s]}]
schedules:
%[3]s
`, target, config, schedule))
	first := exec.Command(elt, "--cwd", w.dir, "run", "load") // a new table is seen when it is complete
	first.Env = append(os.Environ(), w.env...)
	if out, err := first.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	w.write("hang", "")
}

// steadyTap gives a row every 10 ms, from the bookmark on, at least one.
func steadyTap() {
	if f, err := os.OpenFile(os.Getenv("BEGUN"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err == nil {
		fmt.Fprintln(f, "begun")
		f.Close()
	}
	var bookmark struct {
		Bookmarks struct{ S struct{ ID int } }
	}
	for i, a := range os.Args {
		if a == "--state" {
			text, err := os.ReadFile(os.Args[i+1])
			if err != nil || json.Unmarshal(text, &bookmark) != nil {
				fmt.Fprintln(os.Stderr, "no state:", err)
				os.Exit(1)
			}
		}
	}
	fmt.Println(`{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"}}},"key_properties":["id"]}`)
	for id := bookmark.Bookmarks.S.ID + 1; ; id++ {
		_, err := fmt.Printf(`{"type":"RECORD","stream":"s","record":{"id":%d}}`+"\n"+`{"type":"STATE","value":{"bookmarks":{"s":{"id":%[1]d}}}}`+"\n", id)
		if err != nil {
			os.Exit(1)
		}
		if _, err := os.Stat("hang"); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// rows are those of a steady load.
type rows struct{ driver, address, table string }

func (r rows) count() (all, different, last int, err error) {
	db, err := sql.Open(r.driver, r.address)
	if err != nil {
		return
	}
	defer db.Close()
	err = db.QueryRow("select count(*), count(distinct id), coalesce(max(id), 0) from "+r.table).Scan(&all, &different, &last)
	return
}

// more waits until there are more rows than now, by so many.
func (r rows) more(t *testing.T, by int) {
	t.Helper()
	before, _, _, _ := r.count() // no table yet: none
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		all, _, _, err := r.count()
		if err == nil && all > before+by {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d rows, and then %d: loading does not go on (%v)", before, all, err)
		}
	}
}

// complete wants rows 1 to the bookmark's, each once; the bookmark comes a
// moment after the rows of a run that is still under way.
func (w *world) complete(r rows) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		all, different, last, err := r.count()
		if err != nil || all != last || different != last || last == 0 {
			w.t.Fatalf("%d rows, %d different, the last is %d (%v)", all, different, last, err)
		}
		ids, err := w.store.BookmarkIDs(w.t.Context(), "")
		if err != nil || len(ids) != 1 {
			w.t.Fatalf("bookmarks %v (%v)", ids, err)
		}
		b, err := w.store.Bookmark(w.t.Context(), ids[0])
		if err == nil && strings.Contains(strings.ReplaceAll(string(b.Completed), " ", ""), fmt.Sprintf(`{"id":%d}`, last)) {
			w.t.Logf("%d rows, each once", all)
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("bookmark %s, the last row is %d (%v)", b.Completed, last, err)
		}
	}
}
