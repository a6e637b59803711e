package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"elt/taps"
)

// TestMain lets the test binary also be the tap: a process that can be killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("ELT_TEST_TAP_CONFIG"); path != "" {
		err := taps.Serve(context.Background(), New(), []string{"--config", path}, taps.IO{Out: os.Stdout, Err: os.Stderr}, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// rotating is a token server that takes each refresh token once, and kills its
// client at a moment of the exchange.
type rotating struct {
	mu      sync.Mutex
	n       int
	valid   string
	lenient string // a token that was replaced, taken once more
	moment  string // "": never
	kill    func()
}

func (s *rotating) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := func(moment string) bool {
		if s.moment != moment {
			return false
		}
		s.moment = ""
		s.kill()
		return true
	}
	if r.URL.Path != "/token" {
		if now("the first use of the new access token") {
			return
		}
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer access-%d", s.n) {
			w.WriteHeader(401)
			return
		}
		reply(w, `[{"id":1}]`)
		return
	}
	if now("before the server has heard") {
		return
	}
	given := r.FormValue("refresh_token")
	if given != s.valid && (s.lenient == "" || given != s.lenient) {
		w.WriteHeader(400)
		reply(w, `{"error":"invalid_grant"}`)
		return
	}
	s.n++
	if s.lenient != "" {
		s.lenient = given
	}
	s.valid = fmt.Sprintf("refresh-%d", s.n)
	if now("between the rotation and its answer") {
		return
	}
	reply(w, fmt.Sprintf(`{"access_token":"access-%d","token_type":"bearer","expires_in":3600,"refresh_token":"%s"}`, s.n, s.valid))
}

// SIGKILL at any moment of an exchange: a token that has replaced another is on
// disk before it is used. The moment that no client can cover is survived with
// a server that takes the old token once more, and told of with another.
func TestARotatedTokenSurvivesAKill(t *testing.T) {
	for _, c := range []struct{ moment, lenient, says string }{
		{"before the server has heard", "", ""},
		{"the first use of the new access token", "", ""},
		{"between the rotation and its answer", "configured", ""},
		{"between the rotation and its answer", "", "was killed before it could keep the one that replaced it"},
	} {
		s := &rotating{valid: "configured", lenient: c.lenient, moment: c.moment}
		a := serveAPI(t, s.ServeHTTP)
		config := object{"url_base": a.URL, "retries": 0, "auth": object{"type": "oauth2", "grant": "refresh_token", "client_in": "body", "token_url": a.URL + "/token", "client_id": "me", "client_secret": "secret", "refresh_token": "configured",
			"token_file": filepath.Join(t.TempDir(), "token")}, "streams": []any{object{"name": "s", "schema": idSchema}}}
		raw, _ := json.Marshal(config)
		path := filepath.Join(t.TempDir(), "c.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "ELT_TEST_TAP_CONFIG="+path)
		cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
		started := make(chan struct{})
		ended := make(chan struct{})
		s.mu.Lock()
		s.kill = func() { <-started; _ = cmd.Process.Kill(); <-ended }
		s.mu.Unlock()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		close(started)
		err := cmd.Wait()
		close(ended)
		if err == nil {
			t.Fatalf("%s: nothing was killed", c.moment)
		}
		got := run(t, config, "")
		if c.says == "" && (got.err != nil || len(got.records) != 1) || c.says != "" && (got.err == nil || !strings.Contains(got.err.Error(), c.says)) {
			t.Errorf("killed %s: %v, %d records", c.moment, got.err, len(got.records))
		}
	}
}
