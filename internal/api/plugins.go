package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"elt/internal/fault"
	"elt/internal/project"
)

// Plugin is a plugin of the project.
type Plugin struct {
	Kind         string   `json:"kind" doc:"extractors, loaders, mappers, utilities …"`
	Name         string   `json:"name"`
	Label        string   `json:"label,omitempty"`
	Variant      string   `json:"variant,omitempty"`
	Namespace    string   `json:"namespace,omitempty"`
	InheritFrom  string   `json:"inherit_from,omitempty"`
	PipURL       string   `json:"pip_url,omitempty"`
	Executable   string   `json:"executable,omitempty"`
	Native       string   `json:"native,omitempty" doc:"auto, never or always, where the plugin says so."`
	Docs         string   `json:"docs,omitempty"`
	Capabilities []string `json:"capabilities"`
	Commands     []string `json:"commands"`
	Mappings     []string `json:"mappings"`
	Position     string   `json:"position,omitempty" doc:"Where it stands in the project file."`
}

// Setting is a setting with the layer that its value comes from.
type Setting struct {
	Name        string          `json:"name"`
	Kind        string          `json:"kind,omitempty"`
	Label       string          `json:"label,omitempty"`
	Description string          `json:"description,omitempty"`
	Value       json.RawMessage `json:"value" doc:"null where it is not set; \"***\" where it is a secret."`
	Default     json.RawMessage `json:"default"`
	Source      string          `json:"source" enum:"flag,environment,dotenv,mapping,project_environment,project_file,database,inherited,default" doc:"The layer that won."`
	Variable    string          `json:"variable,omitempty" doc:"The variable that set it."`
	Variables   []string        `json:"variables" doc:"Variables that could."`
	Position    string          `json:"position,omitempty" doc:"Where it is written."`
	Secret      bool            `json:"secret"`
	Custom      bool            `json:"custom" doc:"The plugin does not declare it."`
	Extra       bool            `json:"extra" doc:"For elt, not for the plugin."`
	Options     json.RawMessage `json:"options,omitempty"`
}

// PluginDetail is a plugin with its settings.
type PluginDetail struct {
	Plugin
	Settings []Setting `json:"settings"`
	Problems []string  `json:"problems" doc:"Why its settings cannot be used as they are."`
}

type pluginInput struct {
	Kind string `path:"kind" maxLength:"50"`
	Name string `path:"name" maxLength:"300"`
}

func (s *Server) pluginRoutes() {
	route(s, ScopeRead, operation(http.MethodGet, "/plugins", "plugin.list", "plugins", "List the plugins of the project", ""),
		func(ctx context.Context, _ *struct{}) (*body[List[Plugin]], error) {
			p, _, err := s.Now(ctx)
			if err != nil {
				return nil, err
			}
			var items []Plugin
			for _, one := range p.Plugins("") {
				items = append(items, s.pluginOf(one))
			}
			return list(items, ""), nil
		})
	route(s, ScopeRead, operation(http.MethodGet, "/plugins/{kind}/{name}", "plugin.show", "plugins", "Show a plugin with its settings",
		"With the layer that won for each. Secrets are masked for everybody."), s.showPlugin)
}

func (s *Server) pluginOf(p *project.Plugin) Plugin {
	v := Plugin{Kind: string(p.Kind), Name: p.Name, Label: p.Label, Variant: p.Variant, Namespace: p.Namespace, PipURL: s.Mask(p.PipURL),
		Executable: p.Executable, Native: p.Native, Docs: p.Docs, Capabilities: some(p.Capabilities), Commands: some(p.CommandNames), Mappings: []string{}}
	if p.Kind == project.Mappers {
		v.Mappings = some(p.Mappings())
	}
	if p.Parent != nil {
		v.InheritFrom = p.Parent.Name
	}
	if p.At.File != "" {
		v.Position = p.At.String()
	}
	return v
}

// plugin finds the plugin that a request names.
func (s *Server) plugin(ctx context.Context, in *pluginInput) (*project.Project, *project.Plugin, error) {
	p, _, err := s.Now(ctx)
	if err != nil {
		return nil, nil, err
	}
	kind, ok := project.ParseKind(in.Kind)
	if !ok {
		return nil, nil, problem(http.StatusNotFound, "not_found", "%q is no kind of plugin", in.Kind)
	}
	plugin, err := p.Plugin(kind, in.Name)
	if err != nil {
		e := problem(http.StatusNotFound, "unknown_plugin", "%s", s.Mask(err.Error()))
		var own *fault.Error
		if errors.As(err, &own) {
			e.Hint = own.Hint
		}
		return nil, nil, e
	}
	return p, plugin, nil
}

func (s *Server) showPlugin(ctx context.Context, in *pluginInput) (*body[PluginDetail], error) {
	p, plugin, err := s.plugin(ctx, in)
	if err != nil {
		return nil, err
	}
	d := PluginDetail{Plugin: s.pluginOf(plugin), Settings: []Setting{}, Problems: []string{}}
	// A listing starts no programs and reads no files of secrets.
	settings, err := p.Settings(ctx, plugin, project.SettingsOptions{NoSecrets: true, Lenient: true})
	if err != nil {
		d.Problems = append(d.Problems, s.Mask(err.Error()))
		return answer(d), nil
	}
	s.Secret(settings.Secrets()...)
	for _, v := range settings.Values {
		if !v.Definition.Policy || v.Value != nil {
			d.Settings = append(d.Settings, s.settingOf(p, plugin, v))
		}
	}
	for _, e := range settings.Unset() {
		d.Problems = append(d.Problems, s.Mask(e.Error()))
	}
	return answer(d), nil
}

// masked stands for a secret that is set.
var masked = json.RawMessage(`"***"`)

func (s *Server) settingOf(p *project.Project, plugin *project.Plugin, v project.Value) Setting {
	d := v.Definition
	one := Setting{Name: v.Name, Kind: d.Kind, Label: d.Label, Description: d.Description, Source: string(v.Source), Variable: v.Variable,
		Variables: some(p.Variables(plugin, d)), Secret: v.Secret(), Custom: d.Custom, Extra: d.Extra()}
	value, standard := v.Value, d.Default
	if standard == nil {
		standard = d.Implied
	}
	if value == nil && v.Source == project.FromDefault {
		value = d.Implied
	}
	one.Value, one.Default = s.shown(value, one.Secret), s.shown(standard, one.Secret)
	if d.Options != nil {
		one.Options = jsonOf(d.Options)
	}
	if v.At.File != "" {
		one.Position = v.At.String()
	}
	return one
}

// shown is a value as it may be shown: secrets are masked, and so are what
// looks like a login inside of an address and what is another setting's secret.
func (s *Server) shown(v any, secret bool) json.RawMessage {
	if v == nil {
		return json.RawMessage("null")
	}
	if secret {
		return masked
	}
	if once := s.Mask(string(jsonOf(v))); json.Valid([]byte(once)) {
		return json.RawMessage(once)
	}
	return masked
}
