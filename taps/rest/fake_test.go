package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"elt/taps"
)

// api is a server of the test that counts what it is asked.
type api struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func serveAPI(t *testing.T, handle http.HandlerFunc) *api {
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.asked = append(a.asked, r.Method+" "+r.URL.RequestURI())
		a.mu.Unlock()
		handle(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.asked...)
}

type result struct {
	records []string // "stream record"
	schemas []string
	states  []string
	log     string
	out     string
	err     error
}

func (r result) state() string {
	if len(r.states) == 0 {
		return ""
	}
	return r.states[len(r.states)-1]
}

// run runs the tap as a process would.
func run(t *testing.T, config map[string]any, state string, more ...string) result {
	t.Helper()
	dir := t.TempDir()
	if config["retry_pause"] == nil {
		config["retry_pause"] = 0.001
	}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--config", path}, more...)
	if state != "" {
		statePath := filepath.Join(dir, "state.json")
		if err := os.WriteFile(statePath, []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--state", statePath)
	}
	var out, errs bytes.Buffer
	res := result{err: taps.Serve(t.Context(), New(), args, taps.IO{Out: &out, Err: &errs}, nil)}
	res.log, res.out = errs.String(), out.String()
	for line := range strings.Lines(out.String()) {
		var m struct {
			Type, Stream          string
			Record, Value, Schema json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			continue // a catalog
		}
		switch m.Type {
		case "RECORD":
			res.records = append(res.records, m.Stream+" "+string(m.Record))
		case "SCHEMA":
			res.schemas = append(res.schemas, string(m.Schema))
		case "STATE":
			res.states = append(res.states, string(m.Value))
		}
	}
	return res
}

func want(t *testing.T, got []string, wanted ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(wanted, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func reply(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(text))
}

type object = map[string]any
