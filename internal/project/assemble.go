package project

import (
	"slices"
	"strings"
)

// assembler builds the plugins of one kind out of their entries, lock files
// and parents.
type assembler struct {
	p       *Project
	kind    Kind
	entries []*node
	built   map[string]*Plugin
	open    []string // names being built, to find circles
}

// assemble builds all plugins of a kind. A plugin whose definition is
// missing stays in the list with its problem: the rest of the project works.
func (p *Project) assemble(kind Kind, entries []*node) []*Plugin {
	a := assembler{p: p, kind: kind, built: map[string]*Plugin{}}
	for _, n := range entries {
		name := n.get("name").text()
		same := func(o *node) bool { return o.get("name").text() == name }
		if name != "" && !slices.ContainsFunc(a.entries, same) { // the first counts
			a.entries = append(a.entries, n)
		}
	}
	var out []*Plugin
	for _, n := range a.entries {
		out = append(out, a.plugin(n))
	}
	return out
}

func (a *assembler) plugin(n *node) *Plugin {
	name := n.get("name").text()
	if p := a.built[name]; p != nil {
		return p
	}
	p := &Plugin{Kind: a.kind, Name: name, node: n, At: n.at(), Native: n.get("native").text()}
	a.open = append(a.open, name)
	defer func() { a.open = a.open[:len(a.open)-1] }()
	p.problem = a.define(p)
	a.fill(p)
	a.built[name] = p
	return p
}

// define finds where the plugin's definition comes from.
func (a *assembler) define(p *Plugin) error {
	from := p.node.get("inherit_from").text()
	if from == "" || from == p.Name {
		if p.node.get("namespace").text() != "" {
			p.base = &base{name: p.Name, namespace: p.node.get("namespace").text(), node: p.node}
			return nil
		}
		return a.definition(p, p.Name)
	}
	if variant := p.node.get("variant").text(); variant != "" { // another variant is another definition
		if lock, err := a.p.readLock(a.kind, from, variant); lock != nil || err != nil {
			return a.definition(p, from)
		}
	}
	for _, n := range a.entries {
		if n.get("name").text() != from {
			continue
		}
		if slices.Contains(a.open, from) {
			return p.node.get("inherit_from").errorf("%s inherits from itself, by way of %s", p.Name, strings.Join(a.open, ", "))
		}
		parent := a.plugin(n)
		p.Parent = parent
		if parent.problem != nil {
			return parent.problem
		}
		return nil
	}
	return a.definition(p, from)
}

func (a *assembler) names() []string {
	var out []string
	for _, n := range a.entries {
		out = append(out, n.get("name").text())
	}
	return out
}

// fill takes over from base and parent what the entry does not say itself.
func (a *assembler) fill(p *Plugin) {
	n, b := p.node, p.base
	own := func(key, inherited, fromBase string) string {
		if v := n.get(key).text(); v != "" {
			return v
		}
		if p.Parent != nil {
			return inherited
		}
		return fromBase
	}
	var parent Plugin
	if p.Parent != nil {
		parent = *p.Parent
	}
	var def *node
	if b != nil {
		def = b.node
	}
	inherits := n.get("inherit_from").text() != "" && n.get("inherit_from").text() != p.Name
	p.Variant = own("variant", parent.Variant, def.get("variant").text())
	if p.Variant == "" {
		p.Variant = "default"
	}
	switch {
	case n.get("namespace").text() != "":
		p.Namespace = n.get("namespace").text()
	case inherits || b == nil:
		p.Namespace = strings.ReplaceAll(p.Name, "-", "_")
	default:
		p.Namespace = b.namespace
	}
	p.Label = own("label", parent.Label, def.get("label").text())
	p.Docs = own("docs", parent.Docs, def.get("docs").text())
	p.PipURL = own("pip_url", parent.PipURL, def.get("pip_url").text())
	p.Python = own("python", parent.Python, def.get("python").text())
	p.Executable = own("executable", parent.Executable, def.get("executable").text())
	if p.Executable == "" && b != nil {
		p.Executable = b.name
	}
	if p.Executable == "" {
		p.Executable = p.Name
	}
	p.Native = own("native", parent.Native, "")
	p.Capabilities = def.get("capabilities").texts()
	if p.Parent != nil {
		p.Capabilities = parent.Capabilities
	}
	if c := n.get("capabilities"); c != nil {
		p.Capabilities = c.texts()
	}
	p.VenvName = p.Name
	if inherits {
		p.VenvName = a.venv(p, n.get("pip_url").text(), &parent, def)
	}
	p.Groups = parent.Groups
	for _, from := range []*node{def, n} {
		if g := from.get("settings_group_validation"); g != nil {
			p.Groups = nil
			for _, names := range g.list() {
				p.Groups = append(p.Groups, names.texts())
			}
		}
	}
	p.Backfill = parent.Backfill
	for _, from := range []*node{def, n} {
		if key := from.get("backfill"); !key.isNull() {
			p.Backfill = readBackfill(key)
		}
	}
	a.commands(p, &parent, def)
	a.settings(p, &parent, def)
}

// venv is the plugin's virtual environment: its parent's, unless it installs something else.
func (a *assembler) venv(p *Plugin, pipURL string, parent *Plugin, def *node) string {
	if p.Parent == nil {
		if pipURL == "" || pipURL == def.get("pip_url").text() {
			return p.base.nameOr(p.Name)
		}
		return p.Name
	}
	if pipURL == "" || pipURL == parent.PipURL {
		return parent.VenvName
	}
	return p.Name
}

func (b *base) nameOr(name string) string {
	if b == nil {
		return name
	}
	return b.name
}

func (a *assembler) commands(p, parent *Plugin, def *node) {
	p.Commands = map[string]Command{}
	for _, name := range parent.CommandNames {
		p.Commands[name] = parent.Commands[name]
		p.CommandNames = append(p.CommandNames, name)
	}
	froms := []*node{def}
	if def != p.node {
		froms = append(froms, p.node)
	}
	for _, from := range froms {
		for _, e := range from.get("commands").object() {
			c := Command{Name: e.key, Args: e.value.text()}
			if e.value.isMap {
				c.Args, c.Description = e.value.get("args").text(), e.value.get("description").text()
				c.Executable = e.value.get("executable").text()
			}
			p.Commands[e.key] = c
			p.CommandNames = appendNew(p.CommandNames, e.key)
		}
	}
}

// settings builds the lists of definitions. Keys of the configuration that
// nobody defines become settings too.
func (a *assembler) settings(p, parent *Plugin, def *node) {
	var own []*Definition
	for _, s := range p.node.get("settings").list() {
		if s.get("name").text() != "" {
			own = append(own, readDefinition(s))
		}
	}
	p.own, p.extras = parent.own, parent.extras
	if p.Parent == nil {
		p.own = nil
		if def != p.node {
			for _, s := range def.get("settings").list() {
				p.own = append(p.own, readDefinition(s))
			}
			p.own = override(nil, p.own)
		}
		p.extras = a.p.baseExtras(a.kind, p.base)
	}
	p.own = override(p.own, own)
	config := flattenNode(p.node.get("config"), "")
	p.own = slices.Concat(p.own, custom(p.own, config))

	extras := &node{src: p.node.src, isMap: true}
	known := pluginKeys()
	for _, e := range p.node.entries {
		if _, is := known[e.key]; !is && !strings.HasPrefix(e.key, "x-") {
			e.key = "_" + e.key
			extras.entries = append(extras.entries, e)
		}
	}
	flat := flattenNode(extras, "")
	p.extras = slices.Concat(p.extras, custom(p.extras, flat))
	p.config = slices.Concat(config, flat)
}

// baseExtras are the extras of a definition with its own defaults.
func (p *Project) baseExtras(kind Kind, b *base) []*Definition {
	out := extraDefinitions(kind)
	for _, d := range policyDefinitions() {
		if v := p.file.get(strings.TrimPrefix(d.Name, "_")); !v.isNull() {
			d.Default = v.plain()
		}
		out = append(out, d)
	}
	if b == nil {
		return out
	}
	for _, f := range b.extras {
		i := slices.IndexFunc(out, func(d *Definition) bool { return d.Name == f.name })
		if i < 0 {
			out = append(out, &Definition{Name: f.name, Kind: kindOf(f.value), Default: f.value})
		} else {
			d := *out[i]
			d.Default = f.value
			out[i] = &d
		}
	}
	return out
}
