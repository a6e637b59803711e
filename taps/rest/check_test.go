package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/check"
	"elt/internal/fake/port"
	"elt/internal/fault"
)

// checked are the lines of --check, first without and, if all is well, with a catalog.
func checked(t *testing.T, config object) (lines []check.Result, text string) {
	t.Helper()
	config["retries"] = 0
	got := run(t, config, "", "--check=10s")
	text = got.out
	if got.err == nil {
		found := run(t, config, "", "--discover")
		again := run(t, config, "", "--check=10s", "--catalog", written(t, found.out))
		text += again.out
	}
	for line := range strings.Lines(text) {
		var r check.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lines = append(lines, r)
	}
	return lines, text
}

func TestCheckNamesWhatFailed(t *testing.T) {
	noName(t)
	quiet := log.New(io.Discard, "", 0)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	t.Cleanup(secure.Close)
	answer := func(status int, body string) string {
		return serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}).URL
	}
	free, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	refused := fmt.Sprint("http://127.0.0.1:", free)
	known := object{"name": "s", "schema": object{"properties": object{"id": object{"type": "integer"}}}}
	oauth := object{"type": "oauth2", "client_id": "me", "client_secret": canary, "token_url": answer(401, `{"error":"invalid_client"}`)}

	for _, c := range []struct {
		name   string
		config object
		want   string // the checks, the last with its kind
	}{
		{"no such host", object{"url_base": "https://api.nosuch.test"}, "settings connect:dns"},
		{"refused", object{"url_base": refused}, "settings connect:connect"},
		{"untrusted", object{"url_base": secure.URL}, "settings connect:tls"},
		{"no TLS there", object{"url_base": strings.Replace(answer(200, `[]`), "http:", "https:", 1)}, "settings connect:tls"},
		{"bad URL", object{"url_base": "api.example.com"}, "settings:settings"},
		{"bad login", object{"url_base": answer(200, `[]`), "auth": oauth}, "settings connect login:auth"},
		{"401", object{"url_base": answer(401, "who are you?")}, "settings connect discover read:auth"},
		{"403", object{"url_base": answer(403, "no")}, "settings connect discover read:permission"},
		{"404", object{"url_base": answer(404, "where?")}, "settings connect discover read:path"},
		{"429", object{"url_base": answer(429, "")}, "settings connect discover read:limit"},
		{"500", object{"url_base": answer(500, "")}, "settings connect discover read:server"},
		{"no JSON", object{"url_base": answer(200, "<html>")}, "settings connect discover read:shape"},
		{"cut JSON", object{"url_base": answer(200, `[{"id":`)}, "settings connect discover read:shape"},
		{"no array", object{"url_base": answer(200, `[1, 2]`)}, "settings connect discover read:shape"},
		{"sound", object{"url_base": answer(200, `[{"id":1},{"id":2}]`)}, "settings connect discover read"},
	} {
		c.config["streams"] = []any{known}
		lines, text := checked(t, c.config)
		var got []string
		for _, l := range lines {
			word := l.Check
			if !l.Passed {
				word += ":" + string(l.Kind)
				if l.Error == "" || l.Hint == "" && l.Kind != fault.KindSettings {
					t.Errorf("%s: no error or hint: %s", c.name, text)
				}
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s\n%s", c.name, got, c.want, text)
		}
		if strings.Contains(text, canary) {
			t.Errorf("%s: the secret is shown\n%s", c.name, text)
		}
	}
}

func TestCheckRefusesSettings(t *testing.T) {
	got := run(t, object{"url_base": "http://127.0.0.1", "retries": "many"}, "", "--check")
	if got.err != check.ErrFailed || !strings.Contains(got.out, `"check":"settings","passed":false,"kind":"settings"`) {
		t.Errorf("%v\n%s", got.err, got.out)
	}
	if got := run(t, object{"url_base": "http://127.0.0.1"}, "", "--check=soon"); fault.CodeOf(got.err) != fault.Usage {
		t.Errorf("--check=soon: %v", got.err)
	}
}

func written(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "catalog.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// noName makes every name unknown: the name server of this test says so.
func noName(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			buffer[2], buffer[3] = 0x81, 0x83 // an answer: there is no such name
			server.WriteTo(buffer[:n], from)
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = before; server.Close(); <-done })
}
