package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elt/internal/fake/smtp"
	"elt/internal/project"
	"elt/state"
)

func sample() Message {
	return NewMessage("shop", "prod", []state.Notice{{What: state.NoticeOpened, Incident: state.Incident{ID: "i1", Kind: Failure, Pipeline: "nächtlich",
		Summary: "nächtlich failed\r\nBcc: x@example.org", Detail: "<no> such & host\n.\nexit code 1", Run: "r1", Opened: noon}}})
}

func tell(t *testing.T, c project.Channel, m Means) error {
	t.Helper()
	if m.Client == nil {
		m.Client = NewMeans("", nil).Client
	}
	ch, err := NewChannel(c, m)
	if err != nil {
		return err
	}
	return ch.Tell(t.Context(), sample())
}

func TestSlack(t *testing.T) {
	answer := http.StatusOK
	var body map[string]string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body = nil
		json.NewDecoder(r.Body).Decode(&body)
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(answer)
		io.WriteString(w, "channel_is_archived")
	}))
	defer s.Close()
	c := project.Channel{Name: "ops", Type: "slack", URL: s.URL + "/services/T0/B0/secretpart"}
	if err := tell(t, c, Means{}); err != nil {
		t.Fatal(err)
	}
	if text := body["text"]; !strings.Contains(text, "*shop (prod): nächtlich failed") || !strings.Contains(text, "&lt;no&gt; such &amp; host") || strings.Contains(text, "<no>") {
		t.Errorf("%q", text)
	}
	answer = http.StatusTooManyRequests
	err := tell(t, c, Means{})
	var later *LaterError
	if !errors.As(err, &later) || later.After != 90*time.Second || !strings.Contains(err.Error(), "channel_is_archived") {
		t.Error(err)
	}
	s.Close()
	if err := tell(t, c, Means{}); err == nil || strings.Contains(err.Error(), "secretpart") {
		t.Errorf("the error must name no secret: %v", err)
	}
}

func TestWebhook(t *testing.T) {
	key := []byte("0123456789abcdef01234567")
	for secret, key := range map[string][]byte{"plain-secret": []byte("plain-secret"), "whsec_" + base64.StdEncoding.EncodeToString(key): key} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mac := hmac.New(sha256.New, key)
			fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
			if got := r.Header.Get("webhook-signature"); got != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
				t.Errorf("signature %q", got)
			}
			var m Message
			if err := json.Unmarshal(body, &m); err != nil || m.Items[0].Run != "r1" || m.ID != r.Header.Get("webhook-id") || r.Header.Get("X-Team") != "data" {
				t.Errorf("%s %v", body, err)
			}
			w.WriteHeader(http.StatusNoContent)
		}))
		if err := tell(t, project.Channel{Name: "h", Type: "webhook", URL: s.URL, Secret: secret, Headers: map[string]string{"X-Team": "data"}}, Means{}); err != nil {
			t.Error(err)
		}
		s.Close()
	}
	if sample().ID != sample().ID {
		t.Error("a message that is sent again has another id")
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	c := project.Channel{Name: "c", Type: "command", Command: `cat >"$TO"; echo "$TEAM" >>"$TO"`}
	if err := tell(t, c, Means{Dir: dir, Env: []string{"TO=got", "TEAM=data", "PATH=" + os.Getenv("PATH")}}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "got"))
	if !strings.Contains(string(text), `"incidents":[{"id":"i1"`) || !strings.HasSuffix(string(text), "data\n") {
		t.Errorf("%s", text)
	}
	if err := tell(t, project.Channel{Name: "c", Type: "command", Command: "echo bad news >&2; exit 3"}, Means{Dir: dir}); err == nil || !strings.Contains(err.Error(), "exit status 3: bad news") {
		t.Error(err)
	}
	ch, _ := NewChannel(project.Channel{Type: "command", Command: "sleep 1000 & wait"}, Means{Dir: dir, Env: os.Environ()})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := ch.Tell(ctx, sample()); err == nil {
		t.Error("a command that was stopped succeeded")
	}
}

func mailServer(t *testing.T, o smtp.Options) (*smtp.Server, *tls.Config) {
	t.Helper()
	o.User, o.Password = "elt", "mail-password"
	s, err := smtp.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, &tls.Config{RootCAs: s.Roots}
}

func TestMail(t *testing.T) {
	for name, m := range map[string]smtp.Options{"starttls": {Auth: "PLAIN LOGIN"}, "login": {Auth: "LOGIN"}, "tls": {Implicit: true, Auth: "PLAIN"}, "none": {Plain: true}} {
		t.Run(name, func(t *testing.T) {
			s, trust := mailServer(t, m)
			c := project.Channel{Name: "mail", Type: "mail", Server: s.Addr, From: "elt <elt@example.org>", To: []string{"Änn <ann@example.org>", "bob@example.org"}}
			if name == "tls" || name == "none" {
				c.TLS = name
			}
			if m.Auth != "" {
				c.User, c.Password = "elt", "mail-password"
			}
			if err := tell(t, c, Means{TLS: trust}); err != nil {
				t.Fatal(err)
			}
			got, err := netmail.ReadMessage(strings.NewReader(s.Mails()[0]))
			if err != nil {
				t.Fatal(err)
			}
			subject, _ := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
			body, _ := io.ReadAll(quotedprintable.NewReader(got.Body))
			if subject != "shop (prod): nächtlich failed Bcc: x@example.org" || got.Header.Get("Bcc") != "" || !strings.Contains(string(body), "<no> such & host\r\n") {
				t.Errorf("%q %q", subject, body)
			}
			if to, err := got.Header.AddressList("To"); err != nil || len(to) != 2 || to[0].Name != "Änn" {
				t.Errorf("%v %v", to, err)
			}
			if !strings.Contains(strings.Join(s.Commands(), "\n"), "RCPT TO:<bob@example.org>") {
				t.Error(s.Commands())
			}
		})
	}
}

func TestMailRefuses(t *testing.T) {
	s, trust := mailServer(t, smtp.Options{Plain: true, Auth: "PLAIN"})
	c := project.Channel{Name: "mail", Type: "mail", Server: s.Addr, From: "elt@example.org", To: []string{"a@example.org"}, User: "elt", Password: "wrong-password"}
	if err := tell(t, c, Means{TLS: trust}); err == nil || !strings.Contains(err.Error(), "no STARTTLS") {
		t.Errorf("sent without encryption: %v", err)
	}
	enc, _ := mailServer(t, smtp.Options{Auth: "PLAIN"})
	c.Server = enc.Addr
	if err := tell(t, c, Means{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: %v", err)
	}
	good, trust := mailServer(t, smtp.Options{Auth: "PLAIN"})
	c.Server = good.Addr
	if err := tell(t, c, Means{TLS: trust}); err == nil || !strings.Contains(err.Error(), "535") || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("a wrong password: %v", err)
	}
}
