// Package spec describes a connector as data: its settings, what it can do,
// how it is named. Validation, redaction, --about, docs and (later) the UI's
// form all come from a Spec, so a setting is written down once.
package spec

import (
	"encoding/json"
	"maps"
)

// Type of a setting's value.
type Type string

const (
	String  Type = "string"
	Integer Type = "integer"
	Number  Type = "number"
	Boolean Type = "boolean"
	Array   Type = "array"
	Object  Type = "object"
	Date    Type = "date_iso8601"
)

// Setting is one thing a user may configure.
type Setting struct {
	Name     string // dotted for a nested one: "ssh_tunnel.host"
	Aliases  []string
	Type     Type
	Default  any // nil: none. Must be JSON-like (string, int, bool, []any, map[string]any)
	Required bool
	Secret   bool
	Help     string // one sentence
	Example  string
	OneOf    []string // allowed values of a string
}

// Spec is what a connector says of itself.
type Spec struct {
	Name         string // "tap-csv"
	Summary      string // one sentence
	Settings     []Setting
	Capabilities []string // Singer/SDK names: "catalog", "discover", "state", "batch", …
	// Replaces lists the third-party plugins whose place this connector can
	// take, by pip package name ("meltanolabs-tap-postgres",
	// "pipelinewise-tap-postgres", …) with the naming dialect it then speaks.
	Replaces []Replacement
	// Hidden, where set, finds more texts that no log may show than settings
	// marked Secret: those inside other settings, and in files that settings
	// name, relative to dir. What it cannot read it leaves to the connector.
	Hidden func(c Config, dir string) []string
	// Window names the settings by which a tap reads no more than a window of
	// time; nil: it cannot.
	Window *Window
}

// Window are two settings that take RFC 3339 timestamps: rows whose
// replication key is t are read where Start <= t < End. It holds for streams
// that are INCREMENTAL by a time; a catalog may say of a stream whether it
// does by the metadata MetaWindowed.
type Window struct{ Start, End string }

// MetaWindowed is stream metadata: true or false.
const MetaWindowed = "windowed"

// Replacement is a foreign plugin that a connector stands in for.
type Replacement struct {
	Package string // distribution name in pip_url, normalised (lower case, dashes)
	Variant string // Meltano Hub variant name
	Dialect string // passed to the connector as the setting "dialect"
}

// Config is a connector's configuration after Spec.Resolve: aliases folded,
// defaults filled in, types checked, dotted names nested.
type Config struct{ values map[string]any }

// Decode stores the configuration in a struct with json tags. Numbers reach
// any-typed fields as json.Number.
func (c Config) Decode(into any) error {
	raw, err := json.Marshal(c.values)
	if err != nil {
		return err
	}
	return decode(raw, into)
}

// With is c with one top-level value replaced.
func (c Config) With(name string, value any) Config {
	values := maps.Clone(c.values)
	if values == nil {
		values = map[string]any{}
	}
	values[name] = value
	return Config{values}
}

// Secrets are the texts that no log may show, for the redactor: the values of
// all secret settings, and what Hidden finds for a connector that runs in dir
// ("": here).
func (s Spec) Secrets(c Config, dir string) []string {
	var out []string
	for _, set := range s.Settings {
		if v, ok := lookup(c.values, set.Name); set.Secret && ok {
			out = append(out, Texts(v)...)
		}
	}
	if s.Hidden != nil {
		out = append(out, s.Hidden(c, dir)...)
	}
	return out
}

// Texts are all texts, not empty, inside a JSON-like value.
func Texts(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		if v != "" {
			out = append(out, v)
		}
	case []any:
		for _, item := range v {
			out = append(out, Texts(item)...)
		}
	case map[string]any:
		for _, item := range v {
			out = append(out, Texts(item)...)
		}
	}
	return out
}
