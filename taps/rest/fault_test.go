package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"elt/internal/fault"
)

const canary = "canary-4f7a/secret+value"

func TestPassingFaultsAreRetried(t *testing.T) {
	var n atomic.Int32
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			w.WriteHeader(503)
		case 2:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(429)
		case 3: // cut off in the middle
			w.Header().Set("Content-Length", "1000")
			reply(w, `[{"id":1},`)
		case 4: // silent
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			reply(w, `[{"id":1},{"id":2}]`)
		}
	})
	got := run(t, object{"url_base": a.URL, "request_timeout": 0.2, "streams": []any{object{"name": "s", "schema": object{"properties": object{"id": object{"type": "integer"}}}}}}, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records, `s {"id":1}`, `s {"id":2}`)
	if strings.Count(got.log, "is tried again") != 4 {
		t.Errorf("retries are not told of:\n%s", got.log)
	}
}

func TestOtherFaultsFailTheStreamAlone(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			reply(w, `[{"id":1}]`)
		case "/slow":
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(429)
		case "/html":
			reply(w, `<html>hello</html>`)
		case "/shape":
			reply(w, `{"result":{"rows":{"id":1}}}`)
		case "/always":
			w.WriteHeader(500)
		default:
			w.WriteHeader(400)
			reply(w, `{"error":"the token `+r.URL.Query().Get("key")+` has no rights"}`)
		}
	})
	schema := object{"properties": object{"id": object{"type": "integer"}}}
	var streams []any
	for _, name := range []string{"bad", "good", "slow", "html", "shape", "always"} {
		streams = append(streams, object{"name": name, "path": name, "schema": schema, "primary_keys": []any{"id"}})
	}
	streams[4].(object)["records_path"] = "$.data.rows[*]"
	got := run(t, object{"url_base": a.URL, "retries": 2, "auth": object{"type": "api_key", "key": canary, "key_in": "query", "key_name": "key"}, "streams": streams}, "")
	want(t, got.records, `good {"id":1}`)
	if got.err == nil {
		t.Fatal("every failure was swallowed")
	}
	text := got.err.Error()
	for _, part := range []string{
		`stream "bad": page 1: GET ` + a.URL + `/bad answers 400 Bad Request: {"error":"the token **** has no rights"}`,
		`stream "slow": page 1: GET ` + a.URL + `/slow answers 429`,
		`stream "html": page 1: GET ` + a.URL + `/html: the answer is no JSON`,
		`stream "shape": page 1: GET ` + a.URL + `/shape: there is nothing at $.data.rows[*]: the answer has an object with "result" where "data" was expected`,
		`stream "always": page 1: after 3 attempts: GET ` + a.URL + `/always answers 500`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	count := map[string]int{}
	for _, r := range a.requests() {
		count[strings.Split(strings.Fields(r)[1], "?")[0]]++
	}
	if fmt.Sprint(count) != "map[/always:3 /bad:1 /good:1 /html:1 /shape:1 /slow:1]" {
		t.Errorf("%v", count)
	}
	for what, text := range map[string]string{"error": text, "log": got.log} {
		if strings.Contains(text, "canary") {
			t.Errorf("a secret is in the %s:\n%s", what, text)
		}
	}
}

func TestUnreachableServersAreNamed(t *testing.T) {
	a := serveAPI(t, func(http.ResponseWriter, *http.Request) {})
	a.Close()
	got := run(t, object{"url_base": a.URL + "/x?key=" + canary, "retries": 0, "streams": []any{object{"name": "s"}}}, "")
	if got.err == nil || !strings.Contains(got.err.Error(), "nobody listens there") || strings.Contains(got.err.Error(), "canary") {
		t.Errorf("%v", got.err)
	}
}

// tokens is an OAuth2 server whose tokens live for so many requests.
type tokens struct {
	mu     sync.Mutex
	made   int
	left   int
	valid  string
	seen   []string
	rotate bool
	life   int
}

func (k *tokens) handle(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.URL.Path == "/token" {
		_ = r.ParseForm()
		user, password, _ := r.BasicAuth()
		password, _ = url.QueryUnescape(password) // as RFC 6749 writes it there
		k.seen = append(k.seen, r.Form.Get("grant_type")+" "+r.Form.Get("refresh_token")+r.Form.Get("username")+" "+user)
		if password != canary && r.Form.Get("client_secret") != canary {
			w.WriteHeader(400)
			reply(w, `{"error":"invalid_client","error_description":"`+password+`"}`)
			return
		}
		k.made++
		k.valid, k.left = fmt.Sprintf("token-%d-canary", k.made), k.life
		answer := object{"access_token": k.valid, "token_type": "bearer", "expires_in": 3600}
		if k.rotate {
			answer["refresh_token"] = fmt.Sprintf("refresh-%d-canary", k.made)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
		return
	}
	if k.left--; r.Header.Get("Authorization") != "Bearer "+k.valid || k.left < 0 {
		w.WriteHeader(401)
		return
	}
	page := r.URL.Query().Get("page")
	if page == "6" {
		reply(w, `[]`)
		return
	}
	reply(w, `[{"page":`+page+`}]`)
}

func tokenConfig(a *api, grant string) object {
	return object{"url_base": a.URL, "parallelism": 1,
		"auth":    object{"type": "oauth2", "grant": grant, "token_url": a.URL + "/token", "client_id": "me", "client_secret": canary, "username": "joe", "password": "canary-password"},
		"streams": []any{object{"name": "s", "schema": object{"properties": object{"page": object{"type": "integer"}}}, "pagination": object{"type": "page"}}}}
}

func TestTokensThatRunOutAreRenewed(t *testing.T) {
	for grant, first := range map[string]string{"client_credentials": "client_credentials  me", "password": "password joe me"} {
		k := &tokens{life: 2}
		a := serveAPI(t, k.handle)
		got := run(t, tokenConfig(a, grant), "")
		if got.err != nil || len(got.records) != 5 {
			t.Fatal(got.err, got.records)
		}
		if len(k.seen) != 3 || k.seen[0] != first {
			t.Errorf("%q", k.seen)
		}
	}
}

func TestARefusedLoginIsNoRetry(t *testing.T) {
	k := &tokens{life: 2}
	a := serveAPI(t, k.handle)
	config := tokenConfig(a, "client_credentials")
	config["auth"].(object)["client_secret"] = "wrong-canary"
	config["auth"].(object)["client_in"] = "header"
	got := run(t, config, "")
	if got.err == nil || !strings.Contains(got.err.Error(), "the login is refused: POST "+a.URL+"/token answers 401") || strings.Contains(got.err.Error()+got.log, "canary") || len(k.seen) != 1 {
		t.Errorf("%v\n%q\n%s", got.err, k.seen, got.log)
	}
	if fault.CodeOf(got.err) == fault.OK {
		t.Error("it counts as a success")
	}
}

func TestARotatedRefreshTokenIsKept(t *testing.T) {
	k := &tokens{life: 4, rotate: true}
	a := serveAPI(t, k.handle)
	file := filepath.Join(t.TempDir(), "shop.token")
	config := tokenConfig(a, "refresh_token")
	login := config["auth"].(object)
	login["refresh_token"] = "configured-canary"
	if got := run(t, config, ""); got.err == nil || !strings.Contains(got.err.Error(), "needs auth.token_file") {
		t.Errorf("%v", got.err)
	}
	login["token_file"] = file
	for range 2 {
		if got := run(t, config, ""); got.err != nil || len(got.records) != 5 || strings.Contains(got.log, "canary") {
			t.Fatal(got.err, got.log)
		}
	}
	login["refresh_token"] = "newly-configured-canary"
	if got := run(t, config, ""); got.err != nil {
		t.Fatal(got.err)
	}
	want(t, k.seen, "refresh_token configured-canary me", "refresh_token refresh-1-canary me", "refresh_token refresh-2-canary me",
		"refresh_token newly-configured-canary me", "refresh_token refresh-4-canary me") // the second run begins with the access token of the first
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

func TestCredentialsGoToNoOtherHost(t *testing.T) {
	var told atomic.Bool
	other := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		told.Store(r.Header.Get("X-API-Key") != "")
		reply(w, `[{"id":2}]`)
	})
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL, http.StatusFound)
			return
		}
		w.Header().Set("Link", "<"+other.URL+`/>; rel="next"`)
		reply(w, `[{"id":1}]`)
	})
	for _, path := range []string{"/away", "/link"} {
		config := object{"url_base": a.URL, "auth": object{"type": "api_key", "key": canary}, "streams": []any{object{"name": "s", "path": path, "schema": object{"properties": object{"id": object{}}}, "pagination": object{"type": "link"}}}}
		got := run(t, config, "")
		if got.err == nil || !strings.Contains(got.err.Error(), "leads to another host") || told.Load() {
			t.Errorf("%s: %v, key told: %v", path, got.err, told.Load())
		}
		config["allow_hosts"] = []any{strings.TrimPrefix(other.URL, "http://")}
		if got := run(t, config, ""); got.err != nil {
			t.Errorf("%s: %v", path, got.err)
		}
		told.Store(false)
	}
}

func TestOwnLimit(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) { reply(w, `[]`) })
	began := time.Now()
	got := run(t, object{"url_base": a.URL, "requests_per_second": 20, "streams": []any{object{"name": "a", "num_inference_records": 1}, object{"name": "b"}}}, "")
	if n := len(a.requests()); got.err != nil || n != 4 {
		t.Fatal(got.err, n)
	}
	if took := time.Since(began); took < 3*50*time.Millisecond { // a lower bound: never flaky
		t.Errorf("4 requests took %v at 20 per second", took)
	}
}
