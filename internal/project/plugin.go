package project

import (
	"slices"

	"elt/internal/fault"
	"elt/internal/spec"
)

// Plugin is a plugin of the project with everything that its parents and its
// lock file give filled in.
type Plugin struct {
	Kind         Kind
	Name         string
	Variant      string // "default" when nothing names one
	Namespace    string
	Label        string
	Docs         string
	PipURL       string
	Executable   string // a name, or a path relative to the project's root when it has a slash
	Python       string
	Capabilities []string
	Commands     map[string]Command // with those of parents
	CommandNames []string           // in the order of the file, parents' first
	Parent       *Plugin            // inherit_from; nil when none
	VenvName     string             // SYSDIR/<kind>/<VenvName>/venv; a parent's when it is shared
	Native       string             // "auto", "never", "always"; "" when the plugin does not say
	Groups       [][]string         // settings_group_validation
	At           fault.Position
	Backfill     *Backfill // how it is given a window of time; nil when the project does not say

	node    *node         // its entry in the file
	base    *base         // its definition: a lock file, the entry itself, or a built-in connector
	own     []*Definition // all settings, parents' included, without extras
	extras  []*Definition
	config  []flatValue // config and extras of the entry, flat
	problem error       // why it cannot be used
}

// base is the definition at the end of a chain of plugins.
type base struct {
	name, namespace string
	node            *node
	extras          []flatValue // defaults of extras
}

// Command is a named command of a plugin.
type Command struct {
	Name, Args, Description, Executable string
}

// Connector tells of a built-in connector, for plugins that nothing else defines.
type Connector func(kind Kind, name string) (spec.Spec, bool)

// Can says that the plugin declares a capability.
func (p *Plugin) Can(capability string) bool { return slices.Contains(p.Capabilities, capability) }

// Custom says that the project file itself defines the plugin, by a namespace.
func (p *Plugin) Custom() bool {
	return p.base != nil && p.base.node == p.node
}

// Definitions are the settings that the plugin knows, extras last.
func (p *Plugin) Definitions() []*Definition {
	return slices.Concat(p.own, p.extras)
}

// Mappings are the names of a mapper's mappings.
func (p *Plugin) Mappings() []string {
	var out []string
	for _, m := range p.node.get("mappings").list() {
		out = append(out, m.get("name").text())
	}
	return out
}

// readPrefixes start the variables that set this plugin's settings.
func (p *Plugin) readPrefixes() []string { return appendNew(nil, p.Name, p.Namespace) }

// writePrefixes start the variables that its process gets: its own, those of
// its parents and of its definition, and the generic one.
func (p *Plugin) writePrefixes() []string {
	var out []string
	for at := p; at != nil; at = at.Parent {
		out = appendNew(out, at.Name, at.Namespace)
		if at.Parent == nil && at.base != nil {
			out = appendNew(out, at.base.name, at.base.namespace)
		}
	}
	return appendNew(out, "meltano_"+p.Kind.verb())
}

// info are the variables that name the plugin: MELTANO_EXTRACTOR_NAME.
func (p *Plugin) info() map[string]string {
	noun := p.Kind.noun()
	return map[string]string{
		variable("meltano", noun, "name"):      p.Name,
		variable("meltano", noun, "namespace"): p.Namespace,
		variable("meltano", noun, "variant"):   p.Variant,
	}
}

// inherits says that the entry names another plugin as its parent.
func (p *Plugin) inherits() bool {
	from := p.node.get("inherit_from").text()
	return from != "" && from != p.Name
}
