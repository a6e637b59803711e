package plugins

import (
	"os"
	"path/filepath"
	"strings"

	"elt/internal/fault"
	"elt/internal/project"
)

// find looks for a foreign plugin's program: a path is meant from the
// project's root; with a pip_url it is in the plugin's venv; else on PATH. The
// executable may carry arguments.
func (r *Resolver) find(p *project.Plugin, executable string) (Command, error) {
	words := strings.Fields(executable)
	if len(words) == 0 {
		return Command{}, fault.New(fault.PluginMissing, "plugin %s has no executable", p.Name)
	}
	name, args := words[0], words[1:]
	if whole := r.rooted(executable); strings.Contains(executable, "/") && isFile(whole) {
		return Command{Path: whole, Venv: venvOf(whole)}, nil // a path with blanks in it
	}
	if strings.Contains(name, "/") {
		path := r.rooted(name)
		if err := runnable(path); err != nil {
			return Command{}, fault.Wrap(fault.PluginMissing, err, "plugin %s cannot be started", p.Name).
				WithHint("its executable %s is looked for from the project's root", name)
		}
		return Command{Path: path, Args: args, Venv: venvOf(path)}, nil
	}
	if p.PipURL != "" {
		for _, dir := range r.venvs(p) {
			path := filepath.Join(dir, "bin", name)
			if runnable(path) == nil {
				return Command{Path: path, Args: args, Venv: dir}, nil
			}
		}
		venv := r.venvs(p)[0]
		return Command{}, fault.New(fault.PluginMissing, "plugin %s is not installed: there is no %s", p.Name, filepath.Join(venv, "bin", name)).
			WithHint("install it with: python3 -m venv %s && %s install '%s'", venv, filepath.Join(venv, "bin", "pip"), p.PipURL)
	}
	for _, dir := range filepath.SplitList(lookup(r.Environ, "PATH")) {
		path := filepath.Join(dir, name)
		if filepath.IsAbs(path) && runnable(path) == nil {
			return Command{Path: path, Args: args}, nil
		}
	}
	e := fault.New(fault.PluginMissing, "plugin %s cannot be started: there is no %s on PATH", p.Name, name)
	known := append(r.Taps.Names(), r.Targets.Names()...)
	if near := fault.Nearest(name, known); near != "" {
		return Command{}, e.WithHint("did you mean the built-in %q? Else install %s, or name its `executable` or `pip_url`", near, name)
	}
	return Command{}, e.WithHint("install it, or name its `executable` or `pip_url` in the project file")
}

// Named finds the program of a plugin's command (`commands:` with an
// executable of their own); "" is the plugin's own, as chosen.
func (r *Resolver) Named(c Choice, executable string) (Command, error) {
	if executable == "" {
		return c.Command, nil
	}
	return r.find(c.Plugin, executable)
}

func (r *Resolver) rooted(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.Project.Root, path)
}

// venvs are where a plugin's virtual environment may be: in the directory
// for run files, and where Meltano makes it.
func (r *Resolver) venvs(p *project.Plugin) []string {
	name := p.VenvName
	if name == "" {
		name = p.Name
	}
	list := []string{filepath.Join(r.Project.SysDir(), string(p.Kind), name, "venv")}
	if meltano := filepath.Join(r.Project.Root, ".meltano", string(p.Kind), name, "venv"); meltano != list[0] {
		list = append(list, meltano)
	}
	return list
}

// venvOf is the virtual environment that a program lies in, "" for none.
func venvOf(path string) string {
	dir := filepath.Dir(filepath.Dir(path))
	if isFile(filepath.Join(dir, "pyvenv.cfg")) {
		return dir
	}
	return ""
}

func runnable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &os.PathError{Op: "run", Path: path, Err: os.ErrInvalid}
	case info.Mode()&0o111 == 0:
		return &os.PathError{Op: "run", Path: path, Err: os.ErrPermission}
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// Environ is the environment with what a command's venv needs: its bin first
// on PATH, VIRTUAL_ENV, no PYTHONPATH.
func (c Command) Environ(environ []string) []string {
	if c.Venv == "" {
		return environ
	}
	out := make([]string, 0, len(environ)+2)
	for _, kv := range environ {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "PYTHONPATH", "VIRTUAL_ENV", "PATH":
		default:
			out = append(out, kv)
		}
	}
	path := filepath.Join(c.Venv, "bin")
	if old := lookup(environ, "PATH"); old != "" {
		path += string(filepath.ListSeparator) + old
	}
	return append(out, "PATH="+path, "VIRTUAL_ENV="+c.Venv)
}

func lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}
