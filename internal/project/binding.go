package project

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"elt/internal/fault"
)

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

// definitions are the plugin's, and those that only the environment's or the
// mapping's configuration, or a flag, brings up.
func (b *binding) definitions(plugin *Plugin, l *layers) []*Definition {
	defs := plugin.Definitions()
	defs = slices.Concat(defs, custom(defs, l.chosen))
	defs = slices.Concat(defs, custom(defs, l.mapping))
	var flags []flatValue
	for _, name := range slices.Sorted(maps.Keys(l.flags)) {
		flags = append(flags, flatValue{name: name, value: l.flags[name]})
	}
	return slices.Concat(defs, custom(defs, flags))
}

// mapping adds the configuration of a mapping. It reaches the mapper as it is
// written, with its nulls and dots: to stream maps they are instructions.
func (b *binding) mapping(l *layers, plugin *Plugin, out *Settings) error {
	if b.o.Mapping == "" {
		return nil
	}
	for _, m := range plugin.node.get("mappings").list() {
		if m.get("name").text() == b.o.Mapping {
			l.mapping = append(flattenNode(m.get("config"), ""), flatValue{name: "_mapping_name", value: b.o.Mapping, at: m.at()},
				flatValue{name: "_mapping", value: true, at: m.at()})
			x := expander{env: l.references, strict: l.strict, outside: l.outside, secrets: l.secrets}
			expanded, err := x.value(m.get("config").plain())
			if err != nil {
				return fmt.Errorf("mapping %s of %s: %w", b.o.Mapping, plugin.Name, err)
			}
			out.mapping, _ = expanded.(*Map) // no config at all is none
			return nil
		}
	}
	return fault.New(fault.Failed, "mapper %s has no mapping %q", plugin.Name, b.o.Mapping)
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
