package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Every route that there is, for everybody who may ask: what is answered
// follows from the route's declared scope.
func TestEveryRouteForEverybody(t *testing.T) {
	w := newWorld(t)
	expired, revoked := w.token("expired", ScopeAdmin), w.token("revoked", ScopeAdmin)
	past := time.Now().Add(-time.Second)
	if _, err := w.store.ExpireToken(t.Context(), expired.ID, &past); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.RevokeToken(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	askers := map[string]struct {
		secret string
		scope  Scope // "": nobody
	}{
		"none": {}, "expired": {expired.Secret, ""}, "revoked": {revoked.Secret, ""}, "made up": {"elt_" + strings.Repeat("A", 43), ""}, "odd": {"x y", ""},
		"read": {w.tokens[ScopeRead], ScopeRead}, "run": {w.tokens[ScopeRun], ScopeRun}, "admin": {w.tokens[ScopeAdmin], ScopeAdmin},
	}
	rank := map[Scope]int{ScopePublic: 1, ScopeRead: 2, ScopeRun: 3, ScopeAdmin: 4}
	if len(w.server.Routes()) < 35 {
		t.Fatalf("only %d routes", len(w.server.Routes()))
	}
	for _, route := range w.server.Routes() {
		if rank[route.Scope] == 0 {
			t.Errorf("%s %s declares no scope", route.Method, route.Path)
			continue
		}
		path := strings.NewReplacer("{id}", "x", "{name}", "x", "{kind}", "loaders", "{state_id}", "x").Replace(route.Path)
		for name, who := range askers {
			if route.Path == Base+"/session" && route.Method == http.MethodDelete && name == "admin" {
				continue // a token's logout changes nothing, and is tried below
			}
			text := ""
			if route.Method != http.MethodGet {
				text = "{}"
			}
			r := w.ask(route.Method, path, text, "Authorization: "+strings.TrimSuffix("Bearer "+who.secret, "Bearer "))
			allowed := route.Scope == ScopePublic || rank[who.scope] >= rank[route.Scope]
			switch {
			case allowed && (r.StatusCode == 401 && route.Path != Base+"/session" || r.StatusCode == 403 || r.StatusCode >= 500):
				t.Errorf("%s: %s %s: %d %s", name, route.Method, route.Path, r.StatusCode, r.text)
			case !allowed && who.scope == "" && r.StatusCode != 401, !allowed && who.scope != "" && r.StatusCode != 403:
				t.Errorf("%s: %s %s: %d, scope %s", name, route.Method, route.Path, r.StatusCode, route.Scope)
			}
			if !allowed {
				r.problem(t)
			}
		}
	}
	for path, item := range w.server.OpenAPI().Paths {
		for method, op := range map[string]any{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete, "PATCH": item.Patch} {
			there := slices.ContainsFunc(w.server.Routes(), func(r Route) bool { return r.Path == path && r.Method == method })
			if documented := !isNil(op); documented && !there {
				t.Errorf("%s %s is described and has no scope", method, path)
			}
		}
	}
	// What somebody registers without a scope is not served.
	w.server.mux.HandleFunc("GET /api/v1/leak", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("leak")) })
	if r := w.ask("GET", "/api/v1/leak", ""); r.StatusCode != 404 || strings.Contains(r.text, "leak\"") && r.text == "leak" {
		t.Errorf("a route without a scope answers %d %s", r.StatusCode, r.text)
	}
	// Only exact paths are public.
	for _, path := range []string{"/api/v1/runs/healthz", "/api/v1/tokens/readyz", "/healthz/../api/v1/runs", "/api/v1//runs", "/API/v1/runs"} {
		if r := w.ask("GET", path, "", "Authorization: "); r.StatusCode == 200 {
			t.Errorf("%s is open", path)
		}
	}
}

func TestRevokedAtOnceAndNameFree(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		k := into[NewToken](t, w.want(201, "POST", "/api/v1/tokens", `{"name":"ci","scope":"read"}`))
		if !strings.HasPrefix(k.Secret, "elt_") || len(k.Secret) < 40 {
			t.Fatal(k.Secret)
		}
		w.want(200, "GET", "/api/v1/session", "", "Authorization: Bearer "+k.Secret)
		w.want(409, "POST", "/api/v1/tokens", `{"name":"ci","scope":"read"}`)
		w.want(200, "POST", "/api/v1/tokens/"+k.ID+"/revoke", "")
		w.want(401, "GET", "/api/v1/session", "", "Authorization: Bearer "+k.Secret)
		if r := w.want(200, "GET", "/api/v1/tokens", ""); strings.Contains(r.text, k.Secret) || strings.Contains(r.text, Hash(k.Secret)) {
			t.Fatal("a list of tokens holds a secret")
		}
	}
	k := into[NewToken](t, w.want(201, "POST", "/api/v1/tokens", `{"name":"short","scope":"run"}`))
	w.want(200, "POST", "/api/v1/tokens/"+k.ID+"/expire", `{"expires_at":"2020-01-01T00:00:00Z"}`)
	w.want(401, "GET", "/api/v1/session", "", "Authorization: Bearer "+k.Secret)
	w.want(422, "POST", "/api/v1/tokens", `{"name":"x","scope":"root"}`)
	w.want(422, "POST", "/api/v1/tokens", `{"name":"x","scope":"read","expires_at":"2020-01-01T00:00:00Z"}`)
	w.want(404, "POST", "/api/v1/tokens/none/revoke", "")

	deeds := into[List[Deed]](t, w.want(200, "GET", "/api/v1/audit?limit=3", ""))
	if len(deeds.Items) != 3 || deeds.NextCursor == "" || deeds.Items[0].Action != "token.revoke" || deeds.Items[0].Status != 404 || deeds.Items[0].Who != "admin" ||
		deeds.Items[0].TraceID == "" || deeds.Items[1].Action != "token.create" || deeds.Items[1].Status != 422 {
		t.Errorf("%+v", deeds)
	}
	w.want(200, "GET", "/api/v1/audit?cursor="+deeds.NextCursor, "")
	w.want(422, "GET", "/api/v1/audit?cursor=x", "")
	// Who may not is in the audit too.
	w.want(403, "POST", "/api/v1/tokens", `{"name":"y","scope":"admin"}`, "Authorization: Bearer "+w.tokens[ScopeRead])
	if d := into[List[Deed]](t, w.want(200, "GET", "/api/v1/audit?limit=1", "")).Items[0]; d.Who != "read" || d.Status != 403 {
		t.Errorf("%+v", d)
	}
}

func TestSession(t *testing.T) {
	w := newWorld(t)
	person := w.token("person", ScopeRun)
	w.want(401, "POST", "/api/v1/session", `{"token":"elt_wrong"}`, "Authorization: ")
	r := w.want(200, "POST", "/api/v1/session", `{"token":"`+person.Secret+`"}`, "Authorization: ", "X-Forwarded-Proto: https")
	cookie := r.Cookies()[0]
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Value == person.Secret || strings.Contains(r.text, cookie.Value) {
		t.Errorf("%+v %s", cookie, r.text)
	}
	with := []string{"Authorization: ", "Cookie: " + cookieName + "=" + cookie.Value}
	me := into[Me](t, w.want(200, "GET", "/api/v1/session", "", with...))
	if me.Name != "person" || me.Scope != ScopeRun || !me.Session || me.ExpiresAt == nil {
		t.Errorf("%+v", me)
	}
	w.want(401, "GET", "/api/v1/session", "", "Authorization: Bearer "+cookie.Value)                            // a session is no token
	w.want(401, "GET", "/api/v1/session", "", "Authorization: ", "Cookie: "+cookieName+"="+person.Secret)       // and the reverse
	w.want(403, "POST", "/api/v1/schedules/nightly/pause", "", append(with, "Origin: https://evil.example")...) // CSRF
	w.want(403, "POST", "/api/v1/schedules/nightly/pause", "", append(with, "Sec-Fetch-Site: cross-site")...)   // and with what browsers add
	w.want(200, "POST", "/api/v1/schedules/nightly/pause", "", append(with, "Sec-Fetch-Site: same-origin")...)
	r = w.want(204, "DELETE", "/api/v1/session", "", with...)
	if c := r.Cookies()[0]; c.Value != "" || c.MaxAge >= 0 {
		t.Errorf("%+v", c)
	}
	w.want(401, "GET", "/api/v1/session", "", with...)

	r = w.want(200, "POST", "/api/v1/session", `{"token":"`+person.Secret+`"}`, "Authorization: ")
	with[1] = "Cookie: " + cookieName + "=" + r.Cookies()[0].Value
	w.want(200, "GET", "/api/v1/session", "", with...)
	w.want(200, "POST", "/api/v1/tokens/"+person.ID+"/revoke", "")
	w.want(401, "GET", "/api/v1/session", "", with...)
}

// Without a token only this machine itself is served, and only when asked for.
func TestNoAuthOnLoopback(t *testing.T) {
	newWorld(t).want(401, "GET", "/api/v1/runs", "", "Authorization: ")
	w := newWorld(t, func(c *Config) { c.NoAuthOnLoopback = true })
	w.want(200, "GET", "/api/v1/runs", "", "Authorization: ")
	w.want(200, "GET", "/api/v1/tokens", "", "Authorization: ", "Host: localhost:8080")
	w.want(200, "GET", "/api/v1/tokens", "", "Authorization: ", "Host: [::1]:8080")
	for _, h := range []string{"Host: evil.example", "Host: 127.0.0.1.evil.example", "X-Forwarded-For: 10.1.2.3", "Forwarded: for=10.1.2.3", "Authorization: Bearer elt_wrong"} {
		w.want(401, "GET", "/api/v1/runs", "", "Authorization: ", h)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	clock := func() time.Time { return now }
	w.server.limits = &limits{newBuckets(1, 3, clock), newBuckets(1, 2, clock)}
	for range 3 {
		w.want(200, "GET", "/api/v1/session", "")
	}
	if r := w.want(429, "GET", "/api/v1/session", ""); r.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	w.want(200, "GET", "/api/v1/session", "", "Authorization: Bearer "+w.tokens[ScopeRead]) // others go on
	for range 2 {
		w.want(401, "GET", "/api/v1/session", "", "Authorization: Bearer elt_x")
	}
	w.want(429, "GET", "/api/v1/session", "", "Authorization: Bearer elt_x")
	now = now.Add(time.Second)
	w.want(200, "GET", "/api/v1/session", "")
}

func TestProblems(t *testing.T) {
	w := newWorld(t)
	w.server.plain(ScopeRead, "/bug", func(http.ResponseWriter, *http.Request) { panic("canary-bug-0007") })
	if r := w.want(500, "GET", "/bug", ""); strings.Contains(r.text, "canary") || !strings.Contains(w.log.String(), "canary-bug-0007") {
		t.Error(r.text)
	}
	if p := w.want(404, "GET", "/api/v1/nothing", "").problem(t); p.Code != "not_found" || p.Hint == "" {
		t.Errorf("%+v", p)
	}
	if r := w.want(405, "PATCH", "/api/v1/runs", ""); !strings.Contains(strings.Join(r.Header.Values("Allow"), ","), "POST") {
		t.Errorf("%v", r.Header)
	}
	w.want(413, "POST", "/api/v1/runs", `{"job":"`+strings.Repeat("x", maxBody)+`"}`)
	w.want(400, "POST", "/api/v1/runs", `{"job":`)
	if p := w.want(422, "POST", "/api/v1/runs", `{"jobb":"load","priority":"high"}`).problem(t); len(p.Errors) < 2 {
		t.Errorf("%+v", p)
	}
	if p := w.want(422, "POST", "/api/v1/session", `{"token":5,"canary":"secret-value"}`).problem(t); strings.Contains(p.Detail, "secret-value") {
		t.Errorf("%+v", p)
	}
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	r := w.want(404, "GET", "/api/v1/runs/none", "", "Traceparent: 00-"+trace+"-00f067aa0ba902b7-01")
	if p := r.problem(t); p.TraceID != trace || r.Header.Get("X-Request-Id") != trace || !strings.Contains(w.log.String(), trace) {
		t.Errorf("%+v %v", p, r.Header)
	}
	if p := w.want(404, "GET", "/api/v1/runs/none", "", "X-Request-Id: abc-1").problem(t); p.TraceID != "abc-1" {
		t.Errorf("%+v", p)
	}
	if p := w.want(404, "GET", "/api/v1/runs/none", "", "X-Request-Id: <b>").problem(t); p.TraceID == "<b>" {
		t.Errorf("%+v", p)
	}
}

func isNil(op any) bool {
	o, ok := op.(*huma.Operation)
	return !ok || o == nil
}
