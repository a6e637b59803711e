// Package cli is what every command shares: the App with its lazy providers,
// the streams it talks through, printers, and the mapping of errors to exit
// codes. Commands import it; it imports no command and no connector.
package cli

import (
	"context"
	"io"

	"elt/internal/project"
	"elt/state"
	"elt/taps"
	"elt/targets"
)

// App is everything a command needs. Cheap things are values, dear things are
// functions that do their work on first use.
type App struct {
	IO      *IOStreams
	Global  *Global
	Taps    *taps.Registry
	Targets *targets.Registry
	Version string
	Environ []string

	Project func(ctx context.Context) (*project.Project, error)
	Store   func(ctx context.Context) (state.Store, error)
	// Self is the path of this binary, for starting built-in connectors.
	Self func() (string, error)
}

// Global are the flags every command has.
type Global struct {
	Cwd           string
	Environment   string
	NoEnvironment bool
	EnvFile       string
	LogLevel      string
	LogFormat     string
	JSON          bool
	NoColor       bool
}

// IOStreams are standard input, output and error; results go to Out, talk to Err.
type IOStreams struct {
	In       io.Reader
	Out, Err io.Writer
	OutTTY   bool
	ErrTTY   bool
}
