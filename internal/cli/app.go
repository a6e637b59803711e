// Package cli is what every command shares: the App with its lazy providers,
// the streams it talks through, printers, completion, and elt's own settings.
// Commands import it; it imports no command and no connector.
package cli

import (
	"context"
	"io"

	"github.com/rs/zerolog"

	"elt/internal/logging"
	"elt/internal/project"
	"elt/internal/secret"
	"elt/state"
	"elt/taps"
	"elt/targets"
)

// App is everything a command needs. Cheap things are values, dear things are
// functions that do their work on first use.
type App struct {
	IO       *IOStreams
	Global   *Global
	Taps     *taps.Registry
	Targets  *targets.Registry
	Version  string
	Environ  []string
	Redactor *secret.Redactor

	// Project loads the project file once; errors carry file and line.
	Project func(ctx context.Context) (*project.Project, error)
	// ProjectExplicit is Project without default_environment: for commands
	// that take an environment only when it is named.
	ProjectExplicit func(ctx context.Context) (*project.Project, error)
	// LoadProject reads the project file anew at each call.
	LoadProject func(ctx context.Context) (*project.Project, error)
	// Validate lists everything wrong in the project.
	Validate func(ctx context.Context) ([]project.Finding, error)
	// Store opens the state store once; Close closes it.
	Store func(ctx context.Context) (state.Store, error)
	// MigrateStore brings the store to this release's schema, and names it
	// and the schemas before and after.
	MigrateStore func(ctx context.Context) (uri string, from, to int64, err error)
	// StoreIfAny is Store where there is one already, else nil.
	StoreIfAny func(ctx context.Context) (state.Store, error)
	// Settings are elt's own (log level, store, native …), read on first use.
	Settings func() (*Settings, error)
	// Console is w as a place for log events, with level and format as the
	// log flags say; Log is the logger on standard error.
	Console func(w io.Writer) logging.Sink
	Log     func() zerolog.Logger
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
	LogConfig     string
	JSON          bool
	NoColor       bool
}
