package project

import (
	"slices"
	"strings"
)

// shape says what a value of the project file may be. elt schema prints the
// same as JSON Schema; a test holds both together.
type shape struct {
	what  string // "a plugin", for messages
	kind  shapeKind
	keys  map[string]*shape // of an object
	need  []string          // keys an object must have
	rest  *shape            // values of other keys; nil: other keys are unknown
	item  *shape            // of a list
	oneOf []string          // of a text
	extra bool              // unknown keys are kept as extras (plugins, and settings of the project)
}

type shapeKind int

const (
	anything shapeKind = iota
	text               // any scalar; numbers and truth values are read as text
	truth              // true or false
	number
	list
	object
	tasks // a text, or lists of texts: jobs
)

var (
	anyShape    = &shape{kind: anything}
	textShape   = &shape{kind: text}
	truthShape  = &shape{kind: truth}
	numberShape = &shape{kind: number}
	textsShape  = &shape{kind: list, item: textShape}
	mapShape    = &shape{kind: object, rest: anyShape}
	varsShape   = &shape{kind: object, rest: textShape}
)

func enum(values ...string) *shape { return &shape{kind: text, oneOf: values} }

func with(base map[string]*shape, more map[string]*shape) map[string]*shape {
	out := map[string]*shape{}
	for _, m := range []map[string]*shape{base, more} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// policyKeys are elt's additions to plugins; they are extras, so that an
// environment or a variable (TAP_X__ON_BAD_RECORD) can set them too.
func policyKeys() map[string]*shape {
	return map[string]*shape{
		"native":           enum("auto", "never", "always"),
		"on_schema_change": enum("evolve", "add", "freeze", "fail"),
		"on_bad_record":    enum("fail", "quarantine"),
		"on_stream_error":  enum("continue", "stop"),
		"keyless":          enum("hold", "progress"),
		"absent":           enum("null", "keep"),
		"parallelism":      numberShape,
		"retries":          numberShape,
		"retry_delay":      textShape,
		"timeout":          textShape,
		"max_rows":         numberShape,
		"max_bytes":        textShape,
		"max_duration":     textShape,
		"max_rate":         textShape,
	}
}

// extraKeys are Meltano's extras of a kind of plugin.
func extraKeys(kind Kind) map[string]*shape {
	switch kind {
	case Extractors:
		return map[string]*shape{
			"catalog": textShape, "state": textShape, "load_schema": textShape, "select": textsShape,
			"metadata": mapShape, "schema": mapShape, "select_filter": textsShape,
			"use_cached_catalog": truthShape, "log_parser": textShape,
		}
	case Loaders:
		return map[string]*shape{"dialect": textShape, "log_parser": textShape}
	case Mappers:
		return map[string]*shape{"log_parser": textShape, "mapping_name": textShape, "mappings": {kind: list, item: &shape{
			what: "a mapping", kind: object, need: []string{"name"},
			keys: map[string]*shape{"name": textShape, "config": mapShape, "annotations": anyShape},
		}}}
	case Transforms:
		return map[string]*shape{"package_name": textShape, "vars": mapShape}
	case Files:
		return map[string]*shape{"update": mapShape}
	}
	return map[string]*shape{}
}

var settingShape = &shape{what: "a setting", kind: object, need: []string{"name"}, extra: true, keys: map[string]*shape{
	"name": textShape, "aliases": textsShape, "env": textShape, "env_aliases": textsShape,
	"kind":  enum(kinds...),
	"value": anyShape, "label": textShape, "description": textShape, "documentation": textShape,
	"tooltip": textShape, "placeholder": textShape, "hidden": truthShape, "sensitive": truthShape,
	"env_specific": truthShape, "oauth": anyShape, "required": truthShape,
	"options": {kind: list, item: &shape{what: "an option", kind: object, rest: anyShape,
		keys: map[string]*shape{"label": textShape, "value": anyShape}}},
	"value_processor":      enum("nest_object", "upcase_string", "stringify", "parse_date"),
	"value_post_processor": enum("nest_object", "upcase_string", "stringify", "parse_date"),
}}

var commandShape = &shape{what: "a command", kind: anything, keys: map[string]*shape{
	"args": textShape, "description": textShape, "executable": textShape, "container_spec": anyShape,
}}

// pluginKeys are the keys of a plugin that are no extras.
func pluginKeys() map[string]*shape {
	return map[string]*shape{
		"name": textShape, "inherit_from": textShape, "namespace": textShape, "variant": textShape,
		"label": textShape, "description": textShape, "logo_url": textShape, "docs": textShape,
		"repo": textShape, "ext_repo": textShape, "hidden": truthShape, "pip_url": textShape,
		"python": textShape, "executable": textShape, "requires_meltano": textShape,
		"supported_python_versions": textsShape, "capabilities": textsShape,
		"settings":                  {kind: list, item: settingShape},
		"settings_group_validation": anyShape,
		"commands":                  {kind: object, rest: commandShape},
		"requires":                  anyShape, "config": mapShape, "env": varsShape, "annotations": anyShape,
		"plugin_type": textShape, "variants": anyShape, "is_default_variant": truthShape, "usage": anyShape,
		"keywords": anyShape, "maintenance_status": textShape, "quality": textShape, "domain_url": textShape,
		"definition": anyShape, "next_steps": anyShape, "prereq": anyShape, "settings_preamble": anyShape,
		"metrics": anyShape, "backfill": backfillShape,
	}
}

// backfillShape names the settings of a tap that take a window of time.
var backfillShape = &shape{what: "a backfill", kind: object, need: []string{"start", "end"}, keys: map[string]*shape{
	"start": textShape, "end": textShape, "format": textShape, "end_inclusive": truthShape,
}}

func pluginShape(kind Kind) *shape {
	own := pluginKeys()
	if kind != Extractors {
		delete(own, "backfill")
	}
	return &shape{what: article(kind), kind: object, need: []string{"name"}, extra: true,
		keys: with(with(own, extraKeys(kind)), policyKeys())}
}

// article names one plugin of a kind: "an extractor".
func article(kind Kind) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) && kind != Utilities {
		return "an " + kind.Singular()
	}
	return "a " + kind.Singular()
}

func pluginsShape(item func(Kind) *shape) *shape {
	s := &shape{what: "plugins", kind: object, keys: map[string]*shape{}}
	for _, k := range Kinds() {
		s.keys[string(k)] = &shape{kind: list, item: item(k)}
	}
	return s
}

func environmentPluginShape(kind Kind) *shape {
	return &shape{what: article(kind) + " of an environment", kind: object, need: []string{"name"}, extra: true,
		keys: with(with(map[string]*shape{
			"name": textShape, "config": mapShape, "env": varsShape, "annotations": anyShape,
		}, extraKeys(kind)), policyKeys())}
}

func environmentShape() *shape {
	return &shape{what: "an environment", kind: object, need: []string{"name"}, keys: map[string]*shape{
		"name": textShape, "env": varsShape, "state_id_suffix": textShape, "annotations": anyShape,
		"config": {what: "the config of an environment", kind: object, extra: true, keys: map[string]*shape{
			"plugins": pluginsShape(environmentPluginShape),
		}},
	}}
}

var jobShape = &shape{what: "a job", kind: object, need: []string{"name"}, keys: map[string]*shape{
	"name": textShape, "tasks": {kind: tasks}, "annotations": anyShape,
	"env": varsShape, "retries": numberShape, "retry_delay": textShape, "timeout": textShape,
	"on_failure": enum("stop", "continue"), "fresh_within": textShape, "queue": textShape, "priority": numberShape, "lock": textShape,
}}

var queueShape = &shape{what: "a queue", kind: object, need: []string{"name"}, keys: map[string]*shape{
	"name": textShape, "limit": numberShape,
}}

var scheduleShape = &shape{what: "a schedule", kind: object, need: []string{"name"}, keys: map[string]*shape{
	"name": textShape, "interval": textShape, "job": textShape, "extractor": textShape, "loader": textShape,
	"transform": enum("skip", "run", "only"), "env": varsShape, "start_date": anyShape, "annotations": anyShape,
	"timezone": textShape, "catchup": enum("none", "latest", "all"), "overlap": enum("skip", "queue", "cancel"),
	"every": textShape, "paused": truthShape, "catchup_max": numberShape, "jitter": textShape, "timeout": textShape,
	"retries": numberShape, "retry_delay": textShape, "retry_backoff": anyShape, "retry_until": textShape,
	"on_success": textsShape, "on_failure": textsShape, "fresh_within": textShape, "queue": textShape, "priority": numberShape, "lock": textShape,
}}

// projectShape is the whole file. The project's own settings may be nested
// ("elt: {buffer_size: 1}") or dotted ("elt.buffer_size: 1").
func projectShape() *shape {
	s := &shape{what: "the project file", kind: object, extra: true, keys: map[string]*shape{
		"version": anyShape, "requires_meltano": textShape, "requires_elt": textShape,
		"include_paths": textsShape, "env": varsShape, "annotations": anyShape,
		"plugins":      pluginsShape(pluginShape),
		"environments": {kind: list, item: environmentShape()},
		"jobs":         {kind: list, item: jobShape},
		"schedules":    {kind: list, item: scheduleShape},
		"queues":       {kind: list, item: queueShape},
		"alerts":       alertsShape(),
	}}
	for _, key := range []string{"native", "on_schema_change", "on_bad_record", "on_stream_error", "keyless", "parallelism"} {
		s.keys[key] = policyKeys()[key]
	}
	for _, d := range projectSettings() {
		s.addSetting(d)
	}
	for _, k := range []string{"snowplow", "state_backend", "ff", "cli", "elt", "venv"} {
		s.keys[k].extra = k == "state_backend" || k == "ff"
	}
	return s
}

// addSetting adds a project setting under its dotted and its nested name.
func (s *shape) addSetting(d *Definition) {
	value := anyShape
	switch d.Kind {
	case "", "string":
		value = textShape
	case "integer":
		value = anyShape // may be a variable
	}
	s.keys[d.Name] = value
	path := splitDots(d.Name)
	if len(path) == 1 {
		return
	}
	group := s.keys[path[0]]
	if group == nil {
		group = &shape{what: path[0], kind: object, keys: map[string]*shape{}}
		s.keys[path[0]] = group
	}
	group.keys[path[1]] = value
}

// names are the known keys, sorted.
func (s *shape) names() []string {
	var out []string
	for k := range s.keys {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
