// Package project reads a project file (elt.yml, else meltano.yml) into a
// validated Project with positions, and resolves everything that depends on
// it: environments, inheritance, settings and their layers, process
// environments, selection rules, plans. It starts nothing and stores nothing.
package project

import "context"

// Options say which project and which environment.
type Options struct {
	Dir           string   // where to look from; the project is found by walking up
	Environment   string   // --environment; "" when not given
	NoEnvironment bool     // --no-environment
	EnvFile       string   // --env-file; "" is ROOT/.env
	Environ       []string // the process environment, "K=V"
}

// Project is a loaded and validated project.
type Project struct {
	Root string // directory of the project file
	File string // the project file itself
}

// Load finds, reads and validates the project. Errors carry file, line, column.
func Load(ctx context.Context, o Options) (*Project, error) { return &Project{}, nil }
