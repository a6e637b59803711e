package project

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"elt/internal/fault"
	"elt/internal/spec"
)

// definition takes the lock file of a plugin, else a built-in connector.
func (a *assembler) definition(p *Plugin, name string) error {
	variant := p.node.get("variant").text()
	lock, err := a.p.readLock(a.kind, name, variant)
	if err != nil {
		return err
	}
	if lock != nil {
		p.base = &base{name: lock.get("name").text(), namespace: lock.get("namespace").text(), node: lock}
		if p.base.name == "" {
			p.base.name = name
		}
		if p.base.namespace == "" {
			p.base.namespace = strings.ReplaceAll(name, "-", "_")
		}
		extras := &node{src: lock.src, isMap: true}
		known := pluginKeys()
		for _, e := range lock.entries {
			if _, is := known[e.key]; !is {
				e.key = "_" + e.key
				extras.entries = append(extras.entries, e)
			}
		}
		p.base.extras = flattenNode(extras, "")
		return nil
	}
	if a.p.options.Connector != nil {
		if s, ok := a.p.options.Connector(a.kind, name); ok {
			p.base = &base{name: name, namespace: strings.ReplaceAll(name, "-", "_"), node: fromSpec(s)}
			return nil
		}
	}
	at, what := p.node, "name"
	if p.node.get("inherit_from").text() != "" {
		what = "inherit_from"
	}
	e := at.get(what).errorf("%s %q has no definition: no namespace here, no lock file plugins/%s/%s*.lock, no built-in connector of that name",
		a.kind.noun(), name, a.kind, name)
	if near := fault.Nearest(name, a.names()); near != "" && near != p.Name {
		return e.WithHint("did you mean %q?", near)
	}
	return e.WithHint("elt lock %s writes the lock file; a namespace makes the entry its own definition", name)
}

// readLock is the lock file's content, nil when there is none.
func (p *Project) readLock(kind Kind, name, variant string) (*node, error) {
	dir := filepath.Join(p.Root, "plugins", string(kind))
	stem := name
	if variant != "" {
		stem += "--" + variant
	}
	path := filepath.Join(dir, stem+".lock")
	if _, err := os.Stat(path); err != nil && variant == "" {
		found, _ := filepath.Glob(filepath.Join(dir, globQuote(name)+"--*.lock"))
		if len(found) > 1 {
			return nil, fault.New(fault.Failed, "%s %s has several lock files; name its variant", kind.noun(), name)
		}
		if len(found) == 1 {
			path = found[0]
		}
	}
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the lock file of %s", name)
	}
	shown, _ := filepath.Rel(p.Root, path)
	v, err := decodeJSON(string(text))
	m, ok := v.(*Map)
	if err != nil || !ok {
		return nil, fault.Wrap(fault.Failed, err, "%s is no JSON object", shown).
			WithHint("elt lock %s --update writes it again", name)
	}
	return fromPlain(&source{path: path, shown: shown}, m), nil
}

func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

// fromSpec writes a built-in connector's description as a definition.
func fromSpec(s spec.Spec) *node {
	settings := []any{}
	for _, set := range s.Settings {
		m := NewMap()
		m.Set("name", set.Name)
		m.Set("kind", specKind(set.Type))
		m.Set("description", set.Help)
		m.Set("sensitive", set.Secret)
		if set.Type == spec.Array {
			m.Set("commas", true)
		}
		if raw, err := json.Marshal(set.Default); err == nil && set.Default != nil {
			implied, _ := decodeJSON(string(raw)) // what Marshal wrote
			m.Set("implied", implied)
		}
		aliases := []any{}
		for _, a := range set.Aliases {
			aliases = append(aliases, a)
		}
		m.Set("aliases", aliases)
		settings = append(settings, m)
	}
	capabilities := []any{}
	for _, c := range s.Capabilities {
		capabilities = append(capabilities, c)
	}
	m := NewMap()
	m.Set("name", s.Name)
	m.Set("label", s.Summary)
	m.Set("settings", settings)
	m.Set("capabilities", capabilities)
	return fromPlain(&source{shown: "built-in " + s.Name}, m)
}

func specKind(t spec.Type) string {
	if t == spec.Number {
		return "decimal"
	}
	return string(t)
}
