package runner

import (
	"encoding/json"
	"slices"
	"strings"

	"elt/internal/proc"
	"elt/internal/project"
	"elt/plugins"
)

// Stage is one plugin of a set, or one that is invoked, with all that starts it.
type Stage struct {
	Plugin   *project.Plugin
	Name     string // the plugin's, or the mapping's
	Settings *project.Settings
	Choice   plugins.Choice
	Config   json.RawMessage // what the plugin gets as --config

	configPath string
	dir        string   // working directory
	environ    []string // of the process
}

// newStage settles what runs for a plugin with these settings. With an error
// about the plugin's program the stage is there all the same: one of its
// commands may have a program of its own.
func newStage(r *plugins.Resolver, name string, settings *project.Settings, q plugins.Question) (*Stage, error) {
	q.Settings = settings
	choice, missing := r.Choose(settings.Plugin, q)
	s := &Stage{Plugin: settings.Plugin, Name: name, Settings: settings, Choice: choice, dir: choice.Command.Dir}
	if s.dir == "" {
		s.dir = r.Project.Root
	}
	s.environ = choice.Command.Environ(withoutRun(settings.Environ()))
	var err error
	if s.Config, err = settings.Config(); err != nil {
		return nil, err
	}
	if choice.Native && choice.Dialect != "" {
		s.Config, err = withDefault(s.Config, "dialect", choice.Dialect)
	}
	if err == nil {
		err = missing
	}
	return s, err
}

// withoutRun drops what an outer run of elt told its own plugin.
func withoutRun(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool { return strings.HasPrefix(kv, "ELT_RUN_") })
}

// withDefault adds a key to a configuration that does not have it.
func withDefault(config json.RawMessage, key, value string) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, err
	}
	if _, there := fields[key]; there {
		return config, nil
	}
	fields[key], _ = json.Marshal(value)
	return json.Marshal(fields)
}

// writeConfig puts the configuration into the run's folder (invariant 10).
func (s *Stage) writeConfig(f *folder, name string) (err error) {
	s.configPath, err = f.write(name, s.Config)
	return err
}

// command is the plugin with --config and the arguments given.
func (s *Stage) command(args ...string) proc.Command {
	c := s.Choice.Command
	all := append(append([]string{}, c.Args...), "--config", s.configPath)
	return proc.Command{
		Name: s.Name, Path: c.Path, Args: append(all, args...), Dir: s.dir, Env: s.environ,
	}
}

func (s *Stage) takesCatalog() bool {
	return s.Choice.Native || s.Plugin.Can("catalog") || s.Plugin.Can("properties")
}

// catalogFlag is how the tap wants to be given its catalog.
func (s *Stage) catalogFlag() string {
	if s.Choice.Native || s.Plugin.Can("catalog") {
		return "--catalog"
	}
	return "--properties"
}

func (s *Stage) takesState() bool { return s.Choice.Native || s.Plugin.Can("state") }
