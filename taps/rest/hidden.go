package rest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"elt/internal/spec"
)

// A member with such a name holds a secret, unless it only says where one is.
var (
	secretMember = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)(passw|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|credential|authorization|cookie|signature)`)
	})
	harmless = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)(_url|_path|_file|_param|_name|jsonpath)$`) })
)

// hidden finds the secrets that stand where no setting is marked: in headers,
// parameters and bodies of streams, and in the definition file (invariant 10).
func hidden(cfg spec.Config, dir string) []string {
	var given struct {
		Definition string         `json:"definition"`
		Streams    any            `json:"streams"`
		Defaults   any            `json:"defaults"`
		Variables  any            `json:"variables"`
		Headers    any            `json:"headers"`
		Params     any            `json:"params"`
		Extras     any            `json:"oauth_extras"`
		Auth       map[string]any `json:"auth"`
	}
	if cfg.Decode(&given) != nil {
		return nil
	}
	var out []string
	for _, v := range []any{given.Streams, given.Defaults, given.Variables, given.Headers, given.Params, given.Extras, given.Auth["params"], given.Auth["claims"]} {
		out = append(out, secretsIn("", v)...)
	}
	if given.Definition == "" {
		return out
	}
	path := given.Definition
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return out
	}
	var file map[string]any
	if yaml.Unmarshal(raw, &file) != nil {
		return out
	}
	if own, ok := file["auth"].(map[string]any); ok {
		for _, set := range authSettings() {
			if name, ok := strings.CutPrefix(set.Name, "auth."); ok && set.Secret {
				out = append(out, spec.Texts(own[name])...)
			}
		}
	}
	return append(out, secretsIn("", file)...)
}

// secretsIn are the texts of all members of v, called name, that must not be
// shown. A template shows nothing; of "Bearer abc" the abc is hidden by itself.
func secretsIn(name string, v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		if secretMember().MatchString(name) && !harmless().MatchString(name) && !strings.Contains(v, "{{") {
			out = append(out, v)
			if words := strings.Fields(v); len(words) == 2 {
				out = append(out, words[1])
			}
		}
	case []any:
		for _, item := range v {
			out = append(out, secretsIn(name, item)...)
		}
	case map[string]any:
		for key, item := range v {
			if secretMember().MatchString(name) && !secretMember().MatchString(key) {
				key = name + "." + key
			}
			out = append(out, secretsIn(key, item)...)
		}
	}
	return out
}
