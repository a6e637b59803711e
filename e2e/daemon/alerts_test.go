package daemon

import (
	"encoding/json"
	"fmt"
	"io"
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

	"elt/internal/fake/smtp"
	"elt/state"
)

// inbox takes what is posted to it.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	signed int
}

func newInbox(t *testing.T) *inbox {
	b := &inbox{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.bodies = append(b.bodies, string(text))
		if strings.HasPrefix(r.Header.Get("Webhook-Signature"), "v1,") {
			b.signed++
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *inbox) read() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.bodies...)
}

// eventually waits for something, and says for what in vain.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("in vain waited for %s", what)
}

// A run that fails is told to Slack, by mail, to a webhook and to a command,
// once, though the daemon starts anew; that it works again too. Secrets stay
// out of the log.
func TestAlerts(t *testing.T) {
	slack, hook := newInbox(t), newInbox(t)
	post, err := smtp.Start(smtp.Options{Auth: "PLAIN", User: "elt", Password: "mail-password"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(post.Close)
	w := newWorld(t, fmt.Sprintf("- {name: s, job: load, every: 1h, start_date: '%s', catchup: all}\n", minutesAgo(2)))
	w.write("cert.pem", string(post.PEM))
	project, err := os.ReadFile(filepath.Join(w.dir, "elt.yml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("elt.yml", string(project)+fmt.Sprintf(`alerts:
  group_wait: 0s
  group_interval: 0s
  channels:
  - {name: ops, type: slack, url: '${SLACK_URL}'}
  - {name: hook, type: webhook, url: %s/in, secret: $HOOK_SECRET}
  - {name: post, type: mail, server: '%s', from: elt@example.org, to: [ann@example.org], user: elt, password: $MAIL_PASSWORD}
  - {name: page, type: command, command: 'cat >>paged'}
  - {name: away, type: webhook, url: 'http://127.0.0.1:1/'}
  rules:
  - {on: [failure], for: ['s', 'lo*']}
`, hook.URL, post.Addr))
	w.write(".env", "SLACK_URL="+slack.URL+"/services/T1/B1/slack-secret\nHOOK_SECRET=hook-secret-1\nMAIL_PASSWORD=mail-password\n")
	t.Setenv("SSL_CERT_FILE", filepath.Join(w.dir, "cert.pem"))
	w.write("tap.sh", "#!/bin/sh\necho 'no such host' >&2\nexit 3\n")

	test := exec.Command(elt, "--cwd", w.dir, "alerts", "test", "ops")
	if out, err := test.CombinedOutput(); err != nil || !strings.Contains(string(out), "channel ops was told") || !strings.Contains(slack.read()[0], "this is a test") {
		t.Fatalf("%v %s %v", err, out, slack.read())
	}
	d := w.daemon()
	list := w.until("a failure", are("failed"))
	told := func(slacks, hooks, mails, pages int) func() bool {
		return func() bool {
			paged, _ := os.ReadFile(filepath.Join(w.dir, "paged"))
			return len(slack.read()) == slacks && len(hook.read()) == hooks && len(post.Mails()) == mails && strings.Count(string(paged), "\n") == pages
		}
	}
	eventually(t, "four channels", told(2, 1, 1, 1))
	var m struct {
		Incidents []struct{ Kind, Pipeline, What, Run, Detail string }
	}
	if err := json.Unmarshal([]byte(hook.read()[0]), &m); err != nil || len(m.Incidents) != 1 || hook.signed != 1 {
		t.Fatalf("%v %s", err, hook.read()[0])
	}
	if i := m.Incidents[0]; i.Kind != "failure" || i.Pipeline != "s" || i.What != "opened" || i.Run != list[0].ID || !strings.Contains(i.Detail, "tap-slow") {
		t.Errorf("%+v", i)
	}
	if !strings.Contains(post.Mails()[0], "s failed") || !strings.Contains(slack.read()[1], "s failed") {
		t.Errorf("%s\n%s", post.Mails()[0], slack.read()[1])
	}
	d.Process.Signal(syscall.SIGTERM)
	d.Wait()
	said := d.said.String()
	second := w.daemon() // starts anew, and a third beside it
	w.daemon()
	w.write("tap.sh", tap)
	e := state.Execution{ID: "0198f6c2-0000-7000-8000-000000000009", Project: list[0].Project, Environment: list[0].Environment, Name: "s", Blocks: []string{"load"}, Trigger: "api"}
	if _, _, err := w.store.Enqueue(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	w.until("a success", are("failed succeeded"))
	eventually(t, "that it is over", told(3, 2, 2, 2))
	if !strings.Contains(hook.read()[1], `"what":"resolved"`) || !strings.Contains(slack.read()[2], "OVER") {
		t.Errorf("%s\n%s", hook.read()[1], slack.read()[2])
	}
	out, err := exec.Command(elt, "--cwd", w.dir, "alerts", "list", "--all", "--json").Output()
	if err != nil || !strings.Contains(string(out), `"key": "failure s"`) || !strings.Contains(string(out), `"resolved_at"`) || !strings.Contains(string(out), "connection refused") {
		t.Errorf("%v %s", err, out)
	}
	second.Process.Signal(syscall.SIGTERM)
	second.Wait()
	for _, text := range []string{said + second.said.String(), string(out)} {
		for _, secret := range []string{"slack-secret", "hook-secret-1", "mail-password"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is told:\n%s", secret, text)
			}
		}
	}
	if !strings.Contains(said, "alert: s failed") || !strings.Contains(said, "a channel could not be told") {
		t.Errorf("the daemon said:\n%s", said)
	}
}
