package needs

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"elt/internal/project"
	"elt/internal/spec"
	"elt/plugins"
)

type collector struct {
	p      *project.Project
	spec   func(kind project.Kind, connector string) spec.Spec
	needs  *Needs
	byName map[string]*Variable
	kinds  map[string]project.Kind // of plugins, by name
	secret map[string]bool         // "plugin setting" of sensitive settings
}

// add notes a use of a variable.
func (c *collector) add(name string, secret, required bool, use Use) {
	v := c.byName[name]
	if v == nil {
		v = &Variable{Name: name}
		c.byName[name] = v
	}
	v.Secret = v.Secret || secret || project.SoundsSecret(name)
	v.Required = v.Required || required
	if !slices.Contains(v.Uses, use) {
		v.Uses = append(v.Uses, use)
	}
}

// plugin notes what a plugin's settings are set by, and what they lack.
func (c *collector) plugin(ctx context.Context, r *plugins.Resolver, plugin *project.Plugin) error {
	usable, err := c.p.Plugin(plugin.Kind, plugin.Name)
	if err != nil {
		return err
	}
	settings, err := c.p.Settings(ctx, usable, project.SettingsOptions{NoSecrets: true, Lenient: true})
	if err != nil {
		return err
	}
	in := Plugin{Name: usable.Name, Kind: usable.Kind, PipURL: usable.PipURL, Venv: usable.VenvName, Command: usable.Executable}
	if in.Venv == "" {
		in.Venv = in.Name
	}
	var own spec.Spec
	if choice, _ := r.Choose(usable, plugins.Question{Settings: settings}); choice.Native { // one that is not installed is foreign all the same
		in.Connector, in.PipURL, in.Command = choice.Connector, "", ""
		own = c.spec(usable.Kind, choice.Connector)
	}
	c.needs.Plugins = append(c.needs.Plugins, in)
	c.kind(usable)
	lacking := settings.Lacking()
	for _, v := range settings.Values {
		set := settingOf(own, v.Name)
		sensitive := v.Definition.Sensitive || set.Secret || !v.Definition.Extra() && project.SoundsSecret(v.Name)
		if sensitive {
			c.secret[usable.Name+" "+v.Name] = true
		}
		use := at(v.At, usable.Name, v.Name)
		if v.Source == project.FromParent {
			v.Variable = c.inherited(usable, v.Name)
		}
		switch {
		case v.Variable != "":
			c.add(v.Variable, sensitive, sensitive || set.Required, use)
		case v.Definition.Extra():
		case v.Value == nil || v.Value == "":
			if len(v.Unset) > 0 || v.Unexpanded != nil {
				break // what it names is noted by its own name
			}
			needed := set.Required || slices.Contains(lacking, v.Name)
			if needed || v.Definition.Sensitive && !v.Definition.Custom {
				c.add(eldest(usable).Variable(v.Name), sensitive, needed, Use{Plugin: usable.Name, Setting: v.Name})
			}
		case sensitive && inClear(v):
			c.needs.Clear = append(c.needs.Clear, use)
		}
	}
	return nil
}

// eldest is the plugin at the end of inherit_from: its variables count for all.
func eldest(p *project.Plugin) *project.Plugin {
	for p.Parent != nil {
		p = p.Parent
	}
	return p
}

// inherited is the variable of a parent by which a setting has its value, "" for none.
func (c *collector) inherited(p *project.Plugin, setting string) string {
	for p = p.Parent; p != nil; p = p.Parent {
		if name := p.Variable(setting); c.p.Given(name) != "" {
			return name
		}
	}
	return ""
}

func (c *collector) kind(p *project.Plugin) {
	for ; p != nil; p = p.Parent {
		c.kinds[p.Name] = p.Kind
	}
}

func settingOf(s spec.Spec, name string) spec.Setting {
	for _, set := range s.Settings {
		if set.Name == name || slices.Contains(set.Aliases, name) {
			return set
		}
	}
	return spec.Setting{}
}

// inClear says that a value is text of the project file, and names nothing.
func inClear(v project.Value) bool {
	text, ok := v.Value.(string)
	return ok && v.At.Line > 0 && v.Source != project.FromDefault && v.Unexpanded == nil && !strings.Contains(text, "$")
}

// references notes the variables and files that the project names.
func (c *collector) references(used []*project.Plugin) {
	for _, ref := range c.p.References(used) {
		if ref.File != "" {
			if !slices.Contains(c.needs.Files, ref.File) {
				c.needs.Files = append(c.needs.Files, ref.File)
			}
			continue
		}
		name := ""
		if ref.Plugin != nil {
			name = ref.Plugin.Name
			c.kind(ref.Plugin)
		}
		setting := strings.TrimPrefix(ref.Setting, "env.")
		secret := c.secret[name+" "+ref.Setting] || project.SoundsSecret(setting)
		needed := ref.Setting != "database_uri" && !strings.HasPrefix(ref.Setting, "commands.")
		c.add(ref.Variable, secret || ref.Setting == "database_uri", needed, at(ref.At, name, ref.Setting))
	}
}

// store notes where the store's address comes from, or would: without one
// state is kept in SQLite.
func (c *collector) store(uri string) {
	store := &c.needs.Store
	store.Postgres = strings.HasPrefix(uri, "postgres")
	for _, name := range StoreVariables() {
		if c.p.Given(name) != "" && uri != "" {
			store.Variable = name
			c.add(name, true, store.Postgres, Use{Setting: "database_uri"})
			return
		}
	}
	for _, ref := range c.p.References(nil) {
		if ref.Setting == "database_uri" && ref.Variable != "" { // the project asks for one
			store.Variable, store.Postgres = ref.Variable, true
			c.byName[ref.Variable].Required = true
			return
		}
	}
	if uri == "" {
		store.Variable = "ELT_DATABASE_URI"
		if filepath.Base(c.p.File) == "meltano.yml" {
			store.Variable = "MELTANO_DATABASE_URI"
		}
		c.add(store.Variable, true, false, Use{Setting: "database_uri"})
	}
}

func (c *collector) group(v *Variable) Group {
	for _, u := range v.Uses {
		switch {
		case u.Plugin == "" && u.Setting == "database_uri":
			return Database
		case c.kinds[u.Plugin] == project.Extractors:
			return Taps
		case c.kinds[u.Plugin] == project.Loaders:
			return Targets
		}
	}
	return Other
}
