package daemon

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"elt/internal/api"
	"elt/internal/fake/port"
)

// server is a daemon with an API and a token.
type server struct {
	*daemon
	w          *world
	url, token string
}

func (w *world) server(args ...string) *server {
	w.t.Helper()
	address := freeAddress(w.t)
	s := &server{w: w, url: "http://" + address}
	out, err := exec.Command(elt, "--cwd", w.dir, "token", "create", "test-"+address, "--scope", "admin").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(out))
	s.daemon = w.start(append([]string{"daemon", "--listen", address}, args...)...)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(s.url + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == 200 {
				return s
			}
		}
		if time.Now().After(end) {
			w.t.Fatalf("not ready: %v", err)
		}
	}
}

// freeAddress is where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	n, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", n)
}

func (s *server) request(method, path, body string, headers ...string) *http.Response {
	s.w.t.Helper()
	r, err := http.NewRequestWithContext(s.w.t.Context(), method, s.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		s.w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.w.t.Cleanup(func() { res.Body.Close() })
	return res
}

func (s *server) run(want int, method, path, body string, headers ...string) (d api.RunDetail) {
	s.w.t.Helper()
	res := s.request(method, path, body, headers...)
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != want {
		s.w.t.Fatalf("%s %s %s: %d\n%s", method, path, body, res.StatusCode, text)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		s.w.t.Fatalf("%v\n%s", err, text)
	}
	return d
}

// elt runs a command with the token in its environment.
func (s *server) elt(args ...string) (out, talk string, code int) {
	s.w.t.Helper()
	c := exec.Command(elt, append([]string{"--cwd", s.w.dir}, args...)...)
	c.Env = append(os.Environ(), "ELT_SERVER="+s.url, "ELT_TOKEN="+s.token)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); c.ProcessState == nil {
		s.w.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
}

// A run by the API: one per key, waited for, its rows there; a failed one says
// why, with exit code and last lines.
func TestRunByAPI(t *testing.T) {
	w := newWorld(t, "")
	s := w.server()
	d := s.run(200, "POST", "/runs?wait=60s", `{"job":"load"}`, "Idempotency-Key: once")
	again := s.run(200, "POST", "/runs?wait=60s", `{"job":"load"}`, "Idempotency-Key: once")
	if d.Status != "succeeded" || *d.ExitCode != 0 || d.Rows != 3 || again.ID != d.ID || len(d.Steps) != 1 || d.Steps[0].StateID == "" {
		t.Errorf("%+v\n%+v", d, again)
	}
	w.wantRows("1,2,3")
	w.begun(1)
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	metrics := func() string {
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return string(text)
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // the worker counts after it has told the store
		text := metrics()
		if strings.Contains(text, `elt_rows_total{pipeline="load"} 3`) && strings.Contains(text, `elt_runs_ended_total{pipeline="load",status="succeeded"} 1`) {
			break
		}
		if time.Now().After(end) {
			t.Fatal(text)
		}
	}
	w.write("tap.sh", "#!/bin/sh\necho 'no such host' >&2\nexit 3\n")
	d = s.run(200, "POST", "/runs?wait=60s", `{"blocks":["tap-slow","target-sqlite"]}`)
	if d.Status != "failed" || *d.ExitCode == 0 || !strings.Contains(d.Cause, "tap-slow") || !strings.Contains(strings.Join(d.LastLines, "\n"), "no such host") {
		t.Errorf("%+v", d)
	}
	s.Process.Signal(syscall.SIGTERM)
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

// A run that is repeated from its state is a rollback and a run; the record
// says what it was given.
func TestRetryFromStateByAPI(t *testing.T) {
	w := newWorld(t, "")
	s := w.server()
	d := s.run(200, "POST", "/runs?wait=60s", `{"job":"load"}`)
	from := s.run(200, "POST", "/runs/"+d.ID+"/retry?wait=60s&from_state=true", "")
	if from.Status != "succeeded" || from.Rows != d.Rows || from.Options.StateOf != d.ID {
		t.Errorf("%d rows, then %+v", d.Rows, from)
	}
	if given := from.Steps[0].Detail.Given; given == nil || len(given.Settings) == 0 || string(from.Steps[0].Detail.Start) != "{}" {
		t.Errorf("%+v %s", given, from.Steps[0].Detail.Start)
	}
	if history, talk, code := s.elt("state", "history", d.Steps[0].StateID); code != 0 || !strings.Contains(history, "rollback") {
		t.Errorf("exit code %d: %s %s", code, history, talk)
	}
	w.wantRows("1,2,3")
}

// A cancelled run leaves no process behind, not even a child's child that has
// left its group.
func TestCancelByAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.write("tap.sh", strings.Replace(tap, "echo begun", "setsid sh -c 'sleep 1000 & sleep 1000' &\necho begun", 1))
	w.write("hang", "")
	s := w.server()
	d := s.run(202, "POST", "/runs", `{"job":"load"}`)
	w.begun(1)
	s.run(200, "POST", "/runs/"+d.ID+"/cancel", "")
	w.until("its end", are("cancelled"))
	if d = s.run(200, "GET", "/runs/"+d.ID, ""); !strings.Contains(d.Cause, "cancelled") {
		t.Errorf("%+v", d)
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		left := ""
		for _, one := range w.living() {
			if strings.Contains(one, "sleep") || strings.Contains(one, "tap.sh") {
				left += one + "; "
			}
		}
		if left == "" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %s", left)
		}
	}
}

// A followed log goes on after a cut where it was; SIGTERM ends tails and
// waits, and the daemon in time.
func TestFollowByAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.write("hang", "")
	s := w.server()
	d := s.run(202, "POST", "/runs", `{"job":"load"}`)
	w.begun(1)
	follow := func(last string) *bufio.Scanner {
		res := s.request("GET", "/runs/"+d.ID+"/logs", "", "Accept: text/event-stream", "Last-Event-ID: "+last)
		return bufio.NewScanner(res.Body)
	}
	line := func(lines *bufio.Scanner) (id, data string) {
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = rest
			}
			if rest, ok := strings.CutPrefix(lines.Text(), "data: "); ok && id != "" { // progress has no id
				return id, rest
			}
		}
		return "", ""
	}
	lines := follow("")
	first, _ := line(lines)
	_, second := line(lines)
	if _, resumed := line(follow(first)); first == "" || second == "" || resumed != second {
		t.Errorf("after %s comes %s, then %s", first, second, resumed)
	}
	tails := 0
	for range 20 {
		follow("")
		tails++
	}
	ended := make(chan time.Duration)
	began := time.Now()
	go func() {
		for id, _ := line(lines); id != ""; id, _ = line(lines) {
		}
		ended <- time.Since(began)
	}()
	s.Process.Signal(syscall.SIGTERM)
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("the daemon took %s to end with %d tails open", took, tails)
	}
	<-ended
}

// Commands with --server do what they do here, over the API.
func TestCommandsWithServer(t *testing.T) {
	w := newWorld(t, "- {name: s, job: load, interval: '@yearly'}\n")
	s := w.server()
	out, talk, code := s.elt("run", "load")
	if code != 0 || !strings.Contains(out, "load: succeeded") || !strings.Contains(out, "3 rows") || !strings.Contains(talk, "run ") {
		t.Fatalf("%d\n%s\n%s", code, out, talk)
	}
	out, _, code = s.elt("runs", "list", "--json")
	var runs []api.Run
	if err := json.Unmarshal([]byte(out), &runs); err != nil || code != 0 || len(runs) != 1 || runs[0].Status != "succeeded" {
		t.Fatalf("%d %v\n%s", code, err, out)
	}
	id := runs[0].ID
	local := exec.Command(elt, "--cwd", w.dir, "runs", "show", id)
	if text, err := local.CombinedOutput(); err != nil || !strings.Contains(string(text), "succeeded, exit code 0") {
		t.Errorf("%v\n%s", err, text)
	}
	for args, want := range map[string]string{
		"logs show " + id:    "tap-slow",
		"logs show -f " + id: "tap-slow",
		"schedule pause s":   "",
		"schedule list":      "@yearly",
		"schedule slots s":   "",
		"runs retry " + id:   "-",
		"state history dev:tap-slow-to-target-sqlite": "bookmarks",
	} {
		if out, talk, code := s.elt(strings.Fields(args)...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: %d\n%s\n%s", args, code, out, talk)
		}
	}
	w.until("the retry", are("succeeded succeeded")) // else it writes its bookmark over what follows
	paused, err := w.store.Paused(t.Context(), filepath.Base(w.dir), "dev")
	if err != nil || !strings.HasPrefix(paused["s"].Who, "test-") {
		t.Errorf("%+v %v", paused, err)
	}
	if text, err := exec.Command(elt, "--cwd", w.dir, "schedule", "resume", "s").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	const stateID = "dev:tap-slow-to-target-sqlite"
	if out, _, code := s.elt("state", "get", stateID); code != 0 || out != `{"singer_state":{"bookmarks":{"s":{"id":3}}}}`+"\n" {
		t.Errorf("%d %s", code, out)
	}
	if _, talk, code := s.elt("state", "set", "--force", stateID, `{"singer_state":{"bookmarks":{"s":{"id":9007199254740993}}}}`); code != 0 {
		t.Error(talk)
	}
	if out, _, _ := s.elt("state", "get", stateID); !strings.Contains(out, "9007199254740993") {
		t.Error(out)
	}
	if _, talk, code := s.elt("state", "rollback", "--force", stateID); code != 0 {
		t.Error(talk)
	}
	for _, c := range []struct{ args, want string }{
		{"state merge " + stateID + ` {"singer_state":{"bookmarks":{"other":{"id":1}}}}`, ""},
		{"state get " + stateID, `{"singer_state":{"bookmarks":{"s":{"id":3},"other":{"id":1}}}}`},
		{"state diff " + stateID, "+ bookmarks.other"},
		{"state copy --force " + stateID + " dev:copy", ""},
		{"state merge dev:copy2 --from-state-id dev:copy", ""},
		{"state move --force dev:copy2 dev:moved", ""},
		{"state clear --force dev:copy", ""},
		{"state get dev:copy", "{}\n"},
		{"state get dev:copy2", "{}\n"},
		{"state get dev:moved", `{"singer_state":{"bookmarks":{"s":{"id":3},"other":{"id":1}}}}`},
		{"state list --pattern dev:mov*", "dev:moved"},
		{"state list --json", `"state_id": "dev:moved"`},
	} {
		if out, talk, code := s.elt(strings.Fields(c.args)...); code != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d, want %s\n%s\n%s", c.args, code, c.want, out, talk)
		}
	}
	for args, want := range map[string]string{"state clear --all --force": "--all does not go with --server", "state copy --force dev:none dev:x": "has no", "state diff " + stateID + " x": "no revision"} {
		if out, talk, code := s.elt(strings.Fields(args)...); code == 0 || !strings.Contains(talk, want) {
			t.Errorf("%s: %d\n%s\n%s", args, code, out, talk)
		}
	}
	w.write("tap.sh", "#!/bin/sh\necho 'no such host' >&2\nexit 3\n")
	if out, talk, code := s.elt("run", "tap-slow", "target-sqlite"); code == 0 || !strings.Contains(out, "failed") || !strings.Contains(talk, "no such host") {
		t.Errorf("%d\n%s\n%s", code, out, talk)
	}
	if _, talk, code := s.elt("run", "tap-slow", "target-sqlit"); code != 1 || !strings.Contains(talk, `did you mean "target-sqlite"?`) {
		t.Errorf("%d %s", code, talk)
	}
	s.token = "elt_wrong"
	if _, talk, code := s.elt("runs", "list"); code != 1 || !strings.Contains(talk, "ELT_TOKEN") || strings.Contains(talk, "elt_wrong") {
		t.Errorf("%d %s", code, talk)
	}
}

// A taken port is said, with what to do.
func TestTakenPort(t *testing.T) {
	w := newWorld(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := exec.Command(elt, "--cwd", w.dir, "daemon", "--listen", l.Addr().String()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprint("cannot listen at ", l.Addr())) || !strings.Contains(string(out), "--listen") {
		t.Errorf("%v\n%s", err, out)
	}
}
