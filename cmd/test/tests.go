package test

import (
	"strings"

	"elt/internal/fault"
	"elt/internal/project"
)

// subject is a plugin with what is to be tried of it.
type subject struct {
	plugin   *project.Plugin
	checks   bool     // the connection
	commands []string // of the plugin
}

func collect(p *project.Project, names []string, all bool) ([]subject, error) {
	var out []subject
	if all {
		for _, plugin := range p.Plugins("") {
			out = append(out, subject{plugin, true, testsOf(plugin)})
		}
		return out, nil
	}
	for _, arg := range names {
		name, command, named := strings.Cut(arg, ":")
		plugin, err := p.Plugin("", name)
		if err != nil {
			return nil, err
		}
		if !named {
			out = append(out, subject{plugin, true, testsOf(plugin)})
			continue
		}
		if _, ok := plugin.Commands[command]; !ok {
			e := fault.New(fault.Failed, "plugin %s has no test %q", name, command)
			if have := testsOf(plugin); len(have) > 0 {
				return nil, e.WithHint("it has: %s", strings.Join(have, ", "))
			}
			return nil, e.WithHint("elt test %s checks its connection", name)
		}
		out = append(out, subject{plugin, false, []string{command}})
	}
	return out, nil
}

// testsOf are the plugin's commands whose names start with "test".
func testsOf(p *project.Plugin) []string {
	var out []string
	for _, name := range p.CommandNames {
		if strings.HasPrefix(name, "test") {
			out = append(out, name)
		}
	}
	return out
}
