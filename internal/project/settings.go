package project

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
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

	environ map[string]string // of the plugin's process
	passed  map[string]string // what plugins downstream see of it
	now     time.Time
	fetched []string // what ${file:…} and ${exec:…} gave
}

// Settings resolves a plugin's settings through all layers.
func (p *Project) Settings(ctx context.Context, plugin *Plugin, o SettingsOptions) (*Settings, error) {
	if plugin.problem != nil {
		return nil, plugin.problem
	}
	b := binding{p: p, ctx: ctx, o: o}
	s := p.newStack()
	s.strict = s.strict && !o.Lenient
	if _, err := s.block(p.file.get("env")); err != nil {
		return nil, err
	}
	own, err := p.variables()
	if err != nil {
		return nil, err
	}
	s.put(own)
	for _, up := range o.Upstream {
		s.put(up.passed)
	}
	l, err := b.layers(plugin, s)
	if err != nil {
		return nil, err
	}
	out := &Settings{Plugin: plugin, now: p.now(), passed: plugin.info()}
	l.secrets = &out.fetched
	if err := b.mapping(l, plugin, out); err != nil {
		return nil, err
	}
	defs := b.definitions(plugin, l)
	isExtra := func(d *Definition) bool { return d.Extra() }
	plain, extras := slices.DeleteFunc(slices.Clone(defs), isExtra), slices.DeleteFunc(slices.Clone(defs), func(d *Definition) bool { return !d.Extra() })
	if out.Values, err = l.resolve(plain); err != nil {
		return nil, err
	}
	out.passAs(plugin)
	l.references = maps.Clone(l.references) // extras may name the plugin's own settings
	maps.Copy(l.references, out.passed)
	values, err := l.resolve(extras)
	if err != nil {
		return nil, err
	}
	out.Values = append(out.Values, values...)
	out.passAs(plugin)
	out.environ = b.process(s, out.passed)
	return out, nil
}

func (p *Project) now() time.Time {
	if p.options.Now != nil {
		return p.options.Now()
	}
	return time.Now()
}

// binding is one call of Settings.
type binding struct {
	p      *Project
	ctx    context.Context
	o      SettingsOptions
	blocks []map[string]string // env: of plugin, environment, environment-plugin
}

// layers of a plugin and, below them, of its parents. s ends with the
// plugin's env: blocks on it.
func (b *binding) layers(plugin *Plugin, s *stack) (*layers, error) {
	s.put(plugin.info())
	entry := b.p.pluginEntry(plugin)
	below := maps.Clone(s.env)
	for _, n := range []*node{plugin.node.get("env"), b.p.environment.get("env"), entry.get("env")} {
		block, err := s.block(n)
		if err != nil {
			return nil, err
		}
		b.blocks = append(b.blocks, block)
	}
	chosen := flattenNode(entry.get("config"), "")
	if entry != nil {
		extras := &node{src: entry.src, isMap: true}
		for _, e := range entry.entries {
			switch e.key {
			case "name", "config", "env", "annotations":
			default:
				e.key = "_" + e.key
				extras.entries = append(extras.entries, e)
			}
		}
		chosen = append(chosen, flattenNode(extras, "")...)
	}
	stored, err := b.stored(plugin)
	if err != nil {
		return nil, err
	}
	l := &layers{p: b.p, name: plugin.Name, env: s.env, references: s.references(), prefixes: plugin.readPrefixes(),
		shadowing: !plugin.inherits(), flags: b.o.Flags, chosen: chosen, file: plugin.config, stored: stored,
		strict: s.strict, missing: b.o.Missing}
	if !b.o.NoSecrets {
		l.outside = func(scheme, what string) (string, error) { return b.p.fetch(b.ctx, scheme, what) }
	}
	if plugin.Parent != nil {
		// A parent is looked up with what the child sees, and its own env:
		// block; its flags and its process are nobody's.
		up := binding{p: b.p, ctx: b.ctx, o: SettingsOptions{NoSecrets: b.o.NoSecrets}}
		ps := &stack{env: below, dotenv: s.dotenv, strict: s.strict}
		maps.Copy(ps.env, s.env)
		if l.parent, err = up.layers(plugin.Parent, ps); err != nil {
			return nil, err
		}
		l.parentDefs = b.definitions(plugin.Parent, l.parent)
	}
	return l, nil
}

func (b *binding) stored(plugin *Plugin) (map[string]string, error) {
	if b.p.options.Stored == nil {
		return nil, nil
	}
	return b.p.options.Stored.SettingsIn(b.ctx, plugin.Scope())
}

// Scope names the plugin's settings in the database.
func (p *Plugin) Scope() string { return string(p.Kind) + "." + p.Name }

// definitions are the plugin's, and those that only the environment's or the
// mapping's configuration brings up.
func (b *binding) definitions(plugin *Plugin, l *layers) []*Definition {
	defs := plugin.Definitions()
	defs = slices.Concat(defs, custom(defs, l.chosen))
	return slices.Concat(defs, custom(defs, l.mapping))
}

// mapping adds the configuration of a mapping.
func (b *binding) mapping(l *layers, plugin *Plugin, out *Settings) error {
	if b.o.Mapping == "" {
		return nil
	}
	for _, m := range plugin.node.get("mappings").list() {
		if m.get("name").text() == b.o.Mapping {
			l.mapping = append(flattenNode(m.get("config"), ""), flatValue{name: "_mapping_name", value: b.o.Mapping, at: m.at()})
			return nil
		}
	}
	return fault.New(fault.Failed, "mapper %s has no mapping %q", plugin.Name, b.o.Mapping)
}

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

// process is the environment of the plugin's process: below everything .env,
// above it what the plugin is looked up with, its settings, and its env: blocks.
func (b *binding) process(s *stack, passed map[string]string) map[string]string {
	out := s.references()
	maps.Copy(out, passed)
	for _, block := range b.blocks {
		maps.Copy(out, block)
	}
	delete(out, "VIRTUAL_ENV")
	delete(out, "PYTHONPATH")
	return out
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
		if v.Definition.Extra() {
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
	return out
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

// Secrets are the values that no log may show, longest first: sensitive
// settings, what their name says is secret, and what ${file:…} and ${exec:…}
// gave.
func (s *Settings) Secrets() []string {
	out := slices.Clone(s.fetched)
	for _, v := range s.Values {
		if v.Definition.Sensitive || secretName.MatchString(v.Name) && !v.Definition.Extra() {
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
