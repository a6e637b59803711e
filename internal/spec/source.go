package spec

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"strings"

	"github.com/joho/godotenv"

	"elt/internal/fault"
)

// FromEnviron is the --config argument that stands for the environment.
const FromEnviron = "ENV"

// ReadConfig is the raw configuration from several --config arguments: JSON
// files, of which later ones win key by key, and the word ENV, which reads
// TAP_FOO_SETTING from environ or .env and beats all files.
func (s Spec) ReadConfig(sources, environ []string) (json.RawMessage, error) {
	values := map[string]any{}
	env := false
	for _, source := range sources {
		if source == FromEnviron {
			env = true
			continue
		}
		raw, err := os.ReadFile(source)
		if err != nil {
			return nil, fault.Wrap(fault.BadConfig, err, "%s: the configuration cannot be read", s.Name)
		}
		one := map[string]any{}
		if err := decode(raw, &one); err != nil {
			return nil, fault.Wrap(fault.BadConfig, err, "%s: %s is no JSON object", s.Name, source)
		}
		maps.Copy(values, one)
	}
	if env {
		if err := s.fromEnviron(values, environ); err != nil {
			return nil, err
		}
	}
	return json.Marshal(values)
}

func (s Spec) fromEnviron(values map[string]any, environ []string) error {
	vars, err := godotenv.Read(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.BadConfig, err, "%s: .env cannot be read", s.Name)
	}
	if vars == nil {
		vars = map[string]string{}
	}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	for _, set := range s.Settings {
		for _, name := range append([]string{set.Name}, set.Aliases...) {
			if value, ok := vars[EnvName(s.Name, name)]; ok {
				store(values, set.Name, value)
				break
			}
		}
	}
	return nil
}

// EnvName is the environment variable of a connector's setting:
// EnvName("tap-csv", "files") is TAP_CSV_FILES.
func EnvName(connector, setting string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, connector+"_"+setting)
}
