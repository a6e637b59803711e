package notify

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// mailServer takes mail as RFC 5321 and 3207 say.
type mailServer struct {
	addr     string
	config   *tls.Config
	auth     string // methods offered after STARTTLS
	plain    bool   // no STARTTLS
	implicit bool
	mail     chan string
	log      []string
}

func newMailServer(t *testing.T, m *mailServer) (*mailServer, *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(raw)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	m.config = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr, m.mail = l.Addr().String(), make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			m.serve(conn)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return m, &tls.Config{RootCAs: roots}
}

func (m *mailServer) serve(conn net.Conn) {
	defer conn.Close()
	secure := m.implicit
	if secure {
		conn = tls.Server(conn, m.config)
	}
	r := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 fake")
	for {
		text, err := r.ReadString('\n')
		if err != nil {
			return
		}
		text = strings.TrimRight(text, "\r\n")
		m.log = append(m.log, text)
		switch verb, _, _ := strings.Cut(text, " "); strings.ToUpper(verb) {
		case "EHLO":
			if !secure && !m.plain {
				say("250-fake\r\n250 STARTTLS")
			} else if m.auth != "" {
				say("250-fake\r\n250 AUTH %s", m.auth)
			} else {
				say("250 fake")
			}
		case "STARTTLS":
			say("220 go ahead")
			conn, secure = tls.Server(conn, m.config), true
			r = bufio.NewReader(conn)
		case "AUTH":
			if text == "AUTH LOGIN" {
				say("334 %s", base64.StdEncoding.EncodeToString([]byte("Username:")))
				user, _ := r.ReadString('\n')
				say("334 %s", base64.StdEncoding.EncodeToString([]byte("Password:")))
				password, _ := r.ReadString('\n')
				u, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(user))
				p, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(password))
				text = "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+string(u)+"\x00"+string(p)))
			}
			if text == "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00elt\x00mail-password")) {
				say("235 ok")
			} else {
				say("535 no")
			}
		case "DATA":
			say("354 go ahead")
			var b strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil || l == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			m.mail <- b.String()
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func TestMail(t *testing.T) {
	for name, m := range map[string]*mailServer{"starttls": {auth: "PLAIN LOGIN"}, "login": {auth: "LOGIN"}, "tls": {implicit: true, auth: "PLAIN"}, "none": {plain: true}} {
		t.Run(name, func(t *testing.T) {
			s, trust := newMailServer(t, m)
			c := project.Channel{Name: "mail", Type: "mail", Server: s.addr, From: "elt <elt@example.org>", To: []string{"Änn <ann@example.org>", "bob@example.org"}}
			if name == "tls" || name == "none" {
				c.TLS = name
			}
			if m.auth != "" {
				c.User, c.Password = "elt", "mail-password"
			}
			if err := tell(t, c, Means{TLS: trust}); err != nil {
				t.Fatal(err)
			}
			got, err := netmail.ReadMessage(strings.NewReader(<-s.mail))
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
			if !strings.Contains(strings.Join(s.log, "\n"), "RCPT TO:<bob@example.org>") {
				t.Error(s.log)
			}
		})
	}
}

func TestMailRefuses(t *testing.T) {
	s, trust := newMailServer(t, &mailServer{plain: true, auth: "PLAIN"})
	c := project.Channel{Name: "mail", Type: "mail", Server: s.addr, From: "elt@example.org", To: []string{"a@example.org"}, User: "elt", Password: "wrong-password"}
	if err := tell(t, c, Means{TLS: trust}); err == nil || !strings.Contains(err.Error(), "no STARTTLS") {
		t.Errorf("sent without encryption: %v", err)
	}
	enc, _ := newMailServer(t, &mailServer{auth: "PLAIN"})
	c.Server = enc.addr
	if err := tell(t, c, Means{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: %v", err)
	}
	good, trust := newMailServer(t, &mailServer{auth: "PLAIN"})
	c.Server = good.addr
	if err := tell(t, c, Means{TLS: trust}); err == nil || !strings.Contains(err.Error(), "535") || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("a wrong password: %v", err)
	}
}
