package snowflake

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	fake "elt/internal/fake/snowflake"
	"elt/internal/fault"
	"elt/internal/spec"
	"elt/targets"
)

// impatient is the target with few retries and little grace, so that a test
// of what fails for good ends soon.
type impatient struct{ target }

func (impatient) Open(ctx context.Context, cfg spec.Config) (targets.Sink, error) {
	set, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	set.attempts, set.grace = 1, 100*time.Millisecond
	return open(ctx, set)
}

// many is a run's input with more rows than go without a file.
func many(from, to int) []string {
	lines := []string{schemaA}
	for id := from; id <= to; id++ {
		lines = append(lines, recordA(id, id))
	}
	return append(lines, stateA(to))
}

// What breaks on the way and is put right by itself.
func TestFaultsThatPass(t *testing.T) {
	for name, f := range map[string]fake.Fault{
		"503 on COPY":                 {Statement: "^COPY", Status: 503},
		"503 on login":                {Endpoint: fake.EndpointLogin, Status: 503},
		"429 on MERGE":                {Statement: "^MERGE INTO \"RAW\".\"A\"", Status: 429},
		"token expires before COPY":   {Statement: "^COPY", Expired: true},
		"token expires before COMMIT": {Statement: "^COMMIT", Expired: true},
		"upload cut":                  {Endpoint: fake.EndpointStorage, CutBytes: 100},
		"upload 503":                  {Endpoint: fake.EndpointStorage, Status: 503},
		"upload URL expired":          {Endpoint: fake.EndpointStorage, Expired: true},
		"lost reply of MERGE":         {Statement: "^MERGE INTO \"RAW\".\"A\"", Lost: true},
		"lost reply of the state":     {Statement: "_ELT_STATE", Lost: true},
		"lost reply of COMMIT":        {Statement: "^COMMIT", Lost: true},
		"half a reply of COPY":        {Statement: "^COPY", Truncated: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := fake.Start(t)
			srv.Inject(f)
			r := newRunner(t, srv, map[string]any{"load_method": "append-only"})
			_, err := r.run(t, many(1, 200)...)
			must(t, err)
			if got := len(rows(t, srv, "A")); got != 200 {
				t.Errorf("%d rows", got)
			}
			if got := position(t, srv); got != `{"bookmarks":{"a":{"v":200}}}` {
				t.Error(got)
			}
			if left := srv.Files(); len(left) > 0 {
				t.Errorf("files are left on a stage: %v", left)
			}
		})
	}
}

// A run that dies with any statement, which is done, is repaired by the next: no
// row is lost, none doubled, and the bookmark is that of the rows.
func TestEveryStatementMayBeTheLast(t *testing.T) {
	for _, method := range []string{"append-only", "overwrite"} {
		srv := fake.Start(t)
		r := newRunner(t, srv, map[string]any{"load_method": method})
		_, err := r.run(t, many(1, 100)...)
		must(t, err)
		srv.ResetStatements()
		_, err = r.run(t, many(101, 200)...)
		must(t, err)
		steps := len(srv.Statements())
		for step := range steps {
			t.Run(fmt.Sprintf("%s/%d", method, step), func(t *testing.T) {
				t.Parallel()
				dies(t, method, step)
			})
		}
	}
}

func dies(t *testing.T, method string, step int) {
	srv := fake.Start(t)
	r := newRunner(t, srv, map[string]any{"load_method": method, "connect_retry_seconds": 0})
	r.target = impatient{}
	_, err := r.run(t, many(1, 100)...)
	must(t, err)
	before := string(r.state)
	srv.Inject(fake.Fault{After: step, Count: -1, Lost: true})
	_, died := r.run(t, many(101, 200)...)
	srv.ClearFaults()
	srv.EndSessions()
	state, count := position(t, srv), len(rows(t, srv, "A"))
	want := map[string]int{`{"bookmarks":{"a":{"v":100}}}`: 100, `{"bookmarks":{"a":{"v":200}}}`: 200}
	if method == "overwrite" {
		if count != 100 {
			t.Errorf("%d rows after a run that overwrites", count)
		}
	} else if want[state] != count {
		t.Errorf("%d rows at %s", count, state)
	}
	if died == nil && string(r.state) == before {
		t.Error("the run succeeded without its bookmark")
	}
	r.state, r.kept = []byte(before), "" // as if the store had died with it
	reply, err := r.run(t)
	if err != nil {
		t.Fatalf("the next run: %v", err)
	}
	if method != "overwrite" && string(reply.Bookmarks) != state {
		t.Errorf("it starts from %s, the rows are at %s", reply.Bookmarks, state)
	}
	if method == "overwrite" || strings.Contains(state, "100") {
		_, err = r.run(t, many(101, 200)...)
		must(t, err)
	}
	if got := len(rows(t, srv, "A")); method == "overwrite" && got != 100 || method != "overwrite" && got != 200 {
		t.Errorf("%d rows in the end", got)
	}
	_, left, err := srv.Query(`SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'RAW' AND TABLE_NAME LIKE '%ELT_NEW%'`)
	if err != nil || len(left) > 0 {
		t.Errorf("hidden tables are left: %v, %v", left, err)
	}
}

// A run that is killed within its transaction leaves it open. Who meets its
// locks waits until Snowflake has noticed, and goes on.
func TestATransactionLeftOpenIsWaitedFor(t *testing.T) {
	srv := fake.Start(t, fake.WithIdleAbort(200*time.Millisecond))
	r := newRunner(t, srv, nil)
	r.target = impatient{}
	_, err := r.run(t, many(1, 100)...)
	must(t, err)
	srv.Inject(fake.Fault{Statement: "^(COMMIT|ROLLBACK)", Count: -1, Cut: true})
	srv.Inject(fake.Fault{Endpoint: fake.EndpointLogout, Count: -1, Cut: true})
	srv.Inject(fake.Fault{Endpoint: fake.EndpointLogin, After: 1, Count: -1, Cut: true}) // no looking back
	if _, err := r.run(t, many(101, 200)...); err == nil {
		t.Fatal("the run succeeded")
	}
	srv.ClearFaults()
	reply, err := r.run(t, many(101, 200)...)
	must(t, err)
	if string(reply.Bookmarks) != `{"bookmarks":{"a":{"v":100}}}` || len(rows(t, srv, "A")) != 200 {
		t.Errorf("started from %s, %d rows", reply.Bookmarks, len(rows(t, srv, "A")))
	}
}

func TestATransactionThatStoodStill(t *testing.T) {
	var w watch
	must(t, w.gap())
	w.last = w.last.Add(-stillMost - time.Second)
	if err := w.gap(); err == nil || !strings.Contains(err.Error(), "stood still") {
		t.Error(err)
	}
}

// Told to stop, a run cancels the COPY under way, and nothing is loaded.
func TestStoppedInCopy(t *testing.T) {
	srv := fake.Start(t)
	held := make(chan struct{})
	defer close(held)
	srv.Inject(fake.Fault{Statement: "^COPY", Until: held})
	ctx, stop := context.WithCancel(context.Background())
	set, err := settled(t, at(srv))
	must(t, err)
	set.TempDir, set.attempts, set.grace = t.TempDir(), 1, 50*time.Millisecond
	s, err := open(ctx, set)
	must(t, err)
	defer s.Abort()
	lane, err := s.Lane(t.Context())
	must(t, err)
	schema := twoColumns("a")
	ld, err := lane.Stream(t.Context(), schema)
	must(t, err)
	must(t, ld.Write(t.Context(), integers(schema, upTo(200)...)))
	time.AfterFunc(100*time.Millisecond, stop)
	err = lane.Commit(context.Background(), targets.Commit{})
	if fault.CodeOf(err) != fault.Terminated {
		t.Errorf("it ended with %v", err)
	}
	lane.Close()
	if got := rows(t, srv, "A"); len(got) > 0 {
		t.Errorf("%d rows are there", len(got))
	}
}

// Mistakes and refusals, each with a sentence, a hint and an exit code.
func TestRefusalsAreExplained(t *testing.T) {
	for name, c := range map[string]struct {
		options []fake.Option
		set     map[string]any
		says    string
		kind    fault.Kind
	}{
		"wrong password":    {nil, map[string]any{"password": "canary-wrong"}, "does not accept user ELT", fault.KindAuth},
		"wrong account":     {nil, map[string]any{"account": "nosuch"}, "no account nosuch", fault.KindDNS},
		"no such database":  {nil, map[string]any{"database": "NOSUCH"}, "is not there", fault.KindPath},
		"no such role":      {nil, map[string]any{"role": "NOSUCH"}, "role", fault.KindPermission},
		"no such warehouse": {nil, map[string]any{"warehouse": "NOSUCH"}, "is not there", fault.KindPath},
		"no warehouse":      {[]fake.Option{fake.WithoutWarehouse()}, map[string]any{"warehouse": nil}, "no warehouse to load with", fault.KindPath},
		"expired token":     {[]fake.Option{fake.WithUser(fake.User{Name: "P", PAT: "canary-pat", PATExpired: true, Roles: []string{fake.Role}})}, map[string]any{"user": "P", "password": nil, "token": "canary-pat"}, "programmatic access token", fault.KindAuth},
		"expired OAuth":     {[]fake.Option{fake.WithUser(fake.User{Name: "O", OAuthToken: "canary-oauth", OAuthExpired: true, Roles: []string{fake.Role}})}, map[string]any{"user": "O", "password": nil, "oauth_access_token": "canary-oauth"}, "OAuth access token", fault.KindAuth},
		"suspended":         {[]fake.Option{fake.WithWarehouse("STILL", false)}, map[string]any{"warehouse": "STILL"}, "warehouse", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := fake.Start(t, c.options...)
			r := newRunner(t, srv, c.set)
			for k, v := range r.config {
				if v == nil {
					delete(r.config, k)
				}
			}
			_, err := r.run(t, many(1, 60)...)
			if err == nil || !strings.Contains(err.Error(), c.says) || fault.Advice(err) == "" {
				t.Fatalf("%v\nhint: %s", err, fault.Advice(err))
			}
			if c.kind != "" && fault.KindOf(err) != c.kind {
				t.Errorf("kind %s of %v", fault.KindOf(err), err)
			}
			t.Log(err)
		})
	}
}
