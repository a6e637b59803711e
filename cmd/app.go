package cmd

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/rs/zerolog"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/logging"
	"elt/internal/project"
	"elt/internal/secret"
	"elt/internal/spec"
	"elt/internal/worker"
	"elt/state"
	"elt/taps/all"
	targetsall "elt/targets/all"
)

// version is set by the linker: -X elt/cmd.version=1.2.3.
var version = ""

// app is the App with what its providers have opened.
type app struct {
	*cli.App
	mu      sync.Mutex
	store   state.Store
	project *project.Project
}

// newApp opens nothing; every provider works on first use.
func newApp(io *cli.IOStreams, redactor *secret.Redactor) *app {
	a := &app{App: &cli.App{
		IO: io, Global: &cli.Global{}, Redactor: redactor,
		Version: buildVersion(), Environ: os.Environ(),
		Self: os.Executable,
	}}
	a.Taps, a.Targets = all.All(), targetsall.All()
	a.Settings = sync.OnceValues(a.readSettings)
	a.Console = a.console
	a.Log = sync.OnceValue(func() zerolog.Logger { return logging.Join(a.console(a.IO.Err)) })
	a.Project = a.loader(false)
	a.ProjectExplicit = a.loader(true)
	a.LoadProject = func(ctx context.Context) (*project.Project, error) { return a.load(ctx, false) }
	a.Validate = a.validate
	a.Store, a.StoreIfAny = a.openStore, a.storeIfAny
	a.MigrateStore = a.migrateStore
	return a
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (a *app) readSettings() (*cli.Settings, error) {
	s, err := cli.ReadSettings()
	if err != nil {
		return nil, err
	}
	for key, value := range map[string]string{"log_level": a.Global.LogLevel, "log_format": a.Global.LogFormat} {
		if value != "" {
			s.Set(key, value)
		}
	}
	return s, nil
}

// console is a place for log events. Wrong log settings are said there and
// replaced by the defaults: they must not stop a run.
func (a *app) console(w io.Writer) logging.Sink {
	o := logging.Options{Color: a.IO.Color && !a.Global.NoColor, Local: os.Getenv("NO_UTC") != ""}
	s, err := a.Settings()
	if err == nil {
		o.Level, o.Format = s.String("log_level"), s.String("log_format")
	}
	sink, wrong := logging.NewSink(w, o)
	if wrong != nil {
		sink, _ = logging.NewSink(w, logging.Options{Color: o.Color, Local: o.Local})
		err = wrong
	}
	if err != nil {
		log := logging.Join(sink)
		log.Warn().Msg(err.Error())
	}
	return sink
}

func (a *app) loader(ignoreDefault bool) func(context.Context) (*project.Project, error) {
	var loaded *project.Project
	return func(ctx context.Context) (*project.Project, error) {
		if loaded != nil {
			return loaded, nil
		}
		p, err := a.load(ctx, ignoreDefault)
		if err != nil {
			return nil, err
		}
		for _, w := range p.Warnings {
			log := a.Log()
			log.Warn().Msg(w)
		}
		a.project, loaded = p, p
		return p, nil
	}
}

func (a *app) load(ctx context.Context, ignoreDefault bool) (*project.Project, error) {
	o, err := a.projectOptions(ignoreDefault)
	if err != nil {
		return nil, err
	}
	return project.Load(ctx, o)
}

func (a *app) projectOptions(ignoreDefault bool) (project.Options, error) {
	dir, err := a.dir()
	return project.Options{
		Dir: dir, Environment: a.Global.Environment, NoEnvironment: a.Global.NoEnvironment,
		IgnoreDefault: ignoreDefault, EnvFile: a.Global.EnvFile, Environ: a.Environ,
		Stored: storedSettings{a}, Connector: a.connector,
	}, err
}

func (a *app) validate(ctx context.Context) ([]project.Finding, error) {
	o, err := a.projectOptions(false)
	if err != nil {
		return nil, err
	}
	return project.Validate(ctx, o)
}

// anyProject is the project that is loaded already, else the usual one.
func (a *app) anyProject(ctx context.Context) (*project.Project, error) {
	if a.project != nil {
		return a.project, nil
	}
	return a.Project(ctx)
}

// connector describes a built-in connector to the project.
func (a *app) connector(kind project.Kind, name string) (spec.Spec, bool) {
	switch kind {
	case project.Extractors:
		if tap := a.Taps.Lookup(name); tap != nil {
			return tap.Spec(), true
		}
	case project.Loaders:
		if target := a.Targets.Lookup(name); target != nil {
			return target.Spec(), true
		}
	}
	return spec.Spec{}, false
}

func (a *app) dir() (string, error) {
	if a.Global.Cwd == "" {
		return os.Getwd()
	}
	dir, err := filepath.Abs(a.Global.Cwd)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fault.New(fault.Usage, "--cwd %s is not a directory", a.Global.Cwd)
	}
	return dir, nil
}

// fold gives Meltano's callers what they know: in a project whose file is
// meltano.yml our own codes, from 10 up, are 1. A worker of ours is told all.
func (a *app) fold(code fault.Code) fault.Code {
	if os.Getenv(worker.Mark) == "" && code >= 10 && code < 128 && a.project != nil && filepath.Base(a.project.File) == "meltano.yml" {
		return fault.Failed
	}
	return code
}

func (a *app) close() {
	if a.store != nil {
		a.store.Close()
	}
}
