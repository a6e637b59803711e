package rest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"elt/taps/httpapi"
)

// Every example of the documentation is one that the tap takes.
func TestTheExamplesOfTheDocumentation(t *testing.T) {
	raw, err := os.ReadFile("../../docs/connectors/tap-rest.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(raw), -1)
	logins, pagings, streams := 0, 0, 0
	for _, b := range blocks {
		text := strings.ReplaceAll(b[1], "…,", "https://login.example.com/token,")
		// A line that begins with a key begins an example.
		for _, one := range regexp.MustCompile(`(?m)^(auth|pagination): (?:.*\n?)(?: +.*\n?)*`).FindAllString(text, -1) {
			var example struct {
				Auth       map[string]any `yaml:"auth"`
				Pagination map[string]any `yaml:"pagination"`
			}
			if strings.Contains(b[1], "url_base") {
				break
			}
			if err := yaml.Unmarshal([]byte(one), &example); err != nil {
				t.Errorf("%s\n%v", one, err)
				continue
			}
			if example.Auth != nil {
				logins++
				takesLogin(t, one, example.Auth)
			} else {
				pagings++
				takes(t, one, object{"name": "s", "pagination": example.Pagination})
			}
		}
		var definition map[string]any
		if strings.HasPrefix(text, "- name:") {
			text = "streams:\n" + text
		}
		if strings.Contains(text, "\nstreams:") || strings.HasPrefix(text, "streams:") {
			if err := yaml.Unmarshal([]byte(text), &definition); err != nil {
				t.Errorf("%s\n%v", text, err)
				continue
			}
			streams++
			defaults, _ := definition["defaults"].(map[string]any)
			list, _ := definition["streams"].([]any)
			s := settings{Defaults: defaults, msdk: msdk{}}
			s.OnEmpty = "ok"
			for _, one := range list {
				s.Streams = append(s.Streams, one.(map[string]any))
			}
			if _, err := s.sources(); err != nil {
				t.Errorf("%s\n%v", text, err)
			}
		}
	}
	if logins < 10 || pagings < 9 || streams < 2 {
		t.Errorf("only %d logins, %d pagings, %d definitions were found", logins, pagings, streams)
	}
}

func takes(t *testing.T, text string, stream object) {
	t.Helper()
	s := settings{Streams: []map[string]any{stream}, OnEmpty: "ok"}
	if _, err := s.sources(); err != nil {
		t.Errorf("%s\n%v", text, err)
	}
}

// takesLogin makes a login with the secrets that the example leaves to settings.
func takesLogin(t *testing.T, text string, login map[string]any) {
	t.Helper()
	for _, name := range []string{"password", "token", "key", "client_secret", "refresh_token", "secret_access_key", "access_key_id"} {
		login[name] = "canary-secret"
	}
	if login["algorithm"] == "ES256" {
		login["algorithm"], login["private_key"] = "HS256", "canary-secret"
	}
	if login["credentials"] != nil {
		path := filepath.Join(t.TempDir(), "google.json")
		if err := os.WriteFile(path, []byte(`{"client_email":"x","private_key":"secret","token_uri":"https://x.example.com"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		login["credentials"], login["algorithm"] = path, "HS256"
	}
	var a auth
	if err := read(mustJSON(t, login), &a, "auth"); err != nil {
		t.Errorf("%s\n%v", text, err)
		return
	}
	if _, err := a.make(&httpapi.Secrets{}, 1, variables{}); err != nil {
		t.Errorf("%s\n%v", text, err)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := yaml.MarshalWithOptions(v, yaml.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
