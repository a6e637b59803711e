package project

import (
	"slices"
	"strings"
)

// projectSettings are the project's own settings: Meltano's, and database_uri
// serves both.
func projectSettings() []*Definition {
	levels := []any{"debug", "info", "warning", "error", "critical", "disabled"}
	formats := []any{"colored", "uncolored", "json", "key_value", "plain"}
	return []*Definition{
		{Name: "default_environment"},
		{Name: "send_anonymous_usage_stats", Kind: "boolean", Default: true},
		{Name: "disable_tracking", Kind: "boolean"},
		{Name: "project_id"},
		{Name: "database_uri", Default: "sqlite:///$MELTANO_SYS_DIR_ROOT/meltano.db", EnvSpecific: true},
		{Name: "database_max_retries", Kind: "integer", Default: jsonInt("3")},
		{Name: "database_retry_timeout", Kind: "integer", Default: jsonInt("5")},
		{Name: "project_readonly", Kind: "boolean", Default: false, EnvSpecific: true},
		{Name: "hub_api_root"},
		{Name: "hub_url", Default: "https://hub.meltano.com"},
		{Name: "hub_url_auth"},
		{Name: "elt.buffer_size", Kind: "integer", Default: jsonInt("104857600")},
		{Name: "python"},
		{Name: "auto_install", Kind: "boolean", Default: true},
		{Name: "state_backend.uri", Default: "systemdb", EnvSpecific: true},
		{Name: "state_backend.lock_timeout_seconds", Kind: "integer", Default: jsonInt("10"), EnvSpecific: true},
		{Name: "state_backend.lock_retry_seconds", Kind: "integer", Default: jsonInt("1"), EnvSpecific: true},
		{Name: "cli.log_level", Kind: "options", Options: levels, Default: "info", EnvSpecific: true},
		{Name: "cli.log_config", Default: "logging.yaml"},
		{Name: "cli.log_format", Kind: "options", Options: formats, Default: "colored"},
		{Name: "cli.disable_version_check", Kind: "boolean", Default: false},
		{Name: "snowplow.collector_endpoints", Kind: "array", Default: []any{}},
		{Name: "venv.backend", Kind: "options", Options: []any{"virtualenv", "uv"}, Default: "uv"},
		{Name: "experimental", Kind: "boolean", Default: false},
		{Name: "ff.strict_env_var_mode", Kind: "boolean", Default: false},
		{Name: "ff.plugin_locks_required", Kind: "boolean", Default: false},
	}
}

// structure are top-level keys that are no settings.
func structure(key string) bool {
	switch key {
	case "version", "requires_meltano", "requires_elt", "include_paths", "env", "annotations", "plugins",
		"environments", "jobs", "schedules", "alerts":
		return true
	}
	return strings.HasPrefix(key, "x-")
}

// OwnSettings resolves the settings of the project itself.
func (p *Project) OwnSettings() (*Settings, error) {
	s := p.newStack()
	if _, err := s.block(p.file.get("env")); err != nil {
		return nil, err
	}
	file := &node{src: p.file.src, isMap: true}
	for _, e := range p.file.entries {
		if !structure(e.key) {
			file.entries = append(file.entries, e)
		}
	}
	l := &layers{p: p, env: s.env, references: s.references(), prefixes: []string{"meltano"}, shadowing: true,
		file: flattenNode(file, ""), strict: s.strict}
	defs := projectSettings()
	defs = slices.Concat(defs, custom(defs, l.file))
	values, err := l.resolve(defs)
	if err != nil {
		return nil, err
	}
	return &Settings{Values: values, environ: s.references()}, nil
}

// Setting is what something sets a setting of the project itself to
// ("state_backend.uri"), as text; "" when it has its default.
func (p *Project) Setting(name string) string {
	s, err := p.OwnSettings()
	if err != nil {
		return ""
	}
	for _, v := range s.Values {
		if v.Name == name && v.Source != FromDefault {
			return scalarText(v.Value)
		}
	}
	return ""
}

// strict says that unset variables are errors (ff.strict_env_var_mode). It is
// read before everything else, so only from the file and from variables.
func (p *Project) strict() bool {
	for _, name := range []string{"ELT_STRICT_ENV", "MELTANO_FF_STRICT_ENV_VAR_MODE"} {
		if v, ok := p.environ[name]; ok {
			return truthy(v)
		}
	}
	f, ok := lookupFlat(flattenNode(p.file, ""), "ff.strict_env_var_mode")
	return ok && truthy(scalarText(f.value))
}

// variables are the project's settings as variables for plugins. The default
// database is left out: a plugin that calls elt again must not take it for a
// choice.
func (p *Project) variables() (map[string]string, error) {
	s, err := p.OwnSettings()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, v := range s.Values {
		if v.Value != nil && (v.Name != "database_uri" || v.Source != FromDefault) {
			out[variable("meltano", v.Name)] = v.Definition.environText(v.Value)
		}
	}
	return out, nil
}
