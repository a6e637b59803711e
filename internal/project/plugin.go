package project

import "elt/internal/fault"

// Plugin is a plugin of the project with everything that its parents and its
// lock file give filled in.
type Plugin struct {
	Kind         Kind
	Name         string
	Variant      string
	Namespace    string
	Label        string
	PipURL       string
	Executable   string // a name, or a path relative to the project's root when it has a slash
	Python       string
	Capabilities []string
	Commands     map[string]Command
	Parent       *Plugin // inherit_from; nil when none
	VenvName     string  // SYSDIR/<kind>/<VenvName>/venv; a parent's when it is shared
	Native       string  // "auto", "never", "always"; "" is the project's
	At           fault.Position
}

// Can says that the plugin declares a capability.
func (p *Plugin) Can(capability string) bool { return false }

// Command is a named command of a plugin.
type Command struct {
	Name, Args, Description, Executable string
}
