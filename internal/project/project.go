package project

import (
	"context"
	"errors"
)

var errNotYet = errors.New("internal/project: not written yet")

// Options say which project and which environment.
type Options struct {
	Dir           string   // where to look from; the project is found by walking up
	Environment   string   // --environment; "" when not given, "null" for none
	NoEnvironment bool     // --no-environment
	IgnoreDefault bool     // commands that take an environment only when it is named
	EnvFile       string   // --env-file; "" is ROOT/.env
	Environ       []string // the process environment, "K=V"
	Stored        Stored   // settings in the database; nil is none
	Run           Runner   // runs ${exec:…}; nil is os/exec
}

// Stored reads the database layer of settings: name -> value of a scope
// ("extractors.tap-x", or "meltano" for the project's own settings).
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
}

// Load finds, reads and validates the project. Errors carry file, line, column.
func Load(ctx context.Context, o Options) (*Project, error) { return nil, errNotYet }

// Environment is the active environment; named says that it was chosen
// explicitly and not by default_environment.
func (p *Project) Environment() (name string, named bool) { return "", false }

// Environments are the names of all environments, in file order.
func (p *Project) Environments() []string { return nil }

// SysDir is the directory for run files, .meltano under the root unless
// $MELTANO_SYS_DIR_ROOT says otherwise (.elt for elt.yml).
func (p *Project) SysDir() string { return "" }

// Setting is a setting of the project itself ("elt.buffer_size"), as text;
// "" when nothing sets it.
func (p *Project) Setting(name string) string { return "" }

// Plugins are the plugins of a kind in file order; "" is all kinds.
func (p *Project) Plugins(kind Kind) []*Plugin { return nil }

// Plugin finds a plugin by name; kind "" looks through all kinds. The error
// suggests the nearest name. A plugin that lacks a definition (no namespace,
// no lock file, no parent) is an error here and nowhere earlier.
func (p *Project) Plugin(kind Kind, name string) (*Plugin, error) { return nil, errNotYet }

// Jobs are the jobs in file order.
func (p *Project) Jobs() []Job { return nil }

// Schedules are the schedules in file order.
func (p *Project) Schedules() []Schedule { return nil }
