package project

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
)

// Options say which project and which environment.
type Options struct {
	Dir           string   // where to look from; the project is found by walking up
	Environment   string   // --environment; "" when not given, "null" for none
	NoEnvironment bool     // --no-environment
	IgnoreDefault bool     // commands that take an environment only when it is named
	EnvFile       string   // --env-file; "" is ROOT/.env
	Environ       []string // the process environment, "K=V"
	Stored        Stored   // settings in the database; nil is none
	Connector     Connector
	Run           Runner           // runs ${exec:…}; nil is the shell
	Now           func() time.Time // for relative dates; nil is the clock
}

// Stored reads the database layer of settings: name -> value of a scope
// ("extractors.tap-x"). A value is JSON; text that is none stands for itself.
type Stored interface {
	SettingsIn(ctx context.Context, scope string) (map[string]string, error)
}

// Runner runs the command of ${exec:COMMAND} in dir and returns its standard output.
type Runner func(ctx context.Context, dir, command string, environ []string) (string, error)

// Project is a loaded and validated project. It does not change.
type Project struct {
	Root     string   // directory of the project file
	File     string   // the project file itself
	Warnings []string // what is odd but does no harm, with positions

	options  Options
	oddities []*fault.Error // Warnings, with their places
	own      bool           // elt.yml
	sources  []*source
	file     *node // all files merged
	main     *node
	environ  map[string]string // the process environment
	dotenv   map[string]string // .env
	plugins  map[Kind][]*Plugin
	jobs     []Job
	limits   map[string]int // of queues
	plans    []Schedule
	alerts   *Alerts

	environment *node // the active one; nil when none
	named       bool
}

// Load finds, reads and validates the project. Errors carry file, line, column.
func Load(ctx context.Context, o Options) (*Project, error) {
	p, mistakes, err := load(o)
	if err == nil {
		err = first(mistakes)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// load returns the project with everything wrong in its files, or an error
// that leaves no project to speak of.
func load(o Options) (*Project, []*fault.Error, error) {
	p := &Project{options: o, environ: environMap(o.Environ), plugins: map[Kind][]*Plugin{}}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, nil, err
	}
	if p.File, err = find(dir, p.environ); err != nil {
		return nil, nil, err
	}
	p.Root, p.own = filepath.Dir(p.File), filepath.Base(p.File) == ownFile
	c := &checker{own: p.own}
	if err := p.readDotenv(c); err != nil {
		return nil, nil, err
	}
	if err := p.readFiles(c); err != nil {
		return nil, nil, err
	}
	if err := p.requires(); err != nil {
		return nil, nil, err
	}
	for _, k := range Kinds() {
		p.plugins[k] = p.assemble(k, p.file.get("plugins").get(string(k)).list())
	}
	p.readJobs(c)
	p.readSchedules(c)
	p.readAlerts(c)
	p.readQueues(c)
	if err := p.activate(); err != nil {
		c.wrong(asMistake(err))
	}
	p.oddities = c.warnings
	for _, w := range c.warnings {
		p.Warnings = append(p.Warnings, w.Error())
	}
	return p, c.mistakes, nil
}

func environMap(environ []string) map[string]string {
	out := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			out[k] = v
		}
	}
	return out
}

// readDotenv reads the .env file. A line that cannot be read is a mistake
// beside an elt.yml, and a warning beside a meltano.yml: Meltano goes on.
func (p *Project) readDotenv(c *checker) error {
	path, shown := filepath.Join(p.Root, ".env"), ".env"
	if p.options.EnvFile != "" {
		path, shown = p.options.EnvFile, p.options.EnvFile
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.Root, path)
		}
	}
	values, odd, err := readDotenv(path, shown, p.environ)
	p.dotenv = values
	if p.own {
		c.mistakes = append(c.mistakes, odd...)
	} else {
		c.warnings = append(c.warnings, odd...)
	}
	return err
}

// Dotenv is the path of the project's .env file.
func (p *Project) Dotenv() string {
	if f := p.options.EnvFile; filepath.IsAbs(f) {
		return f
	} else if f != "" {
		return filepath.Join(p.Root, f)
	}
	return filepath.Join(p.Root, ".env")
}

// SysDir is the directory for run files: .meltano under the root (.elt for an
// elt.yml), unless $ELT_SYS_DIR_ROOT or $MELTANO_SYS_DIR_ROOT name another.
func (p *Project) SysDir() string {
	dir := ".meltano"
	if p.own {
		dir = ".elt"
	}
	for _, name := range []string{"ELT_SYS_DIR_ROOT", "MELTANO_SYS_DIR_ROOT"} {
		if v := p.environ[name]; v != "" {
			dir = v
			break
		}
	}
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(p.Root, dir)
}

// Plugins are the plugins of a kind in file order; "" is all kinds.
func (p *Project) Plugins(kind Kind) []*Plugin {
	if kind != "" {
		return slices.Clone(p.plugins[kind])
	}
	var out []*Plugin
	for _, k := range Kinds() {
		out = append(out, p.plugins[k]...)
	}
	return out
}

// Plugin finds a plugin by name; kind "" looks through all kinds. The error
// suggests the nearest name. A plugin that lacks a definition (no namespace,
// no lock file, no parent) is an error here and nowhere earlier.
func (p *Project) Plugin(kind Kind, name string) (*Plugin, error) {
	var names []string
	for _, plugin := range p.Plugins(kind) {
		if plugin.Name == name {
			return plugin, plugin.problem
		}
		names = append(names, plugin.Name)
	}
	what := "plugin"
	if kind != "" {
		what = kind.Singular()
	}
	e := fault.New(fault.Failed, "no %s is called %q", what, name)
	if near := fault.Nearest(name, names); near != "" {
		return nil, e.WithHint("did you mean %q?", near)
	}
	return nil, e.WithHint("elt plugins lists those of the project")
}

// Jobs are the jobs in file order.
func (p *Project) Jobs() []Job { return slices.Clone(p.jobs) }

// Schedules are the schedules in file order.
func (p *Project) Schedules() []Schedule { return slices.Clone(p.plans) }

// Files are the project file, what it includes, and lock files, relative to
// the root: what elsewhere is needed to load the project.
func (p *Project) Files() []string {
	var out []string
	for _, s := range p.sources {
		out = append(out, s.shown)
	}
	locks, _ := filepath.Glob(filepath.Join(p.Root, "plugins", "*", "*.lock")) // the pattern is sound
	for _, path := range locks {
		if rel, err := filepath.Rel(p.Root, path); err == nil {
			out = append(out, filepath.ToSlash(rel))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
