package crash

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"elt/internal/pgtest"
)

// The source has an event for every hour of 2024, which backfills load, and of
// January 2025, which a regular run has loaded before.
var (
	yearBegins = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	yearEnds   = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	allEnds    = time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC)
)

func hours(from, to time.Time) int { return int(to.Sub(from) / time.Hour) }

func eventID(at time.Time) int { return hours(yearBegins, at) }

// eventsServer answers /events?since=&until= and counts the windows that it
// was asked for, and those answered to the end.
type eventsServer struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int
}

func serveEvents(t *testing.T) *eventsServer {
	s := &eventsServer{asked: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since, err := time.Parse(time.RFC3339, r.FormValue("since"))
		until, err2 := time.Parse(time.RFC3339, r.FormValue("until"))
		if err != nil || err2 != nil {
			http.Error(w, "since and until are needed", http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.asked[r.FormValue("since")+" "+r.FormValue("until")]++
		s.mu.Unlock()
		time.Sleep(60 * time.Millisecond)
		comma := "["
		for at := since.Truncate(time.Hour); at.Before(until) && at.Before(allEnds); at = at.Add(time.Hour) {
			fmt.Fprintf(w, `%s{"id":%d,"at":%q}`, comma, eventID(at), at.Format(time.RFC3339))
			comma = ","
		}
		if comma == "[" {
			fmt.Fprint(w, comma)
		}
		fmt.Fprint(w, "]")
	}))
	t.Cleanup(s.Close)
	return s
}

// windowsTap is a third-party tap without keys: the hours from start_date to
// end_date, a STATE now and then.
func windowsTap(args []string) int {
	schema := `{"type":"object","properties":{"id":{"type":"integer"},"at":{"type":"string","format":"date-time"}}}`
	if len(args) > 0 && args[len(args)-1] == "--discover" {
		fmt.Printf(`{"streams":[{"tap_stream_id":"events","stream":"events","schema":%s,"key_properties":[],"replication_method":"INCREMENTAL","replication_key":"at",
"metadata":[{"breadcrumb":[],"metadata":{"inclusion":"available","selected":true}}]}]}`, schema)
		return 0
	}
	var config struct {
		Start time.Time `json:"start_date"`
		End   time.Time `json:"end_date"`
	}
	if err := readJSON(flagValue(args, "--config"), &config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf(`{"type":"SCHEMA","stream":"events","key_properties":[],"schema":%s}`+"\n", schema)
	for at := config.Start; at.Before(config.End); at = at.Add(time.Hour) {
		text := at.Format(time.RFC3339)
		fmt.Printf(`{"type":"RECORD","stream":"events","record":{"id":%d,"at":%q}}`+"\n", eventID(at), text)
		if at.Hour() == 0 {
			fmt.Printf(`{"type":"STATE","value":{"bookmarks":{"events":{"replication_key":"at","replication_key_value":%q}}}}`+"\n", text)
			time.Sleep(8 * time.Millisecond)
		}
	}
	fmt.Printf(`{"type":"STATE","value":{"bookmarks":{"events":{"replication_key":"at","replication_key_value":%q}}}}`+"\n", config.End.Format(time.RFC3339))
	return 0
}

// filling is a project with a source of events, and its backfill.
type filling struct {
	dir    string
	source *eventsServer // nil: not HTTP
	tap    string
	target string
	flags  []string
	fresh  bool                          // no regular run came before, and the table is the backfill's
	rows   func(query string) (a, b int) // of the destination
}

const projectOfEvents = "default_environment: dev\nenvironments: [{name: dev}]\nplugins:\n  extractors:\n%s  loaders:\n%s"

func fillRest(t *testing.T) *filling {
	f := &filling{dir: t.TempDir(), source: serveEvents(t), tap: "tap-rest", target: "target-sqlite", flags: []string{"--chunk", "1w"}}
	extractor := fmt.Sprintf(`  - name: tap-rest
    config:
      url_base: %s
      start_date: '2025-01-01'
      streams:
      - name: events
        path: events
        primary_keys: [id]
        replication_key: at
        window: {start_param: since, end_param: until}
        schema: {properties: {id: {type: integer}, at: {type: string, format: date-time}}}
`, f.source.URL)
	write(t, filepath.Join(f.dir, "elt.yml"), fmt.Sprintf(projectOfEvents, extractor, "  - name: target-sqlite\n    config: {database: out.db}\n"))
	f.rows = f.sqlite(t)
	return f
}

func (f *filling) sqlite(t *testing.T) func(string) (int, int) {
	return func(query string) (a, b int) {
		db, err := sql.Open("sqlite3", "file:"+filepath.Join(f.dir, "out.db")+"?mode=ro&_busy_timeout=10000")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRow(query).Scan(&a, &b); err != nil {
			t.Fatal(err)
		}
		return a, b
	}
}

// fillPostgres is a table without a key, exact positions, several chunks at once.
func fillPostgres(t *testing.T) *filling {
	f := &filling{dir: t.TempDir(), tap: "tap-postgres", target: "target-postgres", flags: []string{"--chunk", "1w", "--parallel", "2", "--allow-duplicates"}}
	from, to := pgtest.URL(t), pgtest.URL(t)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	// Each event thirty times, so that positions fall between equal times.
	if _, err := conn.Exec(ctx, `create table events (id int, at timestamptz not null);
		insert into events select n / 30, timestamptz '2024-01-01 00:00Z' + (n / 30) * interval '1 hour' from generate_series(0, 30 * `+fmt.Sprint(hours(yearBegins, allEnds))+` - 1) n`); err != nil {
		t.Fatal(err)
	}
	extractor := fmt.Sprintf(`  - name: tap-postgres
    config: {sqlalchemy_url: %q, start_date: '2025-01-01'}
    select: [public-events.*]
    metadata: {public-events: {replication-method: INCREMENTAL, replication-key: at}}
`, from)
	write(t, filepath.Join(f.dir, "elt.yml"), fmt.Sprintf(projectOfEvents, extractor,
		fmt.Sprintf("  - name: target-postgres\n    config: {sqlalchemy_url: %q, default_target_schema: public, batch_size_rows: 1000}\n", to)))
	f.rows = func(query string) (a, b int) {
		conn, err := pgx.Connect(ctx, to)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if err := conn.QueryRow(ctx, query).Scan(&a, &b); err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	return f
}

func fillFresh(t *testing.T) *filling {
	f := fillPostgres(t)
	f.fresh, f.flags = true, append(f.flags, "--no-fuse")
	return f
}

func fillForeign(t *testing.T) *filling {
	f := &filling{dir: t.TempDir(), tap: "tap-windows", target: "target-sqlite", flags: []string{"--chunk", "1w", "--allow-duplicates"}}
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(f.dir, "tap-windows"))
	}
	if err != nil {
		t.Fatal(err)
	}
	const extractor = `  - name: tap-windows
    namespace: tap_windows
    executable: ./tap-windows
    capabilities: [catalog, discover, state]
    config: {start_date: '2025-01-01T00:00:00Z', end_date: '2025-02-01T00:00:00Z'}
    backfill: {start: start_date, end: end_date, format: '%Y-%m-%dT%H:%M:%SZ'}
`
	write(t, filepath.Join(f.dir, "elt.yml"), fmt.Sprintf(projectOfEvents, extractor, "  - name: target-sqlite\n    config: {database: out.db}\n"))
	f.rows = f.sqlite(t)
	return f
}

// elt runs a command in the project and returns its standard output.
func (f *filling) elt(mark string, args ...string) (string, error) {
	cmd := exec.Command(elt, args...)
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), "NO_COLOR=1", mark)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("elt %s: %w\n%s%s", strings.Join(args, " "), err, &out, &talk)
	}
	return out.String(), err
}

func (f *filling) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := f.elt("ELT_CRASH_MARK=none", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// regular is all that the store keeps of the regular state id.
func (f *filling) regular(t *testing.T) string {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(f.dir, ".elt", "elt.db")+"?mode=ro&_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var row string
	id := "dev:" + f.tap + "-to-" + f.target
	if f.fresh { // there must be none
		var n int
		if err := db.QueryRow("select count(*) from elt_bookmarks where state_id not like '%:backfill:%'").Scan(&n); err != nil || n > 0 {
			t.Errorf("%d regular bookmarks, %v", n, err)
		}
		return ""
	}
	if err := db.QueryRow(`select completed || '|' || coalesce(partial, '') || '|' || edit || '|' || updated_at ||
		(select group_concat(id || op || completed) from elt_bookmark_history where state_id = b.state_id) from elt_bookmarks b where state_id = ?`, id).Scan(&row); err != nil {
		t.Fatal(err)
	}
	return row
}

type listedBackfill struct {
	ID     string `json:"backfill_id"`
	Status string `json:"status"`
	Done   int    `json:"chunks_done"`
	Total  int    `json:"chunks_total"`
	Rows   int    `json:"rows"`
	Chunks []struct {
		StateID  string `json:"state_id"`
		Status   string `json:"status"`
		Attempts int    `json:"attempts"`
		RunID    string `json:"run_id"`
	} `json:"chunks"`
}

func (f *filling) list(t *testing.T) []listedBackfill {
	t.Helper()
	var all []listedBackfill
	if err := json.Unmarshal([]byte(f.must(t, "backfill", "list", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// A year is backfilled, everything of it killed eleven times at random moments,
// and resumed each time: every row is there once, no chunk that is done is run
// again, and the regular bookmark is what it was, to the byte.
func TestBackfillKilledElevenTimes(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) *filling{
		"by weeks, keyed rows over HTTP into SQLite":                            fillRest,
		"by weeks, keyless rows of Postgres into Postgres, two at a time":       fillPostgres,
		"by weeks, keyless rows of Postgres into a new table, in two processes": fillFresh,
		"by weeks, keyless rows of a third-party tap into SQLite":               fillForeign,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := make(t)
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			each, want, before := 30, hours(yearBegins, yearEnds), ""
			if !f.fresh {
				f.must(t, "run", f.tap, f.target)
				before, want = f.regular(t), hours(yearBegins, allEnds)
				january := 0
				if each, january = f.rows("select count(*) / count(distinct id), count(distinct id) from events"); january != hours(yearEnds, allEnds) {
					t.Fatalf("the regular run loaded %d hours", january)
				}
			}
			start := append([]string{"run", f.tap, f.target, "--from", "2024-01-01", "--to", "2025-01-01"}, f.flags...)
			planned := time.Now()
			f.must(t, append(start, "--dry-run")...)
			begun := int64(time.Since(planned)) // about as long as a chunk
			for kills := 0; kills < 11; {
				args, ahead := start, false
				if all := f.list(t); len(all) > 0 {
					args = []string{"backfill", "resume", all[0].ID}
					ahead = all[0].Done*11 > all[0].Total*(kills+1) // it must not be done before the eleventh
				}
				if f.killed(t, fmt.Sprintf("ELT_CRASH_MARK=b%d-%d-%d", os.Getpid(), seed, kills), args, kills%3 > 0 && !ahead, time.Duration(random.Int64N(begun*3))) {
					kills++
				} else if all := f.list(t); all[0].Status == "succeeded" {
					t.Fatalf("it was done after %d kills", kills)
				}
			}
			all := f.list(t)
			if len(all) != 1 || all[0].Status == "succeeded" {
				t.Fatalf("%+v", all)
			}
			t.Logf("after eleven kills %d of %d chunks are done", all[0].Done, all[0].Total)
			done := map[string]string{}
			for _, c := range all[0].Chunks {
				if c.Status == "succeeded" {
					done[c.StateID] = c.RunID
				}
			}
			f.must(t, "backfill", "resume", all[0].ID)
			last := f.list(t)[0]
			attempts := 0
			for _, c := range last.Chunks {
				attempts += c.Attempts
				if c.Status != "succeeded" {
					t.Errorf("%+v", c)
				}
				if run := done[c.StateID]; run != "" && run != c.RunID {
					t.Errorf("%s was done and is run again", c.StateID)
				}
			}
			if last.Status != "succeeded" || last.Done != last.Total || attempts > last.Total+2*11 {
				t.Errorf("%s, %d of %d chunks, %d runs", last.Status, last.Done, last.Total, attempts)
			}
			rows, ids := f.rows("select count(*), count(distinct id) from events")
			if ids != want || rows != want*each {
				t.Errorf("%d rows of %d ids; want %d of %d", rows, ids, want*each, want)
			}
			if after := f.regular(t); after != before {
				t.Errorf("the regular bookmark was\n%s\nis\n%s", before, after)
			}
			if states := f.must(t, "state", "list", "--all"); strings.Contains(states, "backfill") {
				t.Errorf("states: %v", states)
			}
			if f.source != nil {
				f.checkRequests(t, last, attempts)
			}
			f.must(t, "run", f.tap, f.target) // the regular run goes on where it was
			if _, ids := f.rows("select count(*), count(distinct id) from events"); ids != hours(yearBegins, allEnds) {
				t.Errorf("after the next regular run there are %d ids", ids)
			}
		})
	}
}

// killed runs a command and kills everything of it after a while, which may
// begin with its chunks; false: it was over before.
func (f *filling) killed(t *testing.T, mark string, args []string, atChunks bool, delay time.Duration) bool {
	t.Helper()
	cmd := exec.Command(elt, args...)
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), "NO_COLOR=1", mark)
	talk, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(talk)
		for first := true; lines.Scan(); {
			if first && strings.Contains(lines.Text(), "chunks to run") {
				first = false
				close(said)
			}
		}
		ended <- cmd.Wait()
	}()
	if atChunks {
		select {
		case <-said:
		case err := <-ended:
			t.Fatalf("it ended before it had begun: %v", err)
		}
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
		return false
	case <-time.After(delay):
	}
	for alive := marked(mark, f.dir); len(alive) > 0; alive = marked(mark, f.dir) {
		for _, p := range alive {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
	return <-ended != nil
}

// checkRequests: every window was asked for once per run of its chunk, and
// nothing else was asked for.
func (f *filling) checkRequests(t *testing.T, b listedBackfill, attempts int) {
	t.Helper()
	f.source.mu.Lock()
	defer f.source.mu.Unlock()
	windows, requests := 0, 0
	for window, n := range f.source.asked {
		since, until, _ := strings.Cut(window, " ")
		from, err := time.Parse(time.RFC3339, since)
		to, err2 := time.Parse(time.RFC3339, until)
		if err != nil || err2 != nil {
			t.Errorf("asked for %s", window)
			continue
		}
		if !from.Before(yearEnds) {
			continue // the regular run
		}
		if to.Sub(from) != 7*24*time.Hour && !to.Equal(yearEnds) || from.Sub(yearBegins)%(7*24*time.Hour) != 0 {
			t.Errorf("asked for %s, which is no chunk", window)
		}
		windows, requests = windows+1, requests+n
	}
	if windows != b.Total || requests > attempts {
		t.Errorf("%d windows in %d requests; want %d in at most %d", windows, requests, b.Total, attempts)
	}
	t.Logf("%d chunks, %d runs, %d requests", b.Total, attempts, requests)
}
