package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/pgtest"
	"elt/internal/project"
	"elt/internal/schedule"
	"elt/internal/secret"
	"elt/state"
	"elt/state/postgres"
	"elt/state/sqlite"
)

// world is the API over a real store and a project.
type world struct {
	t      *testing.T
	dir    string
	store  state.Store
	server *Server
	http   *httptest.Server
	tokens map[Scope]string
	log    logBuffer
}

const projectFile = `default_environment: dev
environments: [{name: dev}]
plugins:
  extractors:
  - name: tap-csv
    namespace: tap_csv
    config: {files: [{entity: a, path: a.csv, keys: [id]}]}
  - name: tap-own
    namespace: tap_own
    executable: ./tap.sh
    capabilities: [state]
    settings: [{name: api_key, sensitive: true}, {name: url}, {name: db_password}]
    config: {api_key: canary-key-0001, url: 'https://me:canary-url-0002@host/x', db_password: canary-pass-0003}
  loaders: [{name: target-sqlite, namespace: target_sqlite, config: {database: out.db}}]
jobs: [{name: load, tasks: [tap-csv target-sqlite]}, {name: other, tasks: [tap-own target-sqlite], fresh_within: 2h}]
schedules:
- {name: nightly, job: load, interval: '0 3 * * *', timezone: Europe/Berlin, env: {SECRET_OF_RUN: canary-env-0004}}
- {name: pair, extractor: tap-own, loader: target-sqlite, interval: '@hourly'}
`

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// openStore is SQLite, and PostgreSQL below TestOnPostgres.
func openStore(t *testing.T, dir string) (s state.Store) {
	t.Helper()
	var err error
	if strings.HasPrefix(t.Name(), "TestOnPostgres/") {
		s, err = postgres.Open(t.Context(), postgres.Options{URI: pgtest.URL(t)})
	} else {
		s, err = sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "store.db")})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// What the API does over PostgreSQL is what it does over SQLite. The tests of
// what a store has no part in are left out.
func TestOnPostgres(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"routes": TestEveryRouteForEverybody, "tokens": TestRevokedAtOnceAndNameFree, "start": TestStartRun, "wait": TestWaitForRun,
		"logs": TestLogPages, "follow": TestFollow, "progress": TestProgress, "hundred": TestHundredFollowers,
		"elsewhere": TestLogOfAnotherMachine, "gap": TestLogWithAGap, "hundred elsewhere": TestHundredFollowersOfAnotherMachine,
		"streams": TestStreams, "workers": TestWorkers, "alerts": TestAlerts, "cancel": TestCancelAndRetry, "from state": TestRetryFromState, "lists": TestListRuns, "steps": TestStepsAndStreams, "metrics": TestMetrics,
		"bookmarks": TestBookmarks, "schedules": TestSchedules, "backfills": TestBackfills, "callbacks": TestCallbacks, "session": TestSession, "login": TestLoginAtAProvider, "states": TestStates,
	} {
		t.Run(name, test)
	}
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), tokens: map[Scope]string{}}
	if err := os.WriteFile(filepath.Join(w.dir, "elt.yml"), []byte(projectFile), 0o644); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, w.dir)
	w.store = s
	p, err := project.Load(t.Context(), project.Options{Dir: w.dir})
	if err != nil {
		t.Fatal(err)
	}
	redactor := &secret.Redactor{}
	plan := schedule.Plan{Project: "p", Environment: "dev", Digest: p.Digest(), Schedules: p.Schedules(), Jobs: []string{"load", "other"}, Defaults: schedule.Ours,
		Limits: map[string]int{"heavy": 3}}
	c := Config{Store: s, LogPath: func(id string) string { return filepath.Join(w.dir, id+".log") }, Mask: redactor.String, Secret: redactor.Add,
		Now: func(context.Context) (*project.Project, schedule.Plan, error) { return p, plan, nil }, Version: "test", Log: zerolog.New(&w.log)}
	c.Metrics = NewMetrics(s, func(context.Context) (schedule.Plan, error) { return plan, nil }, "test")
	for _, f := range change {
		f(&c)
	}
	w.server = New(c)
	w.server.limits = &limits{newBuckets(1e6, 1e6, time.Now), newBuckets(1e6, 1e6, time.Now)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.server.watch.run(ctx) }()
	w.http = httptest.NewServer(w.server.Handler())
	t.Cleanup(func() { w.server.Stopping(); w.http.Close(); cancel(); <-done })
	for _, scope := range scopes {
		w.tokens[scope] = w.token(string(scope), scope).Secret
	}
	return w
}

func (w *world) token(name string, scope Scope) NewToken {
	w.t.Helper()
	k, err := CreateToken(w.t.Context(), w.store, TokenRequest{Name: name, Scope: scope}, "test")
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

// logBuffer takes the log of many requests.
type logBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// reply is an answer.
type reply struct {
	*http.Response
	text string
}

func (r reply) problem(t *testing.T) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal([]byte(r.text), &p); err != nil || r.Header.Get("Content-Type") != problemJSON || p.Status != r.StatusCode || p.Code == "" || p.TraceID == "" || p.Title == "" {
		t.Fatalf("%d is no problem: %s %v", r.StatusCode, r.text, r.Header)
	}
	return p
}

// ask sends a request with the admin's token; headers are "Name: value".
func (w *world) ask(method, path, text string, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.http.URL+path, strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.tokens[ScopeAdmin])
	if text != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
		if name == "Host" {
			r.Host = value
		}
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{res, string(all)}
}

// want asks and checks the status.
func (w *world) want(status int, method, path, text string, headers ...string) reply {
	w.t.Helper()
	r := w.ask(method, path, text, headers...)
	if r.StatusCode != status {
		w.t.Fatalf("%s %s %s: %d, want %d\n%s", method, path, text, r.StatusCode, status, r.text)
	}
	if status >= 400 {
		r.problem(w.t)
	}
	return r
}

func into[T any](t *testing.T, r reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.text), &v); err != nil {
		t.Fatalf("%v: %s", err, r.text)
	}
	return v
}

// enqueue puts an execution into the store and gives its id.
func (w *world) enqueue(id string, change ...func(*state.Execution)) string {
	w.t.Helper()
	e := state.Execution{ID: id, Project: "p", Environment: "dev", Name: "load", Blocks: []string{"load"}, Trigger: "api"}
	for _, f := range change {
		f(&e)
	}
	if _, _, err := w.store.Enqueue(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// finish lets a worker run and end what is queued next.
func (w *world) finish(status string, change ...func(*state.Execution)) {
	w.t.Helper()
	e, err := w.store.Take(w.t.Context(), state.From{Worker: "worker", Project: "p", Environment: "dev"})
	if err != nil {
		w.t.Fatal(err)
	}
	e.Status = status
	for _, f := range change {
		f(&e)
	}
	if err := w.store.End(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) writeLog(id string, lines ...string) {
	w.t.Helper()
	f, err := os.OpenFile(w.server.LogPath(id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for _, l := range lines {
		fmt.Fprintln(f, l)
	}
}
