package project

import (
	"context"
	"maps"
	"strings"
)

// Manifest is the project with one environment laid over it and every
// plugin's definition and variables filled in: what `elt compile` writes.
// Sensitive settings are masked in variables unless unsafe.
func (p *Project) Manifest(ctx context.Context, unsafe bool) (map[string]any, error) {
	own, err := p.OwnSettings()
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for _, v := range own.Values {
		if v.Value != nil {
			env[variable("meltano", v.Name)] = v.Text()
		}
	}
	p.lay(env, p.file.get("env"))
	p.lay(env, p.environment.get("env"))
	out := map[string]any{}
	for _, e := range p.file.entries {
		switch e.key {
		case "environments", "include_paths", "env", "plugins":
		default:
			out[e.key] = e.value.plain()
		}
	}
	if a := p.environment.get("annotations"); a != nil {
		out["annotations"] = merge(p.file.get("annotations"), a).plain()
	}
	out["env"] = p.rootless(env)
	plugins := map[string]any{}
	for _, kind := range Kinds() {
		list := []any{}
		for _, plugin := range p.plugins[kind] {
			m, err := p.manifestPlugin(ctx, plugin, unsafe)
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		}
		plugins[string(kind)] = list
	}
	out["plugins"] = plugins
	return out, nil
}

// manifestPlugin is a plugin's definition, under its entry, under its entry
// in the environment; lists of a higher layer replace lower ones.
func (p *Project) manifestPlugin(ctx context.Context, plugin *Plugin, unsafe bool) (map[string]any, error) {
	out := map[string]any{}
	over := func(n *node) {
		for _, e := range n.object() {
			have, isMap := out[e.key].(*Map)
			add, adds := e.value.plain().(*Map)
			if !isMap || !adds {
				out[e.key] = e.value.plain()
				continue
			}
			both := NewMap()
			for _, m := range []*Map{have, add} {
				for k, v := range m.All() {
					nest(both, strings.ReplaceAll(k, ".", `\.`), v)
				}
			}
			out[e.key] = both
		}
	}
	entry := p.pluginEntry(plugin)
	if plugin.base != nil && plugin.Parent == nil {
		over(plugin.base.node)
	}
	over(plugin.node)
	over(entry)
	env := map[string]string{}
	if plugin.problem == nil {
		s, err := p.Settings(ctx, plugin, SettingsOptions{NoSecrets: true})
		if err != nil {
			return nil, err
		}
		for _, v := range s.Values {
			if v.Value == nil {
				continue
			}
			text := v.Text()
			if v.Definition.Sensitive && !unsafe {
				text = "(redacted)"
			}
			for _, name := range p.WrittenVariables(plugin, v.Definition) {
				env[name] = text
			}
		}
	}
	p.lay(env, plugin.node.get("env"))
	p.lay(env, entry.get("env"))
	out["env"] = p.rootless(env)
	return out, nil
}

// lay puts an env: block over variables; references that they do not answer
// stay as written: the manifest must not depend on the shell.
func (p *Project) lay(env map[string]string, n *node) {
	x := expander{env: maps.Clone(env), keep: true}
	for _, e := range n.object() {
		v, err := x.text(e.value.text())
		if err != nil {
			v = e.value.text()
		}
		env[e.key] = v
	}
}

// rootless writes the project's directory as a variable.
func (p *Project) rootless(env map[string]string) map[string]string {
	for k, v := range env {
		env[k] = strings.ReplaceAll(v, p.Root, "${MELTANO_PROJECT_ROOT}")
	}
	return env
}
