package project

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"elt/internal/fault"
)

// Reference is a place in the project that names a variable, or a file by
// ${file:PATH}.
type Reference struct {
	Variable string  // "" for a file
	File     string  // the PATH of ${file:PATH}, "" for a variable
	Plugin   *Plugin // nil: the project itself
	Setting  string  // "password", "_select", "env.TZ"
	At       fault.Position
}

// References lists what the project names, in the order of the file, for its
// own keys, the active environment, and the plugins given with their parents.
// What env: blocks of the project define is left out, unless such a block
// names it in its own definition (SF_USER: $SF_USER).
func (p *Project) References(plugins []*Plugin) []Reference {
	r := &referrer{defined: map[string]bool{}}
	r.block(nil, p.file.get("env"), "env")
	for _, e := range p.file.object() {
		if !structure(e.key) {
			r.node(nil, e.value, e.key)
		}
	}
	r.node(nil, p.file.get("alerts"), "alerts")
	for _, s := range p.plans {
		for name := range s.Env { // taken as they are written
			r.defined[name] = true
		}
	}
	outside := maps.Clone(r.defined) // all that a suffix in a meltano.yml sees
	r.block(nil, p.environment.get("env"), "env")
	r.node(nil, p.environment.get("state_id_suffix"), "state_id_suffix")
	seen := map[*Plugin]bool{}
	for _, plugin := range plugins {
		for at := plugin; at != nil && !seen[at]; at = at.Parent {
			seen[at] = true
			r.entry(at, at.node)
			r.entry(at, p.pluginEntry(at))
		}
	}
	out := slices.DeleteFunc(r.found, func(f Reference) bool {
		defined := r.defined
		if f.Setting == "state_id_suffix" && !p.own {
			defined = outside
		}
		return f.Variable != "" && (p.supplied(f.Variable) || defined[f.Variable] && !strings.HasSuffix(f.Setting, "env."+f.Variable))
	})
	slices.SortStableFunc(out, func(a, b Reference) int {
		if a.At.File != b.At.File {
			return strings.Compare(a.At.File, b.At.File)
		}
		return a.At.Line - b.At.Line
	})
	return out
}

// supplied are variables that the runner gives.
func (p *Project) supplied(name string) bool {
	if _, ok := p.static()[name]; ok || name == "MELTANO__PYTHON_VERSION" {
		return true
	}
	rest, ok := strings.CutPrefix(name, "MELTANO_")
	for _, k := range Kinds() {
		for _, word := range []string{k.verb(), k.noun()} {
			word = strings.TrimPrefix(variable(word), "MELTANO_")
			if ok && word != "" && strings.HasPrefix(rest, word+"_") {
				return true
			}
		}
	}
	return false
}

type referrer struct {
	found   []Reference
	defined map[string]bool
}

// entry are the keys of a plugin's entry that are expanded.
func (r *referrer) entry(plugin *Plugin, n *node) {
	for _, e := range n.object() {
		switch e.key {
		case "name", "inherit_from", "namespace", "variant", "label", "description", "docs", "repo", "annotations", "capabilities":
		case "env":
			r.block(plugin, e.value, "env")
		case "config":
			r.node(plugin, e.value, "")
		case "settings":
			for _, s := range e.value.list() {
				r.node(plugin, s.get("value"), s.get("name").text())
			}
		case "pip_url", "executable", "commands":
			r.node(plugin, e.value, e.key)
		default:
			r.node(plugin, e.value, "_"+e.key)
		}
	}
}

func (r *referrer) block(plugin *Plugin, n *node, name string) {
	for _, e := range n.object() {
		r.defined[e.key] = true
	}
	r.node(plugin, n, name)
}

func (r *referrer) node(plugin *Plugin, n *node, name string) {
	for _, e := range n.object() {
		below := e.key
		if name != "" {
			below = name + "." + e.key
		}
		r.node(plugin, e.value, below)
	}
	for i, item := range n.list() {
		r.node(plugin, item, name+"."+strconv.Itoa(i))
	}
	text, _ := n.plainText()
	for _, m := range reference().FindAllStringSubmatch(text, -1) {
		ref := Reference{Variable: m[2] + m[3], Plugin: plugin, Setting: name, At: n.at()}
		if m[4] == "file" {
			ref.File = m[5]
		}
		if m[1] == "" && (ref.Variable != "" || ref.File != "") {
			r.found = append(r.found, ref)
		}
	}
}

// plainText is a scalar that is text.
func (n *node) plainText() (string, bool) {
	if n == nil {
		return "", false
	}
	text, ok := n.scalar.(string)
	return text, ok
}

// Variable is the variable that sets a setting of the plugin: TAP_X_PASSWORD.
func (p *Plugin) Variable(setting string) string { return variable(p.Name, setting) }

// Groups of settings of which one has to be complete are p.Groups; Lacking is
// the first group's settings that have no value, nil when a group is complete.
func (s *Settings) Lacking() []string {
	var first []string
	for i, group := range s.Plugin.Groups {
		var lacks []string
		for _, name := range group {
			if isZero(s.Get(name)) {
				lacks = append(lacks, name)
			}
		}
		if len(lacks) == 0 {
			return nil
		}
		if i == 0 {
			first = lacks
		}
	}
	return first
}

// SoundsSecret says that a setting or variable of this name holds a secret.
func SoundsSecret(name string) bool { return secretName().MatchString(name) }

// Given says by what a variable has a value: the environment, .env, or "" for
// none. An empty one counts as none.
func (p *Project) Given(variable string) Source {
	switch {
	case p.environ[variable] != "":
		return FromEnv
	case p.dotenv[variable] != "":
		return FromDotenv
	}
	return ""
}

// InUse are the plugins that schedules and jobs name, in the order of
// listing; all when there are neither. What a broken job names in vain is left out.
func (p *Project) InUse() []*Plugin {
	var blocks []string
	for _, j := range p.jobs {
		blocks = append(blocks, j.Blocks()...)
	}
	for _, s := range p.plans {
		if s.Job == "" {
			blocks = append(blocks, s.Extractor, s.Loader)
		}
	}
	if len(blocks) == 0 {
		return p.Plugins("")
	}
	used := map[string]bool{}
	for _, b := range blocks {
		name, _, _ := strings.Cut(b, ":")
		used[name] = true
	}
	return slices.DeleteFunc(p.Plugins(""), func(plugin *Plugin) bool {
		return !used[plugin.Name] && !slices.ContainsFunc(plugin.Mappings(), func(m string) bool { return used[m] })
	})
}
