package jdbc

import (
	"fmt"
	"net/url"
	"strings"

	"elt/internal/spec"
)

// hidden finds what is secret inside settings.
func hidden(cfg spec.Config, _ string) []string {
	s := &settings{}
	if cfg.Decode(s) != nil {
		return nil // the tap will say so
	}
	return s.secrets()
}

// secrets are those that stand in the URL, in the driver's properties and in
// system properties, known by their names.
func (s *settings) secrets() []string {
	var out []string
	add := func(name, value string) {
		if secretName(name) && value != "true" && value != "false" {
			out = append(out, value)
		}
	}
	for _, o := range s.Options {
		if name, value, ok := property(o); ok {
			add(name, value)
		}
	}
	for name, value := range s.Properties {
		add(name, fmt.Sprint(value))
	}
	// Parameters of the URL: name=value, whatever stands between them.
	for _, part := range strings.FieldsFunc(s.URL, func(c rune) bool { return strings.ContainsRune("?&;,()", c) }) {
		if name, value, ok := strings.Cut(part, "="); ok {
			add(name, value)
			if plain, err := url.QueryUnescape(value); err == nil {
				add(name, plain)
			}
		}
	}
	if _, rest, ok := strings.Cut(s.URL, "://"); ok { // user:password@host
		if login, _, ok := strings.Cut(rest, "@"); ok {
			if _, password, ok := strings.Cut(login, ":"); ok {
				out = append(out, password)
			}
		}
	}
	return out
}

func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"pass", "pwd", "secret", "token", "key", "credential", "clientid", "client_id", "consumer"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
