package project

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// SettingsOptions say how a plugin's settings are to be resolved.
type SettingsOptions struct {
	// Upstream are the plugins before this one in its set: their settings are
	// variables here (MELTANO_EXTRACT__LOAD_SCHEMA).
	Upstream []*Settings
	// Flags override everything, by setting name ("_select" for the extra).
	Flags map[string]any
	// Mapping is the name of a mapping, for a mapper.
	Mapping string
	// NoSecrets leaves ${file:…} and ${exec:…} as they are written: listings
	// must not start programs.
	NoSecrets bool
	// Lenient: an unset variable is empty also in strict mode, and is told to Missing.
	Lenient bool
	Missing func(d *Definition, name string)
}

// Settings are a plugin's resolved settings.
type Settings struct {
	Plugin *Plugin // nil for the project's own
	Values []Value // in the order of the definitions, extras last

	mapping *Map              // configuration of the mapping, whole
	environ map[string]string // of the plugin's process
	passed  map[string]string // what plugins downstream see of it
	now     time.Time
	fetched []string // what ${file:…} and ${exec:…} gave
}

// Scope names the plugin's settings in the database.
func (p *Plugin) Scope() string { return string(p.Kind) + "." + p.Name }

// passAs makes the variables under which the settings are known.
func (s *Settings) passAs(plugin *Plugin) {
	for _, v := range s.Values {
		if v.Value == nil {
			continue
		}
		text := v.Definition.environText(v.Value)
		for _, name := range v.Definition.writtenVariables(plugin.writePrefixes()) {
			s.passed[name] = text
		}
	}
}

// Get is a value by its name; nil when unset or unknown.
func (s *Settings) Get(name string) any {
	for _, v := range s.Values {
		if v.Name == name {
			return v.Value
		}
	}
	return nil
}

// Extra is an extra by its name without underscore ("state"); nil when unset.
func (s *Settings) Extra(name string) any { return s.Get("_" + name) }

// Config is the plugin's configuration file: nested JSON, for taps, targets
// and mappers without nulls.
func (s *Settings) Config() (json.RawMessage, error) {
	return json.Marshal(s.ConfigMap(""))
}

// ConfigMap is the configuration as a value; mask, if any, stands for the
// values of sensitive settings.
func (s *Settings) ConfigMap(mask string) *Map {
	out := NewMap()
	singer := s.Plugin == nil || s.Plugin.Kind.singer()
	for _, v := range s.Values {
		if v.Definition.Extra() || v.Source == FromMapping && !v.Definition.Sensitive {
			continue
		}
		value := v.Definition.finish(v.Value, s.now)
		if mask != "" && v.Definition.Sensitive && !isZero(value) {
			value = mask
		}
		switch {
		case !singer:
			out.Set(v.Name, value)
		case value != nil || s.Plugin == nil:
			nestMissing(out, v.Name, value)
		}
	}
	overlay(out, s.mapping)
	return out
}

// overlay adds what a mapping says to what higher layers have set.
func overlay(m, mapping *Map) {
	for k, v := range mapping.All() {
		have, there := m.Get(k)
		inner, isMap := have.(*Map)
		add, adds := v.(*Map)
		switch {
		case isMap && adds:
			overlay(inner, add)
		case !there || v == nil:
			m.Set(k, v)
		}
	}
}

// isZero is Python's idea of a false value.
func isZero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case *Map:
		return v.Len() == 0
	case json.Number:
		return strings.Trim(v.String(), "0.-") == ""
	}
	return false
}

// Environ is the whole environment of the plugin's process, "K=V", sorted.
// PATH and VIRTUAL_ENV of a venv are for the caller to add.
func (s *Settings) Environ() []string {
	out := make([]string, 0, len(s.environ))
	for _, k := range slices.Sorted(maps.Keys(s.environ)) {
		out = append(out, k+"="+s.environ[k])
	}
	return out
}

// Variables are the settings as variables: "config print --format env".
func (s *Settings) Variables() map[string]string { return maps.Clone(s.passed) }

// Secret says that no listing may show the value: the setting is sensitive, or
// its name says so.
func (v Value) Secret() bool {
	return v.Definition.Sensitive || secretName().MatchString(v.Name) && !whereabouts().MatchString(v.Name) && !v.Definition.Extra()
}

// Secrets are the values that no log may show, longest first: sensitive
// settings, what their name says is secret, and what ${file:…} and ${exec:…}
// gave.
func (s *Settings) Secrets() []string {
	out := slices.Clone(s.fetched)
	for _, v := range s.Values {
		if v.Secret() {
			out = append(out, texts(v.Value)...)
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return len(s) < 3 })
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(out)
}

// texts are all texts inside a value; of other scalars their text.
func texts(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		return []string{v}
	case json.Number:
		return []string{v.String()}
	case []any:
		for _, item := range v {
			out = append(out, texts(item)...)
		}
	case *Map:
		for _, item := range v.All() {
			out = append(out, texts(item)...)
		}
	}
	return out
}
