package project

import (
	"maps"
	"strings"

	"elt/internal/fault"
)

// activate picks the environment: flag, then $ELT_ENVIRONMENT or
// $MELTANO_ENVIRONMENT, then the same in .env, then default_environment.
func (p *Project) activate() error {
	if p.options.NoEnvironment {
		return nil
	}
	name, from := p.options.Environment, "--environment"
	for _, layer := range []map[string]string{p.environ, p.dotenv} {
		for _, v := range []string{"ELT_ENVIRONMENT", "MELTANO_ENVIRONMENT"} {
			if name == "" && layer[v] != "" {
				name, from = layer[v], "$"+v
			}
		}
	}
	p.named = name != ""
	byDefault := p.file.get("default_environment")
	if name == "" && !p.options.IgnoreDefault {
		name, from = byDefault.text(), "default_environment"
	}
	if name == "" || name == "null" {
		p.named = false
		return nil
	}
	var names []string
	for _, n := range p.file.get("environments").list() {
		if n.get("name").text() == name {
			p.environment = n
			return nil
		}
		names = append(names, n.get("name").text())
	}
	e := fault.New(fault.Failed, "%s asks for environment %q, which the project does not have", from, name)
	if from == "default_environment" {
		e = byDefault.errorf("no environment is called %q", name)
	}
	if near := fault.Nearest(name, names); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	if len(names) == 0 {
		return e.WithHint("it has none; elt environment add %s makes it", name)
	}
	return e.WithHint("it has %s", strings.Join(names, ", "))
}

// Environment is the active environment; named says that it was chosen
// explicitly and not by default_environment.
func (p *Project) Environment() (name string, named bool) {
	return p.environment.get("name").text(), p.named
}

// Environments are the names of all environments, in file order.
func (p *Project) Environments() []string {
	var out []string
	for _, n := range p.file.get("environments").list() {
		out = appendNew(out, n.get("name").text())
	}
	return out
}

// In is the project with another environment, "" for none.
func (p *Project) In(environment string) (*Project, error) {
	other := *p
	other.options.Environment, other.options.NoEnvironment = environment, environment == ""
	other.environment, other.named = nil, false
	if err := other.activate(); err != nil {
		return nil, err
	}
	return &other, nil
}

// pluginEntry is the plugin's entry in the active environment, nil when none.
func (p *Project) pluginEntry(plugin *Plugin) *node {
	for _, n := range p.environment.get("config").get("plugins").get(string(plugin.Kind)).list() {
		if n.get("name").text() == plugin.Name {
			return n
		}
	}
	return nil
}

// static are the variables that every plugin sees of its project.
func (p *Project) static() map[string]string {
	name, _ := p.Environment()
	return map[string]string{
		"MELTANO_PROJECT_ROOT": p.Root, "MELTANO_ENVIRONMENT": name, "MELTANO_SYS_DIR_ROOT": p.SysDir(),
		"MELTANO_USER_AGENT": "elt",
	}
}

// stack is a growing set of variables. Later layers win, and each is
// expanded against those below it.
type stack struct {
	env    map[string]string // what settings are looked up in
	dotenv map[string]string // only references see it
	strict bool
}

func (p *Project) newStack() *stack {
	s := &stack{env: maps.Clone(p.environ), dotenv: p.dotenv, strict: p.strict()}
	s.put(p.static())
	return s
}

func (s *stack) put(layer map[string]string) {
	for k, v := range layer {
		s.env[k] = v
	}
}

// references are the variables that a ${…} may name.
func (s *stack) references() map[string]string {
	out := maps.Clone(s.dotenv)
	maps.Copy(out, s.env)
	return out
}

// block lays an env: object over the stack and returns it expanded.
func (s *stack) block(n *node) (map[string]string, error) {
	out := map[string]string{}
	x := expander{env: s.references(), strict: s.strict}
	for _, e := range n.object() {
		v, err := x.text(e.value.text())
		if err != nil {
			return nil, e.value.errorf("%v", err)
		}
		out[e.key] = v
	}
	s.put(out)
	return out, nil
}
