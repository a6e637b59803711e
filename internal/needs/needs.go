package needs

import (
	"context"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/spec"
	"elt/plugins"
)

// Needs is what a project needs in its active environment.
type Needs struct {
	Environment string // "" when none is active
	Variables   []Variable
	Clear       []Use    // secrets that stand in the project file as they are
	Files       []string // of ${file:PATH}
	Plugins     []Plugin // in use
	Store       Store
}

// Variable is an environment variable that something is configured with.
type Variable struct {
	Name     string `json:"name"`
	Secret   bool   `json:"secret"`
	Required bool   `json:"required"` // without it a plugin lacks a value that it needs
	Set      bool   `json:"set"`
	By       string `json:"set_by,omitempty"` // "environment", "dotenv"
	Group    Group  `json:"group"`
	Uses     []Use  `json:"uses"`
}

// Group says what a variable is for.
type Group string

// The groups, in the order in which they are listed.
const (
	Database Group = "database"
	Taps     Group = "taps"
	Targets  Group = "targets"
	Other    Group = "other"
)

// Groups are all groups.
func Groups() []Group { return []Group{Database, Taps, Targets, Other} }

// Use is a place where a variable is used.
type Use struct {
	Plugin  string `json:"plugin,omitempty"` // "" is the project itself
	Setting string `json:"setting"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
}

// Plugin is a plugin in use, with what runs in its place.
type Plugin struct {
	Name      string
	Kind      project.Kind
	Connector string // the built-in connector, "" for a foreign plugin
	PipURL    string
	Venv      string // name of the virtual environment's folder
	Command   string // of a foreign plugin that is no package
}

// Store is where state is kept.
type Store struct {
	Postgres bool
	Variable string // that holds its address, or would; "" when the project file has it
}

// Options say whose needs.
type Options struct {
	Project  *project.Project
	Resolver *plugins.Resolver
	Spec     func(kind project.Kind, connector string) spec.Spec
	StoreURI string // as elt's own settings and the project have it
	All      bool   // also of plugins that no job and no schedule names
}

// StoreVariables are the variables that hold the store's address, the first
// that is set counts.
func StoreVariables() []string {
	return []string{"ELT_DATABASE_URI", "MELTANO_DATABASE_URI", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"}
}

// Of finds out what a project needs.
func Of(ctx context.Context, o Options) (*Needs, error) {
	p := o.Project
	used := p.InUse()
	if o.All {
		used = p.Plugins("")
	}
	c := &collector{p: p, spec: o.Spec, byName: map[string]*Variable{}, kinds: map[string]project.Kind{}, secret: map[string]bool{}, needs: &Needs{Variables: []Variable{}, Clear: []Use{}}}
	c.needs.Environment, _ = p.Environment()
	for _, plugin := range used {
		if plugin.Kind == project.Files || plugin.Kind == project.Transforms {
			continue
		}
		if err := c.plugin(ctx, o.Resolver, plugin); err != nil {
			return nil, err
		}
	}
	c.references(used)
	c.store(o.StoreURI)
	for _, v := range c.byName {
		if by := p.Given(v.Name); by != "" {
			v.Set, v.By = true, string(by)
		}
		v.Group = c.group(v)
		c.needs.Variables = append(c.needs.Variables, *v)
	}
	slices.SortFunc(c.needs.Variables, func(a, b Variable) int {
		if a.Group != b.Group {
			return slices.Index(Groups(), a.Group) - slices.Index(Groups(), b.Group)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return c.needs, nil
}

// In are the variables of a group, secrets or not; those that are neither
// required nor set are left out.
func (n *Needs) In(group Group, secret bool) []string {
	var out []string
	for _, v := range n.Variables {
		if v.Group == group && v.Secret == secret && (v.Required || v.Set) {
			out = append(out, v.Name)
		}
	}
	return out
}

// Missing are the required variables that are not set.
func (n *Needs) Missing() []string {
	var out []string
	for _, v := range n.Variables {
		if v.Required && !v.Set {
			out = append(out, v.Name)
		}
	}
	return out
}

// Uses says whether the built-in connector of this name is in use.
func (n *Needs) Uses(connector string) bool {
	return slices.ContainsFunc(n.Plugins, func(p Plugin) bool { return p.Connector == connector })
}

// Packages are the foreign plugins in use that come from packages, one per
// virtual environment.
func (n *Needs) Packages() []Plugin {
	var out []Plugin
	for _, p := range n.Plugins {
		shared := func(o Plugin) bool { return o.Kind == p.Kind && o.Venv == p.Venv }
		if p.Connector == "" && p.PipURL != "" && !slices.ContainsFunc(out, shared) {
			out = append(out, p)
		}
	}
	return out
}

func at(pos fault.Position, plugin, setting string) Use {
	return Use{Plugin: plugin, Setting: setting, File: pos.File, Line: pos.Line}
}
