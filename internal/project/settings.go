package project

import (
	"context"
	"encoding/json"

	"elt/internal/fault"
)

// Source is the layer a value comes from.
type Source string

// The layers, highest first.
const (
	FromFlag        Source = "flag"
	FromEnv         Source = "environment"
	FromDotenv      Source = "dotenv"
	FromEnvironment Source = "project_environment" // the active environment's config
	FromFile        Source = "project_file"
	FromDatabase    Source = "database"
	FromParent      Source = "inherited"
	FromDefault     Source = "default"
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
}

// Settings are a plugin's resolved settings.
type Settings struct {
	Plugin *Plugin
	Values []Value // in the order of the definitions, extras last
}

// Value is one resolved setting.
type Value struct {
	Name      string // "auth.token"; extras start with an underscore
	Value     any    // nil, bool, json.Number, string, []any, *Map
	Source    Source
	Variable  string         // the variable that set it
	At        fault.Position // where it is written, for values from files
	Sensitive bool
	Custom    bool // not defined by the plugin
}

// Settings resolves a plugin's settings through all layers.
func (p *Project) Settings(ctx context.Context, plugin *Plugin, o SettingsOptions) (*Settings, error) {
	return nil, errNotYet
}

// Config is the plugin's configuration file: nested JSON, for taps, targets
// and mappers without nulls.
func (s *Settings) Config() (json.RawMessage, error) { return nil, errNotYet }

// Extra is an extra by its name without underscore ("state"); nil when unset.
func (s *Settings) Extra(name string) any { return nil }

// Environ is the whole environment of the plugin's process, "K=V", sorted.
// PATH and VIRTUAL_ENV of a venv are for the caller to add.
func (s *Settings) Environ() []string { return nil }

// Secrets are the values that no log may show, longest first.
func (s *Settings) Secrets() []string { return nil }

// Expand expands variables in text as in a command's arguments.
func (s *Settings) Expand(text string) (string, error) { return "", errNotYet }

// Command is what a named command of the plugin runs: its executable ("" is
// the plugin's own) and its arguments, split and expanded; an argument that
// expands to nothing is an error.
func (s *Settings) Command(name string) (executable string, args []string, err error) {
	return "", nil, errNotYet
}
